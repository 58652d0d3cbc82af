#include "tokenizer/tokenizer_to_gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/pre_tokenizer_names.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Five tokens, of which "<s>" and "<x>" are added, and a merge.
Json small_tokenizer() {
  return {{"version", "1.0"},
          {"added_tokens",
           {{{"id", 3},
             {"content", "<s>"},
             {"single_word", false},
             {"lstrip", false},
             {"rstrip", false},
             {"normalized", false},
             {"special", true}},
            {{"id", 4},
             {"content", "<x>"},
             {"single_word", false},
             {"lstrip", true},
             {"rstrip", false},
             {"normalized", false},
             {"special", false}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"ignore_merges", false},
            {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"<s>", 3}}},
            {"merges", {"a b"}}}}};
}

Json small_config() {
  return {{"bos_token", "<s>"}, {"chat_template", "{{ messages }}"}, {"pad_token", nullptr}};
}

const GgufValue& value(const GgufTokenizer& tokenizer, const std::string& key) {
  for (const auto& [name, value] : tokenizer.values) {
    if (name == key) return value;
  }
  static const GgufValue kNone = std::string("absent");
  return kNone;
}

std::string refusal(const Json& json, int64_t num_tokens) {
  try {
    tokenizer_to_gguf(tokenizer_from_json(json.dump(), ""), num_tokens, {});
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "accepted";
}

TEST(TokenizerToGguf, SaysWhatTheTokenizerIs) {
  const auto made = tokenizer_to_gguf(
      tokenizer_from_json(small_tokenizer().dump(), small_config().dump()), 7, {.eos = 2});
  EXPECT_EQ(value(made, "tokenizer.ggml.model"), GgufValue(std::string("gpt2")));
  EXPECT_EQ(value(made, "tokenizer.ggml.pre"), GgufValue(std::string("gpt-2")));
  EXPECT_THAT(std::get<std::vector<std::string>>(value(made, "tokenizer.ggml.tokens")),
              ElementsAre("a", "b", "ab", "<s>", "<x>", "[PAD5]", "[PAD6]"));
  EXPECT_THAT(std::get<std::vector<int64_t>>(value(made, "tokenizer.ggml.token_type")),
              ElementsAre(1, 1, 1, 3, 4, 5, 5));
  EXPECT_THAT(std::get<std::vector<std::string>>(value(made, "tokenizer.ggml.merges")),
              ElementsAre("a b"));
  EXPECT_EQ(value(made, "tokenizer.ggml.bos_token_id"), GgufValue(uint64_t{3}));
  EXPECT_EQ(value(made, "tokenizer.ggml.eos_token_id"), GgufValue(uint64_t{2}));
  EXPECT_EQ(value(made, "tokenizer.ggml.padding_token_id"), GgufValue(std::string("absent")));
  EXPECT_EQ(value(made, "tokenizer.ggml.add_bos_token"), GgufValue(false));
  EXPECT_EQ(value(made, "tokenizer.chat_template"), GgufValue(std::string("{{ messages }}")));
  EXPECT_THAT(made.notes, ElementsAre(HasSubstr("spaces around 1 added tokens ('<x>'")));
}

TEST(TokenizerToGguf, RefusesWhatHasNoName) {
  EXPECT_EQ(refusal(small_tokenizer(), 5), "accepted");
  EXPECT_THAT(refusal(small_tokenizer(), 4), HasSubstr("'<x>' has the id 4, the embedding has 4"));
  Json other = small_tokenizer();
  other["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_THAT(refusal(other, 5), HasSubstr("none of the names that are known"));
  other = small_tokenizer();
  other["model"]["ignore_merges"] = true;
  EXPECT_THAT(refusal(other, 5), HasSubstr("tokenizer.ggml.pre"));
}

// Every name stands for steps that are found again: under it, or one that says the same.
TEST(TokenizerToGguf, NamesOfPreTokenizersAreFound) {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o"}) {
    const auto& named = pre_tokenizer_named(name);
    const Json normalizer = named.nfc ? Json{{"type", "NFC"}} : Json();
    const auto* found =
        name_of_pre_tokenizer(pre_tokenizer_json(named), normalizer, named.ignore_merges);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->name, name);
    EXPECT_EQ(name_of_pre_tokenizer(pre_tokenizer_json(named), Json{{"type", "NFKC"}},
                                    named.ignore_merges),
              nullptr);
  }
}

}  // namespace
}  // namespace assay
