#pragma once
// Byte strings with values, and all of them that a text starts with.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay {

class ByteTrie {
 public:
  ByteTrie() = default;
  // Values are not negative. Of equal keys the last one counts; an empty key is left out.
  explicit ByteTrie(std::vector<std::pair<std::string, int32_t>> keys);

  // Calls found(length, value) for each key that `text` starts with, the shortest first.
  template <class Found>
  void for_each_prefix(std::string_view text, Found&& found) const {
    uint32_t node = kRoot;
    for (size_t length = 1; length <= text.size(); ++length) {
      node = child(node, static_cast<uint8_t>(text[length - 1]));
      if (node == kNone) return;
      if (nodes_[node].value >= 0) found(length, nodes_[node].value);
    }
  }

 private:
  static constexpr uint32_t kRoot = 0, kNone = ~uint32_t{0};
  struct Node {
    uint32_t first_child = 0;  // children are neighbours, in the order of their labels
    int32_t value = -1;
    uint16_t num_children = 0;
    uint8_t label = 0;
  };

  uint32_t child(uint32_t node, uint8_t label) const {
    if (node == kRoot) return root_children_[label];
    uint32_t first = nodes_[node].first_child, last = first + nodes_[node].num_children;
    while (last - first > 8) {
      const uint32_t middle = first + (last - first) / 2;
      if (nodes_[middle].label <= label) {
        first = middle;
      } else {
        last = middle;
      }
    }
    for (; first < last; ++first) {
      if (nodes_[first].label == label) return first;
    }
    return kNone;
  }

  static constexpr std::array<uint32_t, 256> no_children() {
    std::array<uint32_t, 256> none{};
    none.fill(kNone);
    return none;
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<uint32_t, 256> root_children_ = no_children();
};

}  // namespace assay
