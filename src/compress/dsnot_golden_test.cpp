// DSnoT's masks against the authors' code (tests/golden/make_dsnot_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "compress/dsnot.h"
#include "compress/wanda.h"

namespace assay {
namespace {

constexpr int64_t kRows = 8, kCols = 256, kTokens = 512;

// As in fixture T3.
class Generator {
 public:
  double operator()() {
    uint32_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      sum += state_ >> 16;
    }
    return (static_cast<double>(sum) - 131070) / 65536;
  }

 private:
  uint32_t state_ = 4321;
};

struct Fixture {
  at::Tensor weight = at::empty({kRows, kCols}), tokens = at::empty({kTokens, kCols});
  at::Tensor aligned;  // but for every 16th column of the sign of the input's mean

  Fixture() {
    Generator g;
    float* w = weight.mutable_data_ptr<float>();
    for (int64_t i = 0; i < weight.numel(); ++i) w[i] = static_cast<float>(g() / 16);
    std::vector<double> shift;
    for (int64_t j = 0; j < kCols; ++j) shift.push_back(g() / 8);
    aligned = at::where(at::arange(kCols).remainder(16) == 0, weight,
                        weight.abs() * torch::tensor(shift).sign().to(at::kFloat));
    float* x = tokens.mutable_data_ptr<float>();
    for (int64_t token = 0; token < kTokens; ++token) {
      const double common = g();
      for (int64_t j = 0; j < kCols; ++j) {
        const double value = g() + common / 2 + shift[static_cast<size_t>(j)];
        *x++ = static_cast<float>(value * static_cast<double>(1 + j % 5));
      }
    }
  }
};

TEST(DsnotGolden, MasksAreTheAuthors) {
  const Json golden = parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/dsnot.json"), "golden");
  const Fixture fixture;
  InputMoments gathered;
  gathered.add(fixture.tokens, std::vector<int64_t>(4, kTokens / 4));
  const auto moments = gathered.moments();
  struct Run {
    const char* name = "";
    DsnotConfig config = {};
  };
  const std::vector<Run> runs{
      {"half", {}},
      {"half_any_sign", {.parity_any_sign = true}},
      {"2:4", {.pattern = NmPattern{2, 4}, .parity_nm_lowest = true}},
      {"4:8", {.pattern = NmPattern{4, 8}, .parity_nm_lowest = true}},
      {"aligned", {.parity_past_end = true}},
      {"aligned_any_sign", {.parity_any_sign = true, .parity_past_end = true}},
  };
  for (const Run& run : runs) {
    SCOPED_TRACE(run.name);
    const auto& weight = run.config.parity_past_end ? fixture.aligned : fixture.weight;
    const auto wanda = wanda_keep_mask(weight, moments.norm, {.pattern = run.config.pattern});
    const auto result = dsnot_swap(wanda, weight, moments, run.config);
    EXPECT_GE(result.num_swaps, kRows);
    if (run.config.parity_past_end) {  // which makes a difference here
      auto config = run.config;
      config.parity_past_end = false;
      EXPECT_FALSE(at::equal(result.keep, dsnot_swap(wanda, weight, moments, config).keep));
    }
    const auto pruned = result.keep.logical_not().to(at::kByte);
    for (int64_t row = 0; row < kRows; ++row) {
      const std::span bytes(pruned[row].const_data_ptr<uint8_t>(), static_cast<size_t>(kCols));
      EXPECT_EQ(sha256_hex(std::as_bytes(bytes)).substr(0, 8),
                golden[run.name][static_cast<size_t>(row)])
          << row;
    }
  }
}

}  // namespace
}  // namespace assay
