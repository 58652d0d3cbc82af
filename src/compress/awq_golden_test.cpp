// AWQ's scales and clipping bounds against the authors' program (tests/golden/make_awq_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "compress/awq.h"
#include "compress/awq_clip.h"
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

// float32 as the hex digits of its bytes, little-endian.
at::Tensor floats_of(const std::string& hex) {
  const auto count = static_cast<int64_t>(hex.size() / 8);
  auto values = at::empty({count}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = 0;
    for (size_t byte = 0; byte < 4; ++byte) {
      const auto digits = hex.substr(static_cast<size_t>(8 * i) + 2 * byte, 2);
      bits |= static_cast<uint32_t>(std::stoul(digits, nullptr, 16)) << (8 * byte);
    }
    values.data_ptr<float>()[i] = std::bit_cast<float>(bits);
  }
  return values;
}

struct GoldenBlock {
  BlockWeights weights;
  ModelConfig model;
  std::vector<CalibrationBatch> batches;
  AwqQuantizerConfig quantizer;
};

// Neighbouring grid points differ by percents: within 1e-5 the point is the same.
void expect_scales(const GoldenBlock& block, const Json& golden) {
  AwqConfig config{block.quantizer};
  config.clip = false;
  const auto pairs = awq_block(block.weights, block.model, block.batches, config).pairs;
  ASSERT_EQ(pairs.size(), golden["pairs"].size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Json& expected = golden["pairs"][i];
    EXPECT_EQ(pairs[i].producer, expected["producer"].get<std::string>());
    EXPECT_TRUE(at::allclose(pairs[i].scale, floats_of(expected["scale"]), 1e-5, 0))
        << pairs[i].producer;
  }
}

// The clip search on the block that the authors' own scales make. (Where both ends of a range are
// clamped, -min / scale is Q / 2, half-way between two zeros: a last bit of a weight decides, so
// the weights must be the same.)
void expect_clips(const GoldenBlock& block, const Json& golden) {
  std::vector<AwqPair> pairs;
  for (const Json& pair : golden["pairs"]) {
    AwqPair& added = pairs.emplace_back();
    for (const std::string_view name : block_linear_names()) {
      if (pair["producer"].get<std::string>() == name) added.producer = name;
      for (const Json& consumer : pair["consumers"]) {
        if (consumer.get<std::string>() == name) added.consumers.push_back(name);
      }
    }
    if (pair["producer"].get<std::string>() == "input_layernorm")
      added.producer = "input_layernorm";
    if (pair["producer"].get<std::string>() == "post_attention_layernorm")
      added.producer = "post_attention_layernorm";
    added.scale = floats_of(pair["scale"]);
  }
  const auto folded = awq_fold(block.weights, pairs);
  std::map<std::string_view, std::vector<at::Tensor>> inputs;
  for (const CalibrationBatch& batch : block.batches) {
    block_inputs(
        dense_block(block.weights), block.model, batch.forest, batch.hidden,
        [&](std::string_view name, const at::Tensor& x) { inputs[name].push_back(x.clone()); });
  }
  int64_t compared = 0, different = 0;
  for (const std::string_view name : block_linear_names()) {
    if (!golden["clip"].contains(std::string(name))) continue;
    SCOPED_TRACE(name);
    auto sample = awq_clip_sample(at::cat(inputs.at(name)));
    for (const AwqPair& pair : pairs) {
      if (std::ranges::find(pair.consumers, name) != pair.consumers.end())
        sample = sample / pair.scale;
    }
    const auto steps = awq_clip_steps(folded.linears.at(name), sample, block.quantizer);
    const Json& expected = golden["clip"][std::string(name)];
    for (size_t i = 0; i < expected["rows"].size(); ++i) {
      const auto row = steps[static_cast<int64_t>(i) * expected["row_stride"].get<int64_t>()];
      const auto digits = expected["rows"][i].get<std::string>();
      ASSERT_EQ(row.size(0), static_cast<int64_t>(digits.size()));
      for (size_t g = 0; g < digits.size(); ++g) {
        ++compared;
        different += row[static_cast<int64_t>(g)].item<int>() != digits[g] - '0';
      }
    }
    const auto num_clipped = (steps > 0).sum().item<double>();
    EXPECT_NEAR(num_clipped, expected["clipped"].get<double>(), 1 + num_clipped / 1000);
  }
  // Two bounds whose errors agree to six digits may change places between two float32 programs.
  EXPECT_LE(different, compared / 500) << "of " << compared;
}

TEST(AwqGolden, SyntheticBlockIsTheAuthors) {
  const Json golden = golden_of("synthetic");
  ModelConfig config;
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 32;
  Generator g;
  GoldenBlock block;
  BlockWeights& weights = block.weights;
  for (const std::string_view name : block_linear_names()) {
    const bool is_down = name == "mlp.down_proj";
    const int64_t out = name == "mlp.gate_proj" || name == "mlp.up_proj" ? 256 : 128;
    weights.linears[name] = g.matrix(out, is_down ? 256 : 128) / 8;
  }
  const auto columns = torch::arange(128);
  weights.input_layernorm = 1.0f + (columns % 5) + 16.0f * (columns % 37 == 0);
  weights.post_attention_layernorm = 1.0f + (columns % 3);
  block.model = config;
  block.batches = one_batch(g.matrix(kSequences * kLength, 128));
  block.quantizer = {.bits = golden["bits"], .group_size = golden["group_size"]};
  expect_scales(block, golden);
  expect_clips(block, golden);
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
  GoldenBlock block;
  block.batches = embed_sequences(checkpoint.tensor("model.embed_tokens.weight"),
                                  checkpoint.config(), sequences, 1024);
  block.weights = {checkpoint.tensor("model.layers.0.input_layernorm.weight"),
                   checkpoint.tensor("model.layers.0.post_attention_layernorm.weight"),
                   {}};
  for (const std::string_view name : block_linear_names()) {
    block.weights.linears[name] = checkpoint.tensor(linear_weight_name(0, name));
  }
  block.model = checkpoint.config();
  block.quantizer = {.bits = golden["bits"], .group_size = golden["group_size"]};
  expect_scales(block, golden);
  expect_clips(block, golden);
}

}  // namespace
}  // namespace assay
