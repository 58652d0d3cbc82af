#include "chat/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "chat/chat_tokens.h"
#include "chat/lint.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Fn>
std::string refusal(Fn&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

ChatFormat format_of(const std::string& text) {
  return chat_format(text, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
}

constexpr const char* kPlain =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

TEST(RenderChat, EndsAsAsked) {
  const auto format = format_of(kPlain);
  const std::vector<ChatMessage> chat{{"user", "Hi"}, {"assistant", "Well, "}};
  EXPECT_EQ(render_chat(format, chat), "<user>Hi</s><assistant>Well, </s>");
  EXPECT_EQ(render_chat(format, chat, {.end = ChatEnd::kGenerationPrompt}),
            "<user>Hi</s><assistant>Well, </s><assistant>");
  EXPECT_EQ(render_chat(format, chat, {.end = ChatEnd::kContinuesLastTurn}),
            "<user>Hi</s><assistant>Well, ");
}

TEST(RenderChat, PassesVariables) {
  const std::vector<ChatMessage> chat{{"user", "Hi"}};
  const auto format = format_of("{{ tools }} {{ documents }} {{ bos_token }} {{ x }}");
  EXPECT_EQ(render_chat(format, chat, {.variables = {{"x", 1}}}), "None None <s> 1");
  EXPECT_EQ(render_chat(format, chat, {.variables = {{"bos_token", "B"}, {"tools", {1}}}}),
            "[1] None B ");
}

TEST(RenderChat, RefusesWhatItCannotRender) {
  const std::vector<ChatMessage> chat{{"user", "Hi"}};
  EXPECT_EQ(refusal([] { format_of("\n{% if %}"); }),
            "chat template: line 2: expected an expression, got '%}'");
  EXPECT_EQ(refusal([&] { render_chat(format_of("{{ raise_exception('no') }}"), chat); }),
            "chat template: line 1: no");
  EXPECT_EQ(refusal([] { render_chat(format_of(kPlain), {}); }),
            "chat template: a conversation needs at least one message");
  const ChatOptions continued{.end = ChatEnd::kContinuesLastTurn};
  EXPECT_THAT(refusal([&] { render_chat(format_of("{{ messages[0].role }}"), chat, continued); }),
              HasSubstr("it does not read 'content'"));
  EXPECT_THAT(refusal([&] { render_chat(format_of("a fixed content"), chat, continued); }),
              HasSubstr("the last message does not appear"));
}

TEST(SpecialTokenTexts, ReadsThoseThatATemplateSees) {
  const Json config = {{"bos_token", "<s>"},
                       {"eos_token", {{"content", "</s>"}, {"lstrip", false}}},
                       {"pad_token", nullptr},
                       {"add_bos_token", true},
                       {"extra_special_tokens", {{"image_token", "<image>"}}}};
  EXPECT_EQ(special_token_texts(config),
            (Json{{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"image_token", "<image>"}}));
  EXPECT_EQ(special_token_texts({{"extra_special_tokens", {"<a>"}}}), Json::object());
  EXPECT_EQ(refusal([] {
              special_token_texts({{"bos_token", 3}});
            }),
            "tokenizer_config.bos_token: expected text or {\"content\": text}");
}

TEST(DefaultChatTemplate, TakesTheFileThenTheDefaultOfSeveral) {
  const Json named = {{{"name", "tool_use"}, {"template", "t"}},
                      {{"name", "default"}, {"template", "d"}}};
  EXPECT_EQ(default_chat_template({{"chat_template", "one"}}), "one");
  EXPECT_EQ(default_chat_template({{"chat_template", named}}), "d");
  EXPECT_EQ(default_chat_template({{"chat_template", named}}, "file"), "file");
  EXPECT_EQ(default_chat_template(Json::object()), "");
  EXPECT_EQ(refusal([] {
              default_chat_template(
                  {{"chat_template", Json::array({{{"name", "rag"}, {"template", "r"}}})}});
            }),
            "tokenizer_config.chat_template: none is called 'default'");
  EXPECT_THAT(refusal([] {
                default_chat_template({{"chat_template", 3}});
              }),
              HasSubstr("expected text or a list"));
  EXPECT_THAT(refusal([] {
                default_chat_template({{"chat_template", {3}}});
              }),
              HasSubstr("expected a list of {name, template}"));
}

TEST(LintChat, TellsBosSystemTurnAndDate) {
  const ChatLint plain = lint_chat(format_of(kPlain));
  EXPECT_FALSE(plain.begins_with_bos);
  EXPECT_EQ(plain.system_turn, SystemTurn::kUsed);
  EXPECT_FALSE(plain.depends_on_date);

  const ChatLint dated =
      lint_chat(format_of("{{ bos_token }}{{ strftime_now('%d') }}{{ messages[-1].content }}"));
  EXPECT_TRUE(dated.begins_with_bos);
  EXPECT_EQ(dated.system_turn, SystemTurn::kIgnored);
  EXPECT_TRUE(dated.depends_on_date);

  const ChatLint strict = lint_chat(
      format_of("{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}x"));
  EXPECT_EQ(strict.system_turn, SystemTurn::kRefused);
  EXPECT_EQ(refusal([] { lint_chat(format_of("{{ nope.x }}")); }),
            "chat template: line 1: 'nope' is undefined");
}

// A byte-level tokenizer of a few letters, "<s>" = 0 and "</s>" = 1.
Tokenizer tiny_tokenizer(const Json& config) {
  const auto added = [](int id, const char* text) {
    return Json{{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const Json tokenizer = {{"version", "1.0"},
                          {"added_tokens", {added(0, "<s>"), added(1, "</s>")}},
                          {"normalizer", nullptr},
                          {"pre_tokenizer",
                           {{"type", "ByteLevel"},
                            {"add_prefix_space", false},
                            {"trim_offsets", true},
                            {"use_regex", true}}},
                          {"post_processor", nullptr},
                          {"decoder",
                           {{"type", "ByteLevel"},
                            {"add_prefix_space", true},
                            {"trim_offsets", true},
                            {"use_regex", true}}},
                          {"model",
                           {{"type", "BPE"},
                            {"dropout", nullptr},
                            {"unk_token", nullptr},
                            {"continuing_subword_prefix", nullptr},
                            {"end_of_word_suffix", nullptr},
                            {"fuse_unk", false},
                            {"byte_fallback", false},
                            {"vocab", {{"<s>", 0}, {"</s>", 1}, {"a", 2}, {"b", 3}}},
                            {"merges", Json::array()}}}};
  return tokenizer_from_json(tokenizer.dump(), config.dump());
}

TEST(EncodeChat, PutsBosInFrontExactlyOnce) {
  const Json tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  Json adding = tokens;
  adding["add_bos_token"] = true;
  const auto adds = tiny_tokenizer(adding), leaves = tiny_tokenizer(tokens);
  ASSERT_TRUE(adds.adds_bos());
  ASSERT_FALSE(leaves.adds_bos());

  EXPECT_THAT(encode_chat(adds, "ab</s>").ids, ElementsAre(0, 2, 3, 1));
  EXPECT_THAT(encode_chat(adds, "ab</s>").ends, ElementsAre(0, 1, 2, 6));
  EXPECT_THAT(encode_chat(adds, "<s>ab").ids, ElementsAre(0, 2, 3));
  EXPECT_THAT(encode_chat(adds, "<s>ab").ends, ElementsAre(3, 4, 5));
  EXPECT_THAT(encode_chat(adds, "<s>a</s><s>b").ids, ElementsAre(0, 2, 1, 0, 3));
  EXPECT_THAT(encode_chat(adds, "").ids, ElementsAre(0));
  EXPECT_EQ(refusal([&] { encode_chat(adds, "<s><s>a"); }),
            "the rendered chat starts with BOS 2 times");

  EXPECT_THAT(encode_chat(leaves, "ab").ids, ElementsAre(2, 3));
  EXPECT_THAT(encode_chat(leaves, "<s>ab").ids, ElementsAre(0, 2, 3));
  EXPECT_EQ(refusal([&] { encode_chat(leaves, "<s><s>a"); }),
            "the rendered chat starts with BOS 2 times");
  EXPECT_THAT(encode_chat(tiny_tokenizer(Json::object()), "<s><s>").ids, ElementsAre(0, 0));
}

}  // namespace
}  // namespace assay
