#include "pack/hqq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Four groups of two: the first two in the high nibbles. value = (code - zero) * scale by hand.
TEST(Hqq, HoldsTheFirstHalfOfTheGroupsInTheHighNibbles) {
  const std::vector<uint8_t> bytes{0x15, 0x26, 0x37, 0x48};
  const std::vector<float> scales{1, 10, 100, 0.5}, zeros{0.5, 0, 5, 8};
  const std::array<int64_t, 2> dims{2, 4};
  OwnedParts parts{make_part<uint8_t>("W_q", "U8", {2, 2}, bytes),
                   make_part<float>("scale", "F32", {4, 1}, scales),
                   make_part<float>("zero", "F32", {4, 1}, zeros),
                   make_part<int64_t>("shape", "I64", {2}, dims)};
  const GridCodes grid = hqq_unpack({4, 2}, view(parts));
  EXPECT_THAT(grid.codes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  std::vector<float> values(8);
  grid_values(grid, values);
  EXPECT_THAT(values, ElementsAre(0.5, 1.5, 30, 40, 0, 100, -0.5, 0));
  EXPECT_THAT(error_of([&] {
                hqq_unpack({2, 2}, view(parts));
              }),
              HasSubstr("'W_q' has shape [2, 2], expected [1, 2]"));
  const std::array<int64_t, 1> axis{0};
  parts.push_back(make_part<int64_t>("axis", "I64", {}, axis));
  EXPECT_THAT(error_of([&] { hqq_unpack({4, 2}, view(parts)); }), HasSubstr("'axis' is 0"));
}

}  // namespace
}  // namespace assay
