// Block 0 of SmolLM2 through GPTQ and SparseGPT against the authors' own programs
// (tests/golden/make_obs_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "calibration/hidden_states.h"
#include "calibration/input_hessian.h"
#include "compress/gptq.h"
#include "compress/second_order.h"
#include "compress/sparsegpt.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

std::vector<std::vector<int32_t>> golden_sequences(int64_t vocab_size) {
  uint32_t state = 2025;
  std::vector<std::vector<int32_t>> sequences(8);
  for (auto& ids : sequences) {
    for (int i = 0; i < 256; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab_size)));
    }
  }
  return sequences;
}

// Entries of four rows, evenly spread, that differ from the golden hexadecimal digits.
int64_t num_different(const at::Tensor& values, const Json& golden) {
  int64_t count = 0;
  const int64_t num_rows = values.size(0);
  for (size_t i = 0; i < golden.size(); ++i) {
    const auto expected = golden[i].get<std::string>();
    const auto row = values[num_rows * static_cast<int64_t>(i) / 4].to(at::kLong).contiguous();
    for (size_t j = 0; j < expected.size(); ++j) {
      const int digit = std::stoi(expected.substr(j, 1), nullptr, 16);
      count += row.const_data_ptr<int64_t>()[j] != digit;
    }
  }
  return count;
}

class ObsGolden : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::path path;
    try {
      path = resolve_model("smollm2-135m-instruct");
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
    golden_ = parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/obs_smollm2.json"), "golden");
    checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(path));
    const auto sequences = golden_sequences(checkpoint_->config().vocab_size);
    Sha256 ids_hash;
    for (const auto& ids : sequences) ids_hash.update(std::as_bytes(std::span(ids)));
    ASSERT_EQ(ids_hash.hex(), golden_["ids_sha256"]);
    std::map<std::string_view, InputHessian> gathered;
    const auto batches = embed_sequences(checkpoint_->tensor("model.embed_tokens.weight"),
                                         checkpoint_->config(), sequences, 1024);
    observe_block_inputs(load_block(*checkpoint_, 0), checkpoint_->config(), batches,
                         [&](std::string_view linear, const at::Tensor& input,
                             std::span<const int64_t> rows) { gathered[linear].add(input, rows); });
    for (const auto& [linear, hessian] : gathered) {
      second_order_.emplace(linear, SecondOrder(hessian.hessian()));
    }
  }

  at::Tensor weight_of(std::string_view linear) const {
    return checkpoint_->tensor(linear_weight_name(0, linear));
  }
  const SecondOrder& second_order_of(std::string_view linear) const {
    return second_order_.at(first_with_same_input(linear));
  }

  Json golden_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::map<std::string_view, SecondOrder> second_order_;
};

// Both programs compute in float32, each in its own order of summation: a weight that lies half-way
// between two levels to seven digits goes either way, and the columns behind it follow.
constexpr double kShareThatMayDiffer = 0.001;

TEST_F(ObsGolden, GptqCodesAreTheAuthors) {
  GptqConfig row4{{.bits = 4, .group_size = -1}}, act3{{.bits = 3, .group_size = -1}},
      act64{{.bits = 4, .group_size = 64}};
  act3.desc_act = act64.desc_act = act64.static_groups = true;
  const std::map<std::string, GptqConfig> runs{
      {"4bit_row", row4}, {"3bit_row_act", act3}, {"4bit_g64_static_act", act64}};
  int64_t different = 0, compared = 0;
  for (const std::string_view linear : block_linear_names()) {
    const auto weight = weight_of(linear);
    const SecondOrder& second_order = second_order_of(linear);
    for (const auto& [name, config] : runs) {
      SCOPED_TRACE(std::string(linear) + " " + name);
      const Json& expected = golden_["linears"][std::string(linear)]["gptq"][name];
      const auto order = column_order(second_order.hessian().diagonal(), column_order_of(config),
                                      config.group_size);
      const auto result =
          gptq(weight, second_order.factor(order, config.damp_percent), order, config);
      EXPECT_NEAR(result.loss / expected["loss"].get<double>(), 1, 1e-3);
      EXPECT_NEAR(result.codes.sum().item<double>() / expected["code_sum"].get<double>(), 1, 1e-4);
      different += num_different(result.codes, expected["codes"]);
      compared += 4 * weight.size(1);
    }
  }
  std::cout << "GPTQ: " << different << " of " << compared << " codes differ\n";
  EXPECT_LE(static_cast<double>(different), kShareThatMayDiffer * static_cast<double>(compared));
}

TEST_F(ObsGolden, SparseGptMasksAreTheAuthors) {
  const std::map<std::string, SparseGptConfig> runs{{"50", {.sparsity = 0.5}},
                                                    {"2_4", {.pattern = NmPattern{2, 4}}}};
  int64_t different = 0, compared = 0;
  for (const std::string_view linear : block_linear_names()) {
    const auto weight = weight_of(linear);
    const SecondOrder& second_order = second_order_of(linear);
    const auto order = column_order(second_order.hessian().diagonal(), ColumnOrder::kGiven, -1);
    for (const auto& [name, config] : runs) {
      SCOPED_TRACE(std::string(linear) + " " + name);
      const Json& expected = golden_["linears"][std::string(linear)]["sparsegpt"][name];
      const auto swept = sparsegpt(weight, second_order.factor(order, config.damp_percent), config);
      EXPECT_NEAR(swept.loss / expected["loss"].get<double>(), 1, 1e-3);
      EXPECT_NEAR((swept.values == 0).sum().item<double>() / expected["zeros"].get<double>(), 1,
                  1e-4);
      different += num_different(swept.values == 0, expected["pruned"]);
      compared += 4 * weight.size(1);
    }
  }
  std::cout << "SparseGPT: " << different << " of " << compared << " masks differ\n";
  EXPECT_LE(static_cast<double>(different), kShareThatMayDiffer * static_cast<double>(compared));
}

}  // namespace
}  // namespace assay
