#pragma once
// Byte-pair encoding: the bytes of a word become symbols, then the pair of neighbours with the
// lowest rank is merged, again and again, the leftmost first. Source: Sennrich et al., ACL 2016,
// arXiv:1508.07909; ties and stale pairs as in the `tokenizers` library.

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

struct BpeModel {
  std::array<int32_t, 256> byte_ids{};  // -1: the vocabulary does not have the byte
  MergeTable merges;
  // Words that are tokens as they are, by their bytes: only where the merges are to be ignored for
  // them.
  std::unordered_map<std::string, int32_t> whole_words;
  std::optional<int32_t> unknown_id;  // stands for a byte that the vocabulary does not have
  bool fuse_unknown = false;          // one unknown token for a run of such bytes
};

struct WordTokens {
  std::vector<int32_t> ids;
  std::vector<uint32_t> ends;  // bytes of the word up to the end of each token
  uint32_t dropped_bytes = 0;  // bytes that no token says
};

// O(n log n) in the bytes of the word. Error(kBadInput) on a word of 2^31 bytes or more.
WordTokens encode_word(const BpeModel& model, std::string_view word);

}  // namespace assay
