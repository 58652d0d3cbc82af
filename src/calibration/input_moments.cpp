#include "calibration/input_moments.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

constexpr int64_t kChannels = 64;  // of a task

at::Tensor float_vector(size_t size) { return at::empty({static_cast<int64_t>(size)}, at::kFloat); }

}  // namespace

void InputMoments::add(const at::Tensor& input, std::span<const int64_t> sequence_rows) {
  require(input.dim() == 2 && input.scalar_type() == at::kFloat,
          "input moments: expected float32 [rows, channels], got ", input.scalar_type(), " ",
          input.sizes());
  const int64_t width = input.size(1);
  int64_t rows = 0;
  for (const int64_t count : sequence_rows) {
    require(count > 0, "input moments: a sequence of ", count, " rows");
    rows += count;
  }
  require(rows == input.size(0), "input moments: ", input.size(0),
          " rows do not make up sequences of ", rows);
  if (squares_.empty()) {
    for (auto* sums : {&squares_, &sums_, &between_}) sums->assign(static_cast<size_t>(width), 0.0);
  }
  require(static_cast<int64_t>(squares_.size()) == width, "input moments: ", width,
          " channels after ", squares_.size());

  const auto contiguous = input.contiguous();
  const float* x = contiguous.const_data_ptr<float>();
  parallel_for((width + kChannels - 1) / kChannels, [&](int64_t task) {
    const auto first = static_cast<size_t>(task * kChannels);
    const size_t last = std::min(squares_.size(), first + kChannels);
    const float* row = x;
    std::vector<double> of_sequence(last - first);
    for (const int64_t count : sequence_rows) {
      std::fill(of_sequence.begin(), of_sequence.end(), 0.0);
      for (int64_t r = 0; r < count; ++r, row += width) {
        for (size_t j = first; j < last; ++j) {
          const double value = row[j];
          squares_[j] += value * value;
          of_sequence[j - first] += value;
        }
      }
      for (size_t j = first; j < last; ++j) {
        const double sum = of_sequence[j - first];
        sums_[j] += sum;
        between_[j] += sum * sum / static_cast<double>(count);
      }
    }
  });
  num_sequences_ += static_cast<int64_t>(sequence_rows.size());
  num_tokens_ += rows;
}

ChannelMoments InputMoments::moments() const {
  require(num_sequences_ > 0, "input moments: no calibration sequence was seen");
  ChannelMoments result{float_vector(squares_.size()), float_vector(squares_.size()),
                        float_vector(squares_.size())};
  float *norm = result.norm.data_ptr<float>(), *mean = result.mean.data_ptr<float>(),
        *variance = result.variance.data_ptr<float>();
  const auto sequences = static_cast<double>(num_sequences_),
             tokens = static_cast<double>(num_tokens_);
  for (size_t j = 0; j < squares_.size(); ++j) {
    require(std::isfinite(squares_[j]), "input channel ", j, " takes a value that is not finite");
    norm[j] = static_cast<float>(std::sqrt(squares_[j] / sequences));
    mean[j] = static_cast<float>(sums_[j] / sequences);
    // Of a constant channel the difference may round below zero.
    variance[j] = static_cast<float>(std::max(0.0, squares_[j] - between_[j]) / tokens);
  }
  return result;
}

std::map<std::string_view, ChannelMoments> block_input_moments(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches) {
  std::map<std::string_view, InputMoments> gathered;
  observe_block_inputs(
      block, config, batches,
      [&](std::string_view linear, const at::Tensor& input,
          std::span<const int64_t> sequence_rows) { gathered[linear].add(input, sequence_rows); });
  std::map<std::string_view, ChannelMoments> moments;
  for (const std::string_view linear : linear_names_of(block, config)) {
    const auto source = gathered.find(first_with_same_input(linear));
    if (source == gathered.end()) fail_without_input(linear);
    moments[linear] = in_context(linear, [&] { return source->second.moments(); });
  }
  return moments;
}

}  // namespace assay
