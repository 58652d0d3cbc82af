#include "kernels/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/exp.h"

namespace assay::kernels {
namespace {

constexpr int64_t kTileColumns = 256;

// What a tile of columns leaves of a row.
struct TileSummary {
  float max = 0;
  float sum = 0;  // of exp(logit - max)
  int32_t argmax = 0;
};

float sum_lanes(const std::array<float, 8>& lane) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

float sum_of_exp_portable(const float* logits, int64_t n, float max) {
  std::array<float, 8> lane{};
  for (int64_t i = 0; i < n; ++i) lane[static_cast<size_t>(i % 8)] += exp_float(logits[i] - max);
  return sum_lanes(lane);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float max_avx2(const float* logits, int64_t n) {
  __m256 max8 = _mm256_loadu_ps(logits);
  for (int64_t i = 8; i + 8 <= n; i += 8) max8 = _mm256_max_ps(max8, _mm256_loadu_ps(logits + i));
  std::array<float, 8> lane{};
  _mm256_storeu_ps(lane.data(), max8);
  return *std::ranges::max_element(lane);
}

__attribute__((target("avx2,fma"))) float sum_of_exp_avx2(const float* logits, int64_t n,
                                                          float max) {
  const __m256 m = _mm256_set1_ps(max);
  __m256 sum = _mm256_setzero_ps();
  for (int64_t i = 0; i + 8 <= n; i += 8) {
    sum = _mm256_add_ps(sum, exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(logits + i), m)));
  }
  std::array<float, 8> lane{};
  _mm256_storeu_ps(lane.data(), sum);
  return sum_lanes(lane);
}
#endif

TileSummary summarize(const float* logits, int64_t n, int64_t first_column,
                      [[maybe_unused]] Isa isa) {
  TileSummary s;
#if defined(__x86_64__)
  if (isa != Isa::kPortable && n % 8 == 0) {
    s.max = max_avx2(logits, n);
    s.sum = sum_of_exp_avx2(logits, n, s.max);
  } else {
    s.max = *std::max_element(logits, logits + n);
    s.sum = sum_of_exp_portable(logits, n, s.max);
  }
#else
  s.max = *std::max_element(logits, logits + n);
  s.sum = sum_of_exp_portable(logits, n, s.max);
#endif
  s.argmax = static_cast<int32_t>(first_column + (std::find(logits, logits + n, s.max) - logits));
  return s;
}

TokenAnswer join(std::span<const TileSummary> tiles, float logit, int32_t token) {
  const TileSummary* best = &tiles[0];
  for (const TileSummary& t : tiles) {
    if (t.max > best->max) best = &t;  // equal: the earlier tile has the lower id
  }
  double sum = 0;
  for (const TileSummary& t : tiles) {
    sum += static_cast<double>(t.sum) *
           std::exp(static_cast<double>(t.max) - static_cast<double>(best->max));
  }
  return {.log_probability =
              static_cast<double>(logit) - static_cast<double>(best->max) - std::log(sum),
          .is_greedy = best->argmax == token};
}

}  // namespace

std::vector<TokenAnswer> token_log_probabilities(const PackedWeight& head, const float* hidden,
                                                 int64_t num_rows,
                                                 std::span<const TokenQuestion> questions,
                                                 float softcap) {
  if (!std::ranges::is_sorted(questions, {}, &TokenQuestion::row)) {
    fail(ErrorKind::kInternal, "token_log_probabilities: questions must be sorted by row");
  }
  for (const TokenQuestion& q : questions) {
    if (q.row < 0 || q.row >= num_rows || q.token < 0 || q.token >= head.out_features) {
      fail(ErrorKind::kInternal, "token_log_probabilities: row ", q.row, ", token ", q.token,
           " out of range");
    }
  }
  const int64_t panels = kTileColumns / head.panel_width;
  const int64_t num_tiles = (head.num_panels() + panels - 1) / panels;
  const int64_t row_blocks = (num_rows + kRowBlock - 1) / kRowBlock;
  std::vector<TileSummary> summaries(static_cast<size_t>(num_rows * num_tiles));
  std::vector<float> logit_of(questions.size());
  parallel_for(num_tiles * row_blocks, [&](int64_t i) {
    const int64_t tile = i / row_blocks, first_row = i % row_blocks * kRowBlock;
    const int64_t rows = std::min(kRowBlock, num_rows - first_row),
                  first_column = tile * kTileColumns;
    const int64_t columns = std::min(kTileColumns, head.out_features - first_column);
    static thread_local std::vector<float> logits(static_cast<size_t>(kRowBlock * kTileColumns));
    multiply_panels(head, hidden + first_row * head.in_features, rows, tile * panels,
                    std::min((tile + 1) * panels, head.num_panels()), logits.data(), kTileColumns);
    for (int64_t r = 0; softcap > 0 && r < rows; ++r) {
      float* row = logits.data() + r * kTileColumns;
      for (int64_t c = 0; c < columns; ++c) row[c] = softcap * std::tanh(row[c] / softcap);
    }
    for (int64_t r = 0; r < rows; ++r) {
      summaries[static_cast<size_t>((first_row + r) * num_tiles + tile)] =
          summarize(logits.data() + r * kTileColumns, columns, first_column, head.isa);
    }
    const auto first = std::ranges::lower_bound(questions, first_row, {}, &TokenQuestion::row);
    for (auto q = first; q != questions.end() && q->row < first_row + rows; ++q) {
      if (q->token < first_column || q->token >= first_column + columns) continue;
      logit_of[static_cast<size_t>(q - questions.begin())] = logits[static_cast<size_t>(
          (q->row - first_row) * kTileColumns + q->token - first_column)];
    }
  });
  std::vector<TokenAnswer> answers(questions.size());
  parallel_for(static_cast<int64_t>(questions.size()), [&](int64_t i) {
    const TokenQuestion& q = questions[static_cast<size_t>(i)];
    const std::span row(summaries.data() + q.row * num_tiles, static_cast<size_t>(num_tiles));
    answers[static_cast<size_t>(i)] = join(row, logit_of[static_cast<size_t>(i)], q.token);
  });
  return answers;
}

}  // namespace assay::kernels
