#include "pack/bitmask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

OwnedPart floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return make_part<float>("weight", "F32", std::move(shape), values);
}

StoredPart view_of(const OwnedPart& part) { return {part.dtype, part.shape, part.bytes}; }

// Columns 0, 3, 6 and 9: bits 0, 3, 6 of the first byte, bit 1 of the second.
TEST(Bitmask, KeepsTheNonZerosOfARow) {
  const auto weight = floats({1, 10}, {1.5, 0, 0, -2, 0, 0, 3, 0, 0, 4});
  const auto parts = sparse_pack(SparseFormat::kBitmask, view_of(weight));
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "bitmask")), ElementsAre(0x49, 0x02));
  EXPECT_THAT(elements_of<float>(owned(parts, "compressed")), ElementsAre(1.5, -2, 3, 4));
  EXPECT_THAT(elements_of<int64_t>(owned(parts, "row_offsets")), ElementsAre(0));
  EXPECT_EQ(sparse_unpack(SparseFormat::kBitmask, view(parts)).bytes, weight.bytes);
}

// By hand: of 0 0 5 0 the 5 stays and, of the equal zeros, the one of the lower column.
TEST(Bitmask24, KeepsTwoOfEveryFour) {
  const auto weight = floats({2, 4}, {0, 0, 5, 0, -1, 0, 0, 7});
  const auto parts = sparse_pack(SparseFormat::k24Bitmask, view_of(weight));
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "bitmask")), ElementsAre(0b0101, 0b1001));
  EXPECT_THAT(elements_of<float>(owned(parts, "compressed")), ElementsAre(0, 5, -1, 7));
  EXPECT_EQ(sparse_unpack(SparseFormat::k24Bitmask, view(parts)).bytes, weight.bytes);
  EXPECT_THAT(error_of([&] {
                sparse_pack(SparseFormat::k24Bitmask, view_of(floats({1, 4}, {1, 2, 3, 0})));
              }),
              HasSubstr("row 0, columns 0 to 3"));
}

TEST(Bitmask24, KeepsCodesAsBytes) {
  const std::vector<int8_t> codes{0, -128, 3, 0, 0, 0, 0, 0};
  const auto weight = make_part<int8_t>("weight", "I8", {1, 8}, codes);
  const auto parts = sparse_pack(SparseFormat::k24Bitmask, view_of(weight));
  EXPECT_THAT(elements_of<int8_t>(owned(parts, "compressed")), ElementsAre(-128, 3, 0, 0));
  EXPECT_EQ(sparse_unpack(SparseFormat::k24Bitmask, view(parts)).bytes, weight.bytes);
}

TEST(Bitmask, NamesWhatDoesNotFit) {
  const auto good =
      sparse_pack(SparseFormat::kBitmask, view_of(floats({2, 10}, {1, 0, 0, 2, 0, 0, 3, 0, 0, 4,  //
                                                                   0, 0, 0, 0, 0, 0, 0, 0, 0, 5})));
  const auto error_with = [&](std::string_view name, size_t byte, uint8_t value) {
    auto bad = good;
    owned(bad, name).bytes[byte] = std::byte{value};
    return error_of([&] { sparse_unpack(SparseFormat::kBitmask, view(bad)); });
  };
  EXPECT_THAT(error_with("bitmask", 1, 0x06), HasSubstr("row 0 has a bit behind column 9"));
  EXPECT_THAT(error_with("bitmask", 0, 0x48), HasSubstr("keeps 4 elements, 'compressed' has 5"));
  EXPECT_THAT(error_with("row_offsets", 8, 3), HasSubstr("'row_offsets'"));
  EXPECT_THAT(error_with("shape", 0, 3), HasSubstr("'bitmask' has shape [2, 2], expected [3, 2]"));
  auto bad =
      sparse_pack(SparseFormat::k24Bitmask, view_of(floats({1, 8}, {1, 2, 0, 0, 0, 0, 3, 4})));
  owned(bad, "bitmask").bytes[0] = std::byte{0x0F};
  EXPECT_THAT(error_of([&] { sparse_unpack(SparseFormat::k24Bitmask, view(bad)); }),
              HasSubstr("does not keep two of every four"));
}

}  // namespace
}  // namespace assay
