#include "io/iq_grids.h"

namespace assay {
namespace {

#include "io/iq_grids.inc"

// The points of a set, in the order of the numbers whose digits they are, first coordinate lowest.
template <size_t points, size_t length, size_t words, size_t base>
constexpr IqGrid<points, length> grid_of(const std::array<uint64_t, words>& set,
                                         const std::array<int8_t, base>& levels) {
  IqGrid<points, length> grid{};
  size_t point = 0;
  for (size_t number = 0; number < 64 * words; ++number) {
    if ((set[number / 64] >> (number % 64) & 1) == 0) continue;
    size_t digits = number;
    for (size_t i = 0; i < length; ++i, digits /= base) grid[point][i] = levels[digits % base];
    ++point;
  }
  return grid;
}

constexpr std::array<int8_t, 3> kIq1Levels{-1, 0, 1}, kIq2Levels{8, 25, 43};
constexpr std::array<int8_t, 8> kIq3XxsLevels{4, 12, 20, 28, 36, 44, 52, 62},
    kIq3SLevels{1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace

constexpr IqGrid<256, 8> kIq2XxsGrid = grid_of<256, 8>(kIq2XxsSet, kIq2Levels);
constexpr IqGrid<512, 8> kIq2XsGrid = grid_of<512, 8>(kIq2XsSet, kIq2Levels);
constexpr IqGrid<1024, 8> kIq2SGrid = grid_of<1024, 8>(kIq2SSet, kIq2Levels);
constexpr IqGrid<256, 4> kIq3XxsGrid = grid_of<256, 4>(kIq3XxsSet, kIq3XxsLevels);
constexpr IqGrid<512, 4> kIq3SGrid = grid_of<512, 4>(kIq3SSet, kIq3SLevels);
constexpr IqGrid<2048, 8> kIq1Grid = grid_of<2048, 8>(kIq1SSet, kIq1Levels);

}  // namespace assay
