#include "kernels/int8_mixed.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/int8_tiles.h"

namespace assay::kernels {
namespace {

constexpr float kSmallestRow = 1e-30f;  // 127 over it is still finite
constexpr int64_t kPanelBlock = 24;
constexpr int64_t kRowsAtATime = 16;

template <class T>
std::shared_ptr<T[]> aligned_zeros(int64_t count) {
  const auto bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  std::shared_ptr<T[]> memory(static_cast<T*>(std::aligned_alloc(64, bytes)), std::free);
  if (!memory) throw std::bad_alloc();
  std::fill_n(memory.get(), static_cast<size_t>(count), T{0});
  return memory;
}

struct QuantizedRows {
  const float* x = nullptr;                       // [rows, in_features]
  int64_t stride = 0;                             // bytes a row of codes, a multiple of 4
  std::shared_ptr<uint8_t[]> codes;               // [rows, stride], plus code_offset
  std::vector<float> scale;                       // u_t
  std::vector<std::vector<int32_t>> own_columns;  // where the row itself has outliers, ascending
  std::vector<int32_t> shared_columns;            // with kBatch: where any row has
};

void for_each_row(int64_t rows, const std::function<void(int64_t)>& fn) {
  parallel_for((rows + kRowsAtATime - 1) / kRowsAtATime, [&](int64_t block) {
    const int64_t end = std::min(rows, (block + 1) * kRowsAtATime);
    for (int64_t row = block * kRowsAtATime; row < end; ++row) fn(row);
  });
}

std::vector<int32_t> union_of(const std::vector<std::vector<int32_t>>& lists, int64_t n) {
  std::vector<char> is_in(static_cast<size_t>(n), 0);
  for (const auto& list : lists) {
    for (const int32_t j : list) is_in[static_cast<size_t>(j)] = 1;
  }
  std::vector<int32_t> all;
  for (int64_t j = 0; j < n; ++j) {
    if (is_in[static_cast<size_t>(j)]) all.push_back(static_cast<int32_t>(j));
  }
  return all;
}

QuantizedRows quantize_rows(const Int8Weight& weight, const LlmInt8Options& options, const float* x,
                            int64_t rows) {
  const int64_t n = weight.in_features;
  const float limit =
      options.threshold > 0 ? options.threshold : std::numeric_limits<float>::infinity();
  QuantizedRows q;
  q.x = x;
  q.stride = 4 * weight.num_quads();
  q.codes = aligned_zeros<uint8_t>(rows * q.stride);
  q.scale.resize(static_cast<size_t>(rows));
  q.own_columns.resize(static_cast<size_t>(rows));
  for_each_row(rows, [&](int64_t row) {
    const float* values = x + row * n;
    const int8::RowRange range = int8::row_range(weight.isa, values, n, limit);
    const bool is_zero = range.largest < kSmallestRow;
    q.scale[static_cast<size_t>(row)] = is_zero ? 0 : range.largest / 127;
    int8::encode_row(weight.isa, values, n, limit, is_zero ? 0 : 127 / range.largest,
                     q.codes.get() + row * q.stride);
    if (!range.has_outlier) return;
    for (int64_t j = 0; j < n; ++j) {
      if (!(std::abs(values[j]) < limit)) {
        q.own_columns[static_cast<size_t>(row)].push_back(static_cast<int32_t>(j));
      }
    }
  });
  if (options.outliers == OutlierColumns::kPerRow) return q;
  q.shared_columns = union_of(q.own_columns, n);
  for_each_row(rows, [&](int64_t row) {
    for (const int32_t j : q.shared_columns) {
      q.codes[row * q.stride + j] = static_cast<uint8_t>(int8::code_offset(weight.isa));
    }
  });
  return q;
}

// Rows of a tile that set the same columns aside go together, else one by one.
void sum_outliers_of_rows(const Int8Weight& weight, const LlmInt8Options& options,
                          const QuantizedRows& q, int64_t panel, int64_t first_row, int64_t rows,
                          float* out) {
  const bool together = options.outliers == OutlierColumns::kBatch;
  const int64_t width = weight.panel_width, step = together ? rows : 1;
  for (int64_t r = 0; r < rows; r += step) {
    const int64_t row = first_row + r;
    const auto& columns = together ? q.shared_columns : q.own_columns[static_cast<size_t>(row)];
    int8::sum_outliers(weight.isa,
                       {.panel = weight.panels.get() + panel * weight.num_quads() * width * 4,
                        .scale = weight.scale.get() + panel * width,
                        .columns = columns.data(),
                        .count = static_cast<int64_t>(columns.size()),
                        .x = q.x + row * weight.in_features,
                        .x_stride = weight.in_features,
                        .out = out + r * width},
                       step);
  }
}

void multiply_panels_int8(const Int8Weight& weight, const LlmInt8Options& options,
                          const QuantizedRows& q, int64_t first_row, int64_t last_row,
                          int64_t first_panel, int64_t last_panel, float* y, Output output) {
  alignas(64) int32_t sums[int8::kMaxTileRows * int8::kMaxPanelWidth];
  alignas(64) float outliers[int8::kMaxTileRows * int8::kMaxPanelWidth];
  const int64_t width = weight.panel_width, step = int8::tile_rows(weight.isa);
  for (int64_t p = first_panel; p < last_panel; ++p) {
    const int64_t columns = std::min(width, weight.out_features - p * width);
    for (int64_t r = first_row; r < last_row; r += step) {
      const int64_t rows = std::min(step, last_row - r);
      int8::sum_tile(weight.isa,
                     {.codes = q.codes.get() + r * q.stride,
                      .stride = q.stride,
                      .panel = weight.panels.get() + p * weight.num_quads() * width * 4,
                      .quads = weight.num_quads(),
                      .start = weight.start.get() + p * width,
                      .sums = sums},
                     rows);
      sum_outliers_of_rows(weight, options, q, p, r, rows, outliers);
      for (int64_t i = 0; i < rows; ++i) {
        int8::finish_row(weight.isa,
                         {.sums = sums + i * width,
                          .outliers = outliers + i * width,
                          .row_scale = q.scale[static_cast<size_t>(r + i)],
                          .scale = weight.scale.get() + p * width,
                          .y = y + (r + i) * weight.out_features + p * width,
                          .overwrite = output == Output::kWrite},
                         columns);
      }
    }
  }
}

}  // namespace

void quantize_rows_int8(const float* weight, int64_t rows, int64_t cols, int8_t* codes,
                        float* absmax) {
  const Isa isa =
      has_isa(Isa::kAvx2) ? Isa::kAvx2 : Isa::kPortable;  // both store codes as they are
  for_each_row(rows, [&](int64_t row) {
    const float* w = weight + row * cols;
    float largest = 0;
    for (int64_t j = 0; j < cols; ++j) {
      require(std::isfinite(w[j]), "int8: the weight at [", row, ", ", j, "] is ", w[j]);
      largest = std::max(largest, std::abs(w[j]));
    }
    require(largest == 0 || largest >= kSmallestRow, "int8: the largest magnitude of row ", row,
            " is ", largest, ", too small to divide by");
    absmax[row] = largest;
    int8::encode_row(isa, w, cols, std::numeric_limits<float>::infinity(),
                     largest == 0 ? 0 : 127 / largest,
                     reinterpret_cast<uint8_t*>(codes) + row * cols);
  });
}

Int8Weight pack_int8_weight(const int8_t* codes, const float* absmax, int64_t out_features,
                            int64_t in_features, Isa isa) {
  require(out_features > 0 && in_features > 0, "pack_int8_weight: empty weight [", out_features,
          ", ", in_features, "]");
  require(in_features <= 65536, "pack_int8_weight: ", in_features,
          " input features; sums of more than 65536 may overflow");
  if (!has_isa(isa)) {
    fail(ErrorKind::kInternal, "pack_int8_weight: this processor has no ", isa_name(isa));
  }
  isa = int8::usable_isa(isa);
  Int8Weight packed{.in_features = in_features,
                    .out_features = out_features,
                    .panel_width = int8::panel_width(isa),
                    .isa = isa,
                    .panels = {},
                    .scale = {},
                    .start = {}};
  const int64_t width = packed.panel_width, panels = packed.num_panels(),
                panel_bytes = packed.num_quads() * width * 4;
  packed.panels = aligned_zeros<int8_t>(panels * panel_bytes);
  packed.scale = aligned_zeros<float>(panels * width);
  packed.start = aligned_zeros<int32_t>(panels * width);
  parallel_for(panels, [&](int64_t p) {
    for (int64_t row = p * width; row < std::min((p + 1) * width, out_features); ++row) {
      require(std::isfinite(absmax[row]) && absmax[row] >= 0, "pack_int8_weight: absmax of row ",
              row, " is ", absmax[row]);
      int8_t* panel = packed.panels.get() + p * panel_bytes + (row - p * width) * 4;
      int32_t sum = 0;
      for (int64_t k = 0; k < in_features; ++k) {
        const int8_t code = codes[row * in_features + k];
        require(code != -128, "pack_int8_weight: the code at [", row, ", ", k, "] is -128");
        panel[k / 4 * width * 4 + k % 4] = code;
        sum += code;
      }
      packed.scale[row] = absmax[row] / 127;
      packed.start[row] = -int8::code_offset(isa) * sum;
    }
  });
  return packed;
}

void multiply_int8(const Int8Weight& weight, const LlmInt8Options& options, const float* x,
                   int64_t num_rows, float* y, Output output) {
  require(options.threshold >= 0, "multiply_int8: threshold must be positive, or 0, got ",
          options.threshold);
  if (output == Output::kSubtract) fail(ErrorKind::kInternal, "multiply_int8: cannot subtract");
  if (num_rows == 0) return;
  const QuantizedRows rows = quantize_rows(weight, options, x, num_rows);
  const int64_t row_blocks = (num_rows + kRowBlock - 1) / kRowBlock;
  const int64_t panel_blocks = (weight.num_panels() + kPanelBlock - 1) / kPanelBlock;
  parallel_for(row_blocks * panel_blocks, [&](int64_t i) {
    const int64_t r = i / panel_blocks * kRowBlock, p = i % panel_blocks * kPanelBlock;
    multiply_panels_int8(weight, options, rows, r, std::min(r + kRowBlock, num_rows), p,
                         std::min(p + kPanelBlock, weight.num_panels()), y, output);
  });
}

}  // namespace assay::kernels
