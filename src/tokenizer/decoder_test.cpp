#include "tokenizer/decoder.h"

#include <gtest/gtest.h>

#include "tokenizer/base64.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece.h"

namespace assay {
namespace {

std::string decoded(const Json& json, const std::vector<std::string>& tokens,
                    StartOfText start = StartOfText::kYes) {
  return decode(parse_decoder(json), tokens, start);
}

// The examples in the comments of the `tokenizers` library's own decoders, and by hand.
TEST(Decode, FollowsEachDecoderOfTokenizerJson) {
  EXPECT_EQ(decoded(nullptr, {"a", "b"}), "a b");
  EXPECT_EQ(decoded({{"type", "ByteLevel"}}, {"\u0120a", "\u00c3", "\u00a9"}), " a\u00e9");
  EXPECT_EQ(decoded({{"type", "ByteFallback"}}, {"<0xE5>", "<0x8f>", "<0xab>", "a"}), "\u53eba");
  EXPECT_EQ(decoded({{"type", "ByteFallback"}}, {"<0xE5>", "<0x8f>", "a", "<0xZZ>"}),
            "\uFFFD\uFFFDa<0xZZ>");
  EXPECT_EQ(
      decoded({{"type", "Strip"}, {"content", "H"}, {"start", 1}, {"stop", 0}}, {"HHey", "Ho"}),
      "Heyo");
  EXPECT_EQ(decoded({{"type", "Strip"}, {"content", "y"}, {"start", 0}, {"stop", 2}}, {"Heyyy"}),
            "Hey");
  EXPECT_EQ(decoded({{"type", "Metaspace"}}, {"\u2581Hey", "\u2581you"}), "Hey you");
  EXPECT_EQ(decoded({{"type", "Metaspace"}}, {"\u2581Hey", "\u2581you"}, StartOfText::kNo),
            " Hey you");
  EXPECT_EQ(decoded({{"type", "Metaspace"}, {"prepend_scheme", "never"}}, {"\u2581Hey"}), " Hey");
  EXPECT_EQ(decoded({{"type", "WordPiece"}}, {"##u", "##cl", "don", "'", "t", "!"}),
            "##ucl don ' t!");
  EXPECT_EQ(
      decoded({{"type", "Replace"}, {"pattern", {{"String", "_"}}}, {"content", " "}}, {"a_b"}),
      "a b");
}

// By hand: "ab" is unknown as a whole, but a ##b are known; 101 characters are too many.
TEST(EncodeWordPiece, TakesTheLongestFirst) {
  WordPieceModel model;
  model.first = ByteTrie({{"a", 1}, {"abc", 2}, {"##b", 3}});
  model.next = ByteTrie({{"b", 3}});
  EXPECT_EQ(encode_word(model, "ab").ids, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(encode_word(model, "abcb").ends, (std::vector<uint32_t>{3, 4}));
  EXPECT_EQ(encode_word(model, "ax").ids, std::vector<int32_t>{0});
  EXPECT_EQ(encode_word(model, "ax").dropped_bytes, 2u);
  EXPECT_EQ(encode_word(model, "##b").ids, std::vector<int32_t>{3});  // a token as it is
  model.first = ByteTrie({{"b", 4}});
  EXPECT_EQ(encode_word(model, std::string(100, 'b')).ids.size(), 100u);
  EXPECT_EQ(encode_word(model, std::string(101, 'b')).ids, std::vector<int32_t>{0});
}

// By hand: a + aa and aa + a have the sum -2; the one offered first stays.
TEST(EncodeUnigram, KeepsTheFirstOfEqualPaths) {
  UnigramModel model;
  model.pieces = ByteTrie({{"a", 0}, {"aa", 1}});
  model.scores = {-1, -1};
  model.unknown_score = -11;
  model.byte_ids.fill(-1);
  EXPECT_EQ(encode_word(model, "aaa").ids, (std::vector<int32_t>{0, 1}));
  EXPECT_THROW(encode_word(model, "ax"), std::exception);  // no unknown token
  model.unknown_id = 7;
  EXPECT_EQ(encode_word(model, "axya").ids, (std::vector<int32_t>{0, 7, 0}));
  EXPECT_EQ(encode_word(model, "axya").ends, (std::vector<uint32_t>{1, 3, 4}));
}

TEST(Base64, WritesAndReadsTheExamplesOfRfc4648) {
  constexpr std::pair<std::string_view, std::string_view> kExamples[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
  for (const auto& [bytes, text] : kExamples) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(ByteTrie, FindsAllPrefixes) {
  const ByteTrie trie({{"a", 1}, {"abc", 2}, {"", 9}, {"\xFFx", 3}, {"a", 4}});
  std::vector<std::pair<size_t, int32_t>> found;
  trie.for_each_prefix("abcd",
                       [&](size_t length, int32_t value) { found.emplace_back(length, value); });
  EXPECT_EQ(found, (std::vector<std::pair<size_t, int32_t>>{{1, 4}, {3, 2}}));
  found.clear();
  trie.for_each_prefix("\xFFx",
                       [&](size_t length, int32_t value) { found.emplace_back(length, value); });
  EXPECT_EQ(found, (std::vector<std::pair<size_t, int32_t>>{{2, 3}}));
  ByteTrie().for_each_prefix("a", [](size_t, int32_t) { FAIL(); });
}

}  // namespace
}  // namespace assay
