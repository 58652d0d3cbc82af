// AWQ's scales and clipping bounds against the authors' program (tests/golden/make_awq_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "compress/awq.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

constexpr int64_t kSequences = 11, kLength = 96;

Json golden_of(const char* block) {
  return parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/awq.json"), "golden")[block];
}

// The generator of make_awq_golden.py: sums of four 16-bit halves, centred, exact in float32.
class Generator {
 public:
  at::Tensor matrix(int64_t rows, int64_t cols) {
    auto values = at::empty({rows, cols}, at::kFloat);
    for (int64_t i = 0; i < rows * cols; ++i) values.data_ptr<float>()[i] = next();
    return values;
  }

 private:
  float next() {
    uint32_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      sum += state_ >> 16;
    }
    return static_cast<float>((static_cast<double>(sum) - 131070) / 65536);
  }

  uint32_t state_ = 1234;
};

std::vector<CalibrationBatch> one_batch(const at::Tensor& hidden) {
  CalibrationBatch batch;
  batch.forest = forest_of_sequences({kSequences, std::vector<int32_t>(kLength, 0)});
  batch.sequence_rows.assign(kSequences, kLength);
  batch.hidden = hidden;
  return {batch};
}

void expect_golden(const AwqBlock& block, const Json& golden) {
  ASSERT_EQ(block.pairs.size(), golden["pairs"].size());
  for (size_t i = 0; i < block.pairs.size(); ++i) {
    const AwqPair& pair = block.pairs[i];
    const Json& expected = golden["pairs"][i];
    SCOPED_TRACE(pair.producer);
    EXPECT_EQ(pair.producer, expected["producer"].get<std::string>());
    // Neighbouring grid points differ by percents: within 1e-5 the point is the same.
    for (size_t j = 0; j < expected["every_8th"].size(); ++j) {
      const double scale = pair.scale[static_cast<int64_t>(8 * j)].item<double>();
      EXPECT_NEAR(scale / expected["every_8th"][j].get<double>(), 1, 1e-5);
    }
  }
  for (const auto& [name, linear] : block.linears) {
    SCOPED_TRACE(name);
    const bool clipped = golden["clip"].contains(std::string(name));
    ASSERT_EQ(linear.clip_steps.defined(), clipped);
    if (!clipped) continue;
    const Json& expected = golden["clip"][std::string(name)];
    int64_t compared = 0, different = 0;
    for (size_t i = 0; i < expected["rows"].size(); ++i) {
      const auto row =
          linear.clip_steps[static_cast<int64_t>(i) * expected["row_stride"].get<int64_t>()];
      const auto digits = expected["rows"][i].get<std::string>();
      ASSERT_EQ(row.size(0), static_cast<int64_t>(digits.size()));
      for (size_t g = 0; g < digits.size(); ++g) {
        ++compared;
        different += row[static_cast<int64_t>(g)].item<int>() != digits[g] - '0';
      }
    }
    // Two bounds whose errors agree to six digits may change places between two float32 programs.
    EXPECT_LE(different, compared / 200) << "of " << compared;
    const auto num_clipped = (linear.clip_steps > 0).sum().item<double>();
    EXPECT_NEAR(num_clipped, expected["clipped"].get<double>(), 1 + num_clipped / 500);
  }
}

TEST(AwqGolden, SyntheticBlockIsTheAuthors) {
  const Json golden = golden_of("synthetic");
  ModelConfig config;
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 32;
  Generator g;
  AwqBlockWeights weights;
  for (const std::string_view name : block_linear_names()) {
    const bool is_down = name == "mlp.down_proj";
    const int64_t out = name == "mlp.gate_proj" || name == "mlp.up_proj" ? 256 : 128;
    weights.linears[name] = g.matrix(out, is_down ? 256 : 128) / 8;
  }
  const auto columns = torch::arange(128);
  weights.input_layernorm = 1.0f + (columns % 5) + 16.0f * (columns % 37 == 0);
  weights.post_attention_layernorm = 1.0f + (columns % 3);
  const AwqConfig awq{{.bits = golden["bits"], .group_size = golden["group_size"]}};
  expect_golden(awq_block(weights, config, one_batch(g.matrix(kSequences * kLength, 128)), awq),
                golden);
}

TEST(AwqGolden, BlockOfSmolLm2IsTheAuthors) {
  std::filesystem::path path;
  try {
    path = resolve_model("smollm2-135m-instruct");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const Json golden = golden_of("smollm2");
  const auto checkpoint = Checkpoint::open(path);
  uint32_t state = 2024;
  std::vector<std::vector<int32_t>> sequences(kSequences);
  Sha256 hash;
  for (auto& ids : sequences) {
    for (int64_t i = 0; i < kLength; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) %
                                         static_cast<uint32_t>(checkpoint.config().vocab_size)));
    }
    hash.update(std::as_bytes(std::span(ids)));
  }
  ASSERT_EQ(hash.hex(), golden["ids_sha256"]);
  const auto batches =
      embed_sequences(checkpoint.tensor("model.embed_tokens.weight"), sequences, 1024);
  AwqBlockWeights weights{checkpoint.tensor("model.layers.0.input_layernorm.weight"),
                          checkpoint.tensor("model.layers.0.post_attention_layernorm.weight"),
                          {}};
  for (const std::string_view name : block_linear_names()) {
    weights.linears[name] = checkpoint.tensor(linear_weight_name(0, name));
  }
  const AwqConfig awq{{.bits = golden["bits"], .group_size = golden["group_size"]}};
  expect_golden(awq_block(weights, checkpoint.config(), batches, awq), golden);
}

}  // namespace
}  // namespace assay
