// Aggregated gradients of SmolLM2 against transformers in float32
// (tests/golden/make_gradient_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "calibration/gradients.h"
#include "model/block.h"

namespace assay {
namespace {

std::vector<std::vector<int32_t>> golden_sequences(int64_t vocab_size) {
  uint32_t state = 2025;
  std::vector<std::vector<int32_t>> sequences;
  for (const int length : {48, 33}) {
    auto& ids = sequences.emplace_back();
    for (int i = 0; i < length; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab_size)));
    }
  }
  return sequences;
}

TEST(GradientGolden, AggregatesOfSmolLm2AreThoseOfTransformers) {
  std::filesystem::path path;
  try {
    path = resolve_model("smollm2-135m-instruct");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const Json golden =
      parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/gradient_smollm2.json"), "golden");
  const auto checkpoint = Checkpoint::open(path);
  const auto sequences = golden_sequences(checkpoint.config().vocab_size);
  Sha256 ids_hash;
  for (const auto& ids : sequences) ids_hash.update(std::as_bytes(std::span(ids)));
  ASSERT_EQ(ids_hash.hex(), golden["ids_sha256"]);

  // A linear's numbers: the sums of L1 and L2, then both at each probe.
  constexpr std::array<std::array<int64_t, 2>, 3> kProbes{{{0, 0}, {7, 11}, {100, 300}}};
  size_t num_linears = 0;
  double worst_sum = 0, worst_entry = 0;
  const auto losses = aggregate_gradients(
      checkpoint, sequences,
      [&](int64_t layer, std::string_view linear, const GradientAggregate& aggregate) {
        ++num_linears;
        const auto expected =
            golden["linears"].at(linear_weight_name(layer, linear)).get<std::vector<double>>();
        for (const size_t norm : {0u, 1u}) {
          const at::Tensor& sums = norm == 0 ? aggregate.l1 : aggregate.l2;
          const double sum = sums.sum(at::kDouble).item<double>(),
                       largest = sums.max().item<double>();
          worst_sum = std::max(worst_sum, std::abs(sum / expected[norm] - 1));
          for (size_t probe = 0; probe < kProbes.size(); ++probe) {
            const double entry = sums[kProbes[probe][0]][kProbes[probe][1]].item<double>();
            worst_entry =
                std::max(worst_entry, std::abs(entry - expected[2 + 2 * probe + norm]) / largest);
          }
        }
      });
  EXPECT_EQ(num_linears, golden["linears"].size());
  // Two float32 programs over 30 blocks: 9e-6 of a sum, 3e-6 of a matrix's largest entry.
  EXPECT_LE(worst_sum, 3e-5);
  EXPECT_LE(worst_entry, 1e-5);
  for (size_t i = 0; i < losses.size(); ++i)
    EXPECT_NEAR(losses[i], golden["losses"][i].get<double>(), 1e-5);
}

}  // namespace
}  // namespace assay
