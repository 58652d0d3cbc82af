#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>

#include "base/error.h"
#include "tokenizer/code_points.h"

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

// Collects the symbols of a word.
class SymbolList {
 public:
  SymbolList(const BpeModel& model, size_t capacity) : model_(model) { symbols_.reserve(capacity); }

  void add(int32_t id, uint32_t end) {
    const auto position = static_cast<int32_t>(symbols_.size());
    if (position > 0) symbols_.back().next = position;
    symbols_.push_back({id, position - 1, -1, end});
    unknown_run_ = false;
  }

  void add_unknown(uint32_t end, uint32_t num_bytes) {
    dropped_bytes_ += num_bytes;
    if (!model_.unknown_id) return;  // its neighbours become neighbours of each other
    if (unknown_run_ && model_.fuse_unknown) {
      symbols_.back().end = end;
      return;
    }
    add(*model_.unknown_id, end);
    unknown_run_ = true;
  }

  uint32_t dropped_bytes() const { return dropped_bytes_; }
  std::vector<Symbol>& symbols() { return symbols_; }

 private:
  const BpeModel& model_;
  std::vector<Symbol> symbols_;
  bool unknown_run_ = false;
  uint32_t dropped_bytes_ = 0;
};

void add_bytes(const BpeModel& model, std::string_view word, SymbolList& list) {
  for (size_t i = 0; i < word.size(); ++i) {
    const auto end = static_cast<uint32_t>(i + 1);
    const int32_t id = model.byte_ids[static_cast<uint8_t>(word[i])];
    if (id < 0) {
      list.add_unknown(end, 1);
    } else {
      list.add(id, end);
    }
  }
}

void add_characters(const BpeModel& model, std::string_view word, SymbolList& list) {
  for (size_t at = 0; at < word.size();) {
    const CodePoint c = code_point_at(word, at);
    const std::string_view bytes = word.substr(at, c.size);
    const size_t begin = at;
    at += c.size;
    const int32_t id = model.character_ids.find(c.value);
    if (id >= 0) {
      list.add(id, static_cast<uint32_t>(at));
      continue;
    }
    const auto byte_id = [&](char byte) { return model.byte_ids[static_cast<uint8_t>(byte)]; };
    if (std::ranges::any_of(bytes, [&](char byte) { return byte_id(byte) < 0; })) {
      list.add_unknown(static_cast<uint32_t>(at), static_cast<uint32_t>(c.size));
      continue;
    }
    for (size_t i = 0; i < c.size; ++i)
      list.add(byte_id(bytes[i]), static_cast<uint32_t>(begin + i + 1));
  }
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

void CharacterIds::insert(char32_t c, int32_t id) {
  if (c < ascii_.size()) {
    ascii_[c] = id;
  } else {
    others_[c] = id;
  }
}

int32_t CharacterIds::find(char32_t c) const {
  if (c < ascii_.size()) return ascii_[c];
  const auto found = others_.find(c);
  return found == others_.end() ? -1 : found->second;
}

size_t first_cut(const BpeModel& model, std::string_view text) {
  if (!model.word_marker) return text.size();
  char32_t previous = *model.word_marker;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const bool cut = c.value == *model.word_marker && previous != *model.word_marker &&
                     !std::ranges::binary_search(model.joined_to_marker, previous);
    if (cut) return at;
    previous = c.value;
    at += c.size;
  }
  return text.size();
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
  SymbolList list(model, word.size());
  if (model.symbols == BpeModel::Symbols::kBytes) {
    add_bytes(model, word, list);
  } else {
    add_characters(model, word, list);
  }
  merge_all(model, list.symbols());
  WordTokens tokens;
  tokens.dropped_bytes = list.dropped_bytes();
  for (const Symbol& symbol : list.symbols()) {
    if (symbol.id == kMerged) continue;
    tokens.ids.push_back(symbol.id);
    tokens.ends.push_back(symbol.end);
  }
  return tokens;
}

}  // namespace assay
