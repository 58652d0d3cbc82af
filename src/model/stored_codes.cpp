#include "model/stored_codes.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "io/block_steps.h"
#include "model/packed_tensor.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 32;

std::vector<float> elements(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  const auto* data = flat.const_data_ptr<float>();
  return {data, data + flat.numel()};
}

// The steps of a GGUF tensor [out_features, in_features / 32], in the order of the model.
std::vector<float> steps_in_order(const StoredTensor& stored) {
  auto steps = steps_of_blocks(*stored.format, stored.bytes);
  if (stored.interleaved_heads == 0) return steps;
  const auto rows = at::from_blob(
      steps.data(), {stored.record.shape[0], stored.record.shape[1] / kBlock}, at::kFloat);
  return elements(undo_rotary_interleaving(rows, stored.interleaved_heads));
}

GridCodes grid_of_steps(const StoredTensor& stored, const StepFormat& format) {
  const LinearShape shape{stored.record.shape[0], stored.record.shape[1]};
  GridCodes grid = GridCodes::sized(shape, format.bits, kBlock);
  grid.scales = steps_in_order(stored);
  std::ranges::fill(grid.zeros, static_cast<float>(format.zero));
  grid.codes = codes_of_values(format, elements(decode(stored)), grid.scales);
  return grid;
}

}  // namespace

LinearCodes stored_codes(const StoredTensor& stored) {
  if (stored.part || stored.added != 0) return std::monostate();
  if (stored.packed) return linear_codes(stored.packed->layout, stored.packed->parts);
  if (stored.format == nullptr || stored.record.shape.size() != 2) return std::monostate();
  const auto steps = step_format(*stored.format);
  if (!steps) return std::monostate();
  return in_context("tensor '" + stored.record.name + "'",
                    [&] { return grid_of_steps(stored, *steps); });
}

int64_t stored_group_size(const StoredTensor& stored) {
  return stored.packed ? group_size_of(stored.packed->layout) : kBlock;
}

std::optional<std::vector<float>> scales_of_blocks(const GridCodes& grid, int64_t block) {
  if (grid.in_features % block != 0) return std::nullopt;
  const auto& groups = grid.group_of_column;
  std::vector<int32_t> group_of_block;
  for (int64_t first = 0; first < grid.in_features; first += block) {
    const auto begin = groups.begin() + first;
    if (std::any_of(begin, begin + block, [&](int32_t group) { return group != *begin; })) {
      return std::nullopt;
    }
    group_of_block.push_back(*begin);
  }
  std::vector<float> scales;
  scales.reserve(static_cast<size_t>(grid.out_features) * group_of_block.size());
  for (int64_t row = 0; row < grid.out_features; ++row) {
    for (const int32_t group : group_of_block) {
      scales.push_back(grid.scales[static_cast<size_t>(row * grid.num_groups + group)]);
    }
  }
  return scales;
}

}  // namespace assay
