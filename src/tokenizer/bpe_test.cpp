#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "tokenizer/byte_symbols.h"

namespace assay {
namespace {

// Bytes 'a'..'e' are the ids 0..4; nothing else is known.
BpeModel letters(size_t num_merges) {
  BpeModel model;
  model.merges = MergeTable(num_merges);
  model.byte_ids.fill(-1);
  for (int i = 0; i < 5; ++i) model.byte_ids[static_cast<size_t>('a' + i)] = i;
  return model;
}

// By hand: merges ab (rank 0) -> 5, bc (rank 1) -> 6, abc from ab + c (rank 2) -> 7.
//   "abcbc": the ab goes first, then the right bc, then ab + c.       "aabab" = a, ab, ab.
TEST(EncodeWord, MatchesHandComputedCases) {
  BpeModel model = letters(3);
  model.merges.insert(0, 1, {0, 5});
  model.merges.insert(1, 2, {1, 6});
  model.merges.insert(5, 2, {2, 7});
  const auto tokens = encode_word(model, "abcbc");
  EXPECT_EQ(tokens.ids, (std::vector<int32_t>{7, 6}));
  EXPECT_EQ(tokens.ends, (std::vector<uint32_t>{3, 5}));
  EXPECT_EQ(encode_word(model, "aabab").ids, (std::vector<int32_t>{0, 5, 5}));
  EXPECT_TRUE(encode_word(model, "").ids.empty());
}

TEST(EncodeWord, DropsAndCountsBytesThatTheVocabularyDoesNotHave) {
  BpeModel model = letters(1);
  model.merges.insert(0, 1, {0, 5});
  const auto tokens = encode_word(model,
                                  "xa\xFF"
                                  "bz");
  EXPECT_EQ(tokens.ids, std::vector<int32_t>{5});  // a and b have become neighbours
  EXPECT_EQ(tokens.ends, std::vector<uint32_t>{4});
  EXPECT_EQ(tokens.dropped_bytes, 3u);

  model.unknown_id = 9;
  EXPECT_EQ(encode_word(model, "xxab").ids, (std::vector<int32_t>{9, 9, 5}));
  model.fuse_unknown = true;
  EXPECT_EQ(encode_word(model, "xxabx").ids, (std::vector<int32_t>{9, 5, 9}));
  EXPECT_EQ(encode_word(model, "xxabx").ends, (std::vector<uint32_t>{2, 4, 5}));
}

TEST(EncodeWord, TakesWholeWordsFirstWhereTheModelSaysSo) {
  BpeModel model = letters(1);
  model.merges.insert(0, 1, {0, 5});
  model.whole_words.emplace("abe", 8);
  EXPECT_EQ(encode_word(model, "abe").ids, std::vector<int32_t>{8});
  EXPECT_EQ(encode_word(model, "abea").ids, (std::vector<int32_t>{5, 4, 0}));
}

// The definition: merge the leftmost pair of the lowest rank until no pair is in the table.
std::vector<int32_t> encode_slowly(const BpeModel& model, std::string_view word) {
  std::vector<int32_t> ids;
  for (const char c : word) ids.push_back(model.byte_ids[static_cast<uint8_t>(c)]);
  while (true) {
    const MergeTable::Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto* merge = model.merges.find(ids[i], ids[i + 1]);
      if (merge != nullptr && (best == nullptr || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (best == nullptr) return ids;
    ids[at] = best->id;
    ids.erase(ids.begin() + static_cast<int64_t>(at) + 1);
  }
}

TEST(EncodeWord, AgreesWithTheDefinitionOnRandomVocabularies) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    BpeModel model = letters(60);
    for (int32_t id = 5; id < 65; ++id) {  // each token has one merge, of two tokens before it
      const auto left = static_cast<int32_t>(random() % static_cast<uint32_t>(id));
      const auto right = static_cast<int32_t>(random() % static_cast<uint32_t>(id));
      if (model.merges.find(left, right) == nullptr) {
        model.merges.insert(left, right, {static_cast<uint32_t>(id), id});
      }
    }
    for (int i = 0; i < 20; ++i) {
      std::string word(random() % 60, 'a');
      for (char& c : word) c = static_cast<char>('a' + random() % 5);
      ASSERT_EQ(encode_word(model, word).ids, encode_slowly(model, word)) << seed << " " << word;
    }
  }
}

// 2^18 bytes: a quadratic loop would take an hour.
TEST(EncodeWord, LongWordsStayFast) {
  BpeModel model = letters(18);
  model.merges.insert(0, 0, {0, 5});
  for (int32_t id = 5; id < 22; ++id)
    model.merges.insert(id, id, {static_cast<uint32_t>(id), id + 1});
  const auto tokens = encode_word(model, std::string(1 << 18, 'a'));
  EXPECT_EQ(tokens.ids, std::vector<int32_t>{22});  // 5 stands for 2 bytes, 22 for 2^18
}

// Source of the examples: GPT-2's vocabulary, where "Ġ" is a space and "Ċ" a line feed.
TEST(ByteSymbols, SpellEveryByteAndReadItBack) {
  EXPECT_EQ(byte_symbol('A'), "A");
  EXPECT_EQ(byte_symbol(' '), "Ġ");
  EXPECT_EQ(byte_symbol('\n'), "Ċ");
  EXPECT_EQ(byte_symbol(0xAD), "Ń");  // the last of the 68 substitutes
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(bytes_of_symbols(byte_symbol(static_cast<uint8_t>(byte))),
              std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(bytes_of_symbols("Ġthe"), " the");
  EXPECT_EQ(bytes_of_symbols("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_symbols("\xC4"), std::nullopt);
}

}  // namespace
}  // namespace assay
