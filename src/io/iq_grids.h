#pragma once
// The grids of the IQ types: lists of points, a block stores their numbers. They are part of the
// format (ggml), chosen by its authors so that few points cover what occurs.

#include <array>
#include <cstddef>
#include <cstdint>

namespace assay {

template <size_t points, size_t length>
using IqGrid = std::array<std::array<int8_t, length>, points>;

extern const IqGrid<256, 8> kIq2XxsGrid;
extern const IqGrid<512, 8> kIq2XsGrid;
extern const IqGrid<1024, 8> kIq2SGrid;
extern const IqGrid<256, 4> kIq3XxsGrid;
extern const IqGrid<512, 4> kIq3SGrid;
extern const IqGrid<2048, 8> kIq1Grid;  // IQ1_S and IQ1_M

}  // namespace assay
