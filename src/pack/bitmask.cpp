#include "pack/bitmask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

bool bit_of(std::span<const std::byte> row, int64_t col) {
  return (static_cast<unsigned>(row[static_cast<size_t>(col / 8)]) >> (col % 8) & 1u) != 0;
}

LinearShape shape_part(const StoredParts& parts) {
  const StoredPart& part = part_of(parts, "shape", {"I64", "I32"});
  require_intact(part.shape == std::vector<int64_t>{2} || part.shape == std::vector<int64_t>{2, 1},
                 "'shape' has shape ", shape_text(part.shape), ", expected [2]");
  const auto dims = integers_of(part);
  constexpr int64_t kMaxDim = int64_t{1} << 31;
  require_intact(dims[0] > 0 && dims[1] > 0 && dims[0] <= kMaxDim && dims[1] <= kMaxDim,
                 "'shape' holds [", dims[0], ", ", dims[1], "]");
  return {dims[0], dims[1]};
}

// Where each row starts among the stored elements; one more, the number of all.
std::vector<int64_t> row_starts(SparseFormat format, const StoredParts& parts, LinearShape shape) {
  std::vector<int64_t> starts{0};
  const auto& mask = parts.find("bitmask")->second.bytes;
  const auto mask_bytes = static_cast<size_t>((shape.in_features + 7) / 8);
  for (int64_t row = 0; row < shape.out_features; ++row) {
    const auto bits = mask.subspan(static_cast<size_t>(row) * mask_bytes, mask_bytes);
    int64_t count = 0;
    for (const auto byte : bits) count += std::popcount(static_cast<uint8_t>(byte));
    starts.push_back(starts.back() + count);
    for (int64_t col = shape.in_features; col < static_cast<int64_t>(8 * mask_bytes); ++col) {
      require_intact(!bit_of(bits, col), "'bitmask': row ", row, " has a bit behind column ",
                     shape.in_features - 1);
    }
    for (const auto& byte : format == SparseFormat::k24Bitmask ? bits : bits.first(0)) {
      const auto four = [&](int shift) {
        return std::popcount(static_cast<unsigned>(byte) >> shift & 15u);
      };
      const bool is_last_half = &byte == &bits.back() && shape.in_features % 8 == 4;
      require_intact(four(0) == 2 && (is_last_half || four(4) == 2), "'bitmask': row ", row,
                     " does not keep two of every four");
    }
  }
  return starts;
}

// |x| of an element, for the choice of the two largest.
std::vector<float> magnitudes(const StoredPart& weight) {
  std::vector<float> sizes;
  if (weight.dtype->name == "I8") {
    for (const auto code : integers_of(weight)) sizes.push_back(static_cast<float>(std::abs(code)));
    return sizes;
  }
  sizes = floats_of(weight);
  for (float& size : sizes) size = std::abs(size);
  return sizes;
}

// Columns of a group of four that stay, ascending.
std::array<int64_t, 2> two_largest(std::span<const float> four, int64_t row, int64_t first) {
  std::array<int64_t, 4> order{0, 1, 2, 3};
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return four[static_cast<size_t>(a)] > four[static_cast<size_t>(b)];
  });
  require(four[static_cast<size_t>(order[2])] == 0, "row ", row, ", columns ", first, " to ",
          first + 3, ": more than two weights are not zero, which is no 2:4 pattern");
  return {std::min(order[0], order[1]), std::max(order[0], order[1])};
}

std::vector<bool> kept_elements(SparseFormat format, const StoredPart& weight, LinearShape shape) {
  const auto sizes = magnitudes(weight);
  std::vector<bool> kept(sizes.size());
  if (format == SparseFormat::kBitmask) {
    for (size_t i = 0; i < sizes.size(); ++i) kept[i] = sizes[i] != 0;
    return kept;
  }
  require(shape.in_features % 4 == 0, "rows of ", shape.in_features,
          " are no multiple of 4, which sparse-24-bitmask needs");
  for (size_t i = 0; i < sizes.size(); i += 4) {
    const auto at = static_cast<int64_t>(i);
    for (const int64_t k :
         two_largest({sizes.data() + i, 4}, at / shape.in_features, at % shape.in_features)) {
      kept[i + static_cast<size_t>(k)] = true;
    }
  }
  return kept;
}

}  // namespace

