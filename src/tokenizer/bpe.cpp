#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>

#include "base/error.h"

namespace assay {
namespace {

constexpr uint64_t kNoKey = ~uint64_t{0};  // ids are not negative, so no pair has this key

uint64_t key_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

struct Symbol {
  int32_t id;              // kMerged: now part of a symbol to the left
  int32_t previous, next;  // positions, -1 at the ends
  uint32_t end;            // bytes of the word up to here
};

constexpr int32_t kMerged = -1;

struct Candidate {
  uint32_t rank;
  int32_t position;
  int32_t id;  // of the merged symbol
};

// The lowest rank comes first, then the leftmost position.
struct ComesLater {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

std::vector<Symbol> symbols_of(const BpeModel& model, std::string_view word,
                               uint32_t& dropped_bytes) {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  bool unknown_run = false;
  for (size_t i = 0; i < word.size(); ++i) {
    const auto end = static_cast<uint32_t>(i + 1);
    int32_t id = model.byte_ids[static_cast<uint8_t>(word[i])];
    const bool unknown = id < 0;
    if (unknown && !model.unknown_id) {
      ++dropped_bytes;  // its neighbours become neighbours of each other
      continue;
    }
    if (unknown) {
      ++dropped_bytes;
      id = *model.unknown_id;
      if (unknown_run && model.fuse_unknown) {
        symbols.back().end = end;
        continue;
      }
    }
    unknown_run = unknown;
    const auto position = static_cast<int32_t>(symbols.size());
    if (position > 0) symbols.back().next = position;
    symbols.push_back({id, position - 1, -1, end});
  }
  return symbols;
}

void merge_all(const BpeModel& model, std::vector<Symbol>& symbols) {
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue(ComesLater{},
                                                                           std::move(storage));
  const auto offer = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const auto* merge = model.merges.find(symbols[static_cast<size_t>(left)].id,
                                          symbols[static_cast<size_t>(right)].id);
    if (merge != nullptr) queue.push({merge->rank, left, merge->id});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    offer(static_cast<int32_t>(i), static_cast<int32_t>(i + 1));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(top.position)];
    if (left.id == kMerged || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    // The pair may have changed since; it is still good when it gives the same token.
    const auto* merge = model.merges.find(left.id, right.id);
    if (merge == nullptr || merge->id != top.id) continue;
    left.id = top.id;
    left.end = right.end;
    left.next = right.next;
    right.id = kMerged;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.position;
    offer(left.previous, top.position);
    offer(top.position, left.next);
  }
}

}  // namespace

MergeTable::MergeTable(size_t num_merges)
    : slots_(std::bit_ceil(2 * num_merges + 2), Slot{kNoKey, {}}) {}

size_t MergeTable::slot_of(uint64_t key) const {
  uint64_t hash = key * 0x9E3779B97F4A7C15u;
  hash ^= hash >> 32;
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].key != key && slots_[slot].key != kNoKey)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = key_of(left, right);
  slots_[slot_of(key)] = {key, merge};
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const uint64_t key = key_of(left, right);
  const Slot& slot = slots_[slot_of(key)];
  return slot.key == key ? &slot.merge : nullptr;
}

WordTokens encode_word(const BpeModel& model, std::string_view word) {
  require(word.size() <= size_t{std::numeric_limits<int32_t>::max()}, "tokenizer: a word of ",
          word.size(), " bytes");
  if (!model.whole_words.empty()) {
    if (const auto whole = model.whole_words.find(std::string(word));
        whole != model.whole_words.end()) {
      return {{whole->second}, {static_cast<uint32_t>(word.size())}, 0};
    }
  }
  WordTokens tokens;
  auto symbols = symbols_of(model, word, tokens.dropped_bytes);
  merge_all(model, symbols);
  for (const Symbol& symbol : symbols) {
    if (symbol.id == kMerged) continue;
    tokens.ids.push_back(symbol.id);
    tokens.ends.push_back(symbol.end);
  }
  return tokens;
}

}  // namespace assay
