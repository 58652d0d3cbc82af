#pragma once
// Byte-pair encoding: the bytes or the characters of a word become symbols, then the pair of
// neighbours with the lowest rank is merged, again and again, the leftmost first. Source: Sennrich
// et al., ACL 2016, arXiv:1508.07909; ties and stale pairs as in the `tokenizers` library.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace assay {

// (left id, right id) -> rank and merged id: open addressing, one cache line a look-up.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };

  explicit MergeTable(size_t num_merges = 0);
  // A pair that is there already gets the new rank and id.
  void insert(int32_t left, int32_t right, Merge merge);
  const Merge* find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t key;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  std::vector<Slot> slots_;  // a power of two of them, at most half of them in use
};

// Ids of single characters.
class CharacterIds {
 public:
  CharacterIds() { ascii_.fill(-1); }
  void insert(char32_t c, int32_t id);
  int32_t find(char32_t c) const;  // -1: the vocabulary does not have it

 private:
  std::array<int32_t, 128> ascii_{};
  std::unordered_map<char32_t, int32_t> others_;
};

struct BpeModel {
  enum class Symbols { kBytes, kCharacters } symbols = Symbols::kBytes;
  CharacterIds character_ids;  // of symbols that are characters
  // Of symbols that are bytes, or that stand for a character without an id where the vocabulary has
  // all of its bytes; -1: the vocabulary does not have the byte.
  std::array<int32_t, 256> byte_ids{};
  MergeTable merges;
  // Words that are tokens as they are, by their bytes: only where the merges are to be ignored for
  // them.
  std::unordered_map<std::string, int32_t> whole_words;
  std::optional<int32_t> unknown_id;  // stands for what the vocabulary does not have
  bool fuse_unknown = false;          // one unknown token for a run of it
  // A character that starts words in all tokens but those that hold it behind one of
  // `joined_to_marker`: a text may be cut in front of it otherwise, and no merge is lost.
  std::optional<char32_t> word_marker;
  std::vector<char32_t> joined_to_marker;  // sorted
};

struct WordTokens {
  std::vector<int32_t> ids;
  std::vector<uint32_t> ends;  // bytes of the word up to the end of each token
  uint32_t dropped_bytes = 0;  // bytes that no token says
};

// O(n log n) in the bytes of the word. Error(kBadInput) on a word of 2^31 bytes or more.
WordTokens encode_word(const BpeModel& model, std::string_view word);

// Where the first part of `text` ends that may be encoded alone; text.size() where none is shorter.
size_t first_cut(const BpeModel& model, std::string_view text);

}  // namespace assay