LinearShape sparse_shape(SparseFormat format, const StoredParts& parts) {
  const LinearShape shape = shape_part(parts);
  part_of(parts, "bitmask", {"U8"}, {shape.out_features, (shape.in_features + 7) / 8});
  const StoredPart* compressed = find_part(parts, "compressed");
  require_intact(compressed != nullptr, "'compressed' is missing");
  require_intact(compressed->dtype->bits % 8 == 0, "'compressed' is ", compressed->dtype->name);
  if (format == SparseFormat::kBitmask) {
    require_intact(compressed->shape.size() == 1, "'compressed' has shape ",
                   shape_text(compressed->shape), ", expected one dimension");
    const auto& offsets = part_of(parts, "row_offsets", {"I64"});
    require_intact(offsets.shape.size() <= 2 &&
                       offsets.bytes.size() == 8 * static_cast<size_t>(shape.out_features),
                   "'row_offsets' has shape ", shape_text(offsets.shape), ", expected [",
                   shape.out_features, "]");
    return shape;
  }
  require_intact(shape.in_features % 4 == 0, "'shape': ", shape.in_features,
                 " columns are no multiple of 4");
  require_intact(
      compressed->shape == std::vector<int64_t>{shape.out_features, shape.in_features / 2},
      "'compressed' has shape ", shape_text(compressed->shape), ", expected [", shape.out_features,
      ", ", shape.in_features / 2, "]");
  return shape;
}

OwnedPart sparse_unpack(SparseFormat format, const StoredParts& parts) {
  const LinearShape shape = sparse_shape(format, parts);
  const auto starts = row_starts(format, parts, shape);
  const StoredPart& compressed = parts.find("compressed")->second;
  const size_t element = compressed.dtype->bits / 8;
  require_intact(static_cast<size_t>(starts.back()) * element == compressed.bytes.size(),
                 "'bitmask' keeps ", starts.back(), " elements, 'compressed' has ",
                 compressed.bytes.size() / element);
  if (format == SparseFormat::kBitmask) {
    const auto offsets = integers_of(parts.find("row_offsets")->second);
    require_intact(std::equal(offsets.begin(), offsets.end(), starts.begin()),
                   "'row_offsets' are not the sums of the rows of 'bitmask'");
  }
  OwnedPart dense{"weight", compressed.dtype, {shape.out_features, shape.in_features}, {}};
  dense.bytes.resize(static_cast<size_t>(shape.out_features * shape.in_features) * element);
  const auto mask_bytes = static_cast<size_t>((shape.in_features + 7) / 8);
  const std::byte* from = compressed.bytes.data();
  std::byte* to = dense.bytes.data();
  for (int64_t row = 0; row < shape.out_features; ++row) {
    const auto bits = parts.find("bitmask")->second.bytes.subspan(
        static_cast<size_t>(row) * mask_bytes, mask_bytes);
    for (int64_t col = 0; col < shape.in_features; ++col, to += element) {
      if (!bit_of(bits, col)) continue;
      std::copy_n(from, element, to);
      from += element;
    }
  }
  return dense;
}

OwnedParts sparse_pack(SparseFormat format, const StoredPart& weight) {
  const LinearShape shape = matrix_shape(weight, "weight");
  const auto kept = kept_elements(format, weight, shape);
  const size_t element = weight.dtype->bits / 8;
  const int64_t mask_bytes = (shape.in_features + 7) / 8;
  std::vector<uint8_t> mask(static_cast<size_t>(shape.out_features * mask_bytes));
  std::vector<int64_t> offsets;
  OwnedPart compressed{"compressed", weight.dtype, {}, {}};
  int64_t count = 0;
  for (int64_t row = 0; row < shape.out_features; ++row) {
    offsets.push_back(count);
    for (int64_t col = 0; col < shape.in_features; ++col) {
      const auto at = static_cast<size_t>(row * shape.in_features + col);
      if (!kept[at]) continue;
      mask[static_cast<size_t>(row * mask_bytes + col / 8)] |=
          static_cast<uint8_t>(1u << (col % 8));
      const auto bytes = weight.bytes.subspan(at * element, element);
      compressed.bytes.insert(compressed.bytes.end(), bytes.begin(), bytes.end());
      ++count;
    }
  }
  const bool is_24 = format == SparseFormat::k24Bitmask;
  compressed.shape = is_24 ? std::vector<int64_t>{shape.out_features, shape.in_features / 2}
                           : std::vector<int64_t>{count};
  const std::array<int64_t, 2> dims{shape.out_features, shape.in_features};
  OwnedParts parts;
  parts.push_back(std::move(compressed));
  parts.push_back(make_part<uint8_t>("bitmask", "U8", {shape.out_features, mask_bytes}, mask));
  parts.push_back(make_part<int64_t>("shape", "I64", {2}, dims));
  if (!is_24) {
    parts.push_back(make_part<int64_t>("row_offsets", "I64", {shape.out_features}, offsets));
  }
  return parts;
}

}  // namespace assay
