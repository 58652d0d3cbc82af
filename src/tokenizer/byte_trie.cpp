#include "tokenizer/byte_trie.h"

#include <algorithm>

namespace assay {

// Level by level: the keys below a node are a stretch of the sorted list.
ByteTrie::ByteTrie(std::vector<std::pair<std::string, int32_t>> keys) {
  using Key = std::pair<std::string, int32_t>;
  std::erase_if(keys, [](const Key& key) { return key.first.empty(); });
  std::ranges::stable_sort(keys, {}, &Key::first);
  struct Stretch {
    size_t begin, end;  // of keys
    uint32_t node;
  };
  std::vector<Stretch> level{{0, keys.size(), kRoot}}, next;
  for (size_t depth = 0; !level.empty(); ++depth, std::swap(level, next)) {
    next.clear();
    for (const auto& [begin, end, node] : level) {
      size_t at = begin;
      for (; at < end && keys[at].first.size() == depth; ++at) nodes_[node].value = keys[at].second;
      nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
      while (at < end) {
        const char label = keys[at].first[depth];
        const size_t first = at;
        while (at < end && keys[at].first[depth] == label) ++at;
        next.push_back({first, at, static_cast<uint32_t>(nodes_.size())});
        nodes_.push_back({0, -1, 0, static_cast<uint8_t>(label)});
        ++nodes_[node].num_children;
      }
    }
  }
  for (uint32_t i = 0; i < nodes_[kRoot].num_children; ++i) {
    const uint32_t node = nodes_[kRoot].first_child + i;
    root_children_[nodes_[node].label] = node;
  }
}

}  // namespace assay
