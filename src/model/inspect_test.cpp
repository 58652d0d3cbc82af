#include "model/inspect.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/philox.h"
#include "io/safetensors.h"
#include "model/export.h"
#include "model/findings.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_inspect_XXXXXX";
  return ::mkdtemp(name.data());
}

// Two rows of ten: groups of 4 are columns 0-3, 4-7, 8-9; groups of 8 are 0-7, 8-9.
// Row 0: 2, 1 and 2 non-zeros: 2:4 holds everywhere, and 3 <= 4, 2 <= 4.
// Row 1: 3, 2 and 0 non-zeros: 2:4 fails in the first group, and 5 > 4 in the first group of 8.
TEST(CountWeights, MatchesHandCount) {
  const std::vector<float> w{1, 0, 0, 2, 0,   0, 0,         3, 4, 5,  //
                             1, 2, 3, 0, NAN, 0, -INFINITY, 0, 0, -0.0f};
  const auto c = count_weights(w.data(), 2, 10);
  EXPECT_EQ(c.weights, 20);
  EXPECT_EQ(c.zeros, 5 + 5);
  EXPECT_EQ(c.non_finite, 2);
  EXPECT_EQ(c.groups_of_4, 6);
  EXPECT_EQ(c.groups_2_4, 5);
  EXPECT_EQ(c.groups_of_8, 4);
  EXPECT_EQ(c.groups_4_8, 3);
}

TEST(CountMagnitudes, AgreesWithASet) {
  EXPECT_EQ(count_magnitudes(nullptr, 0), 0);
  const std::vector<float> few{1, -1, 0, -0.0f, 2, NAN, -NAN, INFINITY};
  EXPECT_EQ(count_magnitudes(few.data(), 8), 5);  // 1, 0, 2, NaN, infinity
  PhiloxStream random(1, 0);
  std::vector<float> many(20000);
  for (auto& value : many)
    value = std::round(static_cast<float>(random.normal()) * 1000.0f) / 64.0f;
  std::set<float> magnitudes;
  for (const float value : many) magnitudes.insert(std::fabs(value));
  EXPECT_EQ(count_magnitudes(many.data(), 20000), static_cast<int64_t>(magnitudes.size()));
}

const TensorGroup& group(const Inspection& inspection, std::string_view name) {
  const auto found = std::ranges::find(inspection.groups, name, &TensorGroup::name);
  require(found != inspection.groups.end(), "no group ", name);
  return *found;
}

// Writes the tiny model with `change` applied to each tensor.
template <class Change>
std::filesystem::path changed_model(const Change& change,
                                    const Json& provenance = {{"method", "test"}}) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "source", {.num_hidden_layers = 4});
  const auto source = Checkpoint::open(folder / "source");
  FolderExport out(folder / "out", source.config(), "float32", ExistingFolder::kRefuse);
  for (const auto& record : source.tensors()) {
    out.write(record.name, change(record.name, source.tensor(record.name).clone()));
  }
  out.commit(tiny_tokenizer_json(), tiny_tokenizer_config(), provenance);
  return folder / "out";
}

// Parameters by hand: embedding 320 * 64; a block has q, o 64*64, k, v 32*64, gate, up, down
// 128*64; two blocks; five norms of 64.
TEST(Inspect, CountsATinyModel) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "tiny");
  const auto inspection = inspect(folder / "tiny");
  const auto json = inspection_to_json(inspection);
  const int64_t linears = 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64);
  EXPECT_EQ(json["parameters"]["block_linears"], linears);
  EXPECT_EQ(json["parameters"]["embeddings"], 320 * 64);
  EXPECT_EQ(json["parameters"]["total"], linears + 320 * 64 + 5 * 64);
  EXPECT_EQ(json["linear_sparsity"], 0.0);
  const auto& q = group(inspection, "self_attn.q_proj");
  EXPECT_EQ(q.num_tensors, 2);
  EXPECT_EQ(q.stored_bytes, 2 * 64 * 64 * sizeof(float));
  EXPECT_GT(q.fewest_magnitudes, 4000);  // of 4096 normals
  EXPECT_EQ(group(inspection, "norm").num_tensors, 5);
  EXPECT_EQ(inspection.groups.front().name, "embed_tokens");
  EXPECT_EQ(json["tokenizer"]["vocab_size"], 320);
  EXPECT_EQ(json["tokenizer"]["adds_bos"], false);
  EXPECT_EQ(json["tokenizer"]["kind"], "BPE");
  EXPECT_THAT(inspection_to_text(inspection),
              HasSubstr("llama, 2 layers, width 64, 4 heads of 16"));
}

TEST(Inspect, TellsWhatWasDoneInAFewLines) {
  Inspection inspection;
  inspection.tokenizer = {{"error", "none"}};
  inspection.provenance = {
      {"assay_version", "0.1.0"},
      {"method", {{"method", "rtn"}, {"bits", 3}, {"sym", false}, {"parity", Json::array()}}},
      {"source", {{"description", "a model"}, {"weights_sha256", "ab12"}}},
      {"calibration", {{"source", "text:x"}, {"samples", 4}, {"tokens", 96}, {"ids_sha256", "cd"}}},
      {"kv_cache", {{"bits", 4}, {"group_size", 64}, {"sym", true}}},
      {"report", {{"linears", std::vector<Json>(1000, {{"rows", 576}})}}}};
  const std::string text = inspection_to_text(inspection);
  EXPECT_THAT(text,
              HasSubstr("  provenance   assay 0.1.0: rtn (bits 3, sym false)\n"
                        "               of a model, weights ab12\n"
                        "               calibrated on text:x, 4 sequences, 96 tokens, ids cd\n"
                        "               keys and values are cached in few bits (bits 4, group_size "
                        "64, sym true)\n"));
  EXPECT_LT(text.size(), 2000u);
  // Not assay's file: nothing is known, and nothing breaks.
  for (const Json& other :
       {Json("words"), Json(3), Json::array({1}), Json{{"method", {{"a", 1}}}}}) {
    inspection.provenance = other;
    EXPECT_THAT(inspection_to_text(inspection), HasSubstr("assay unknown: unknown"));
  }
}

constexpr const char* kUp2 = "model.layers.2.mlp.up_proj.weight";

// Faults that were put into a checkpoint on purpose, each found by name.
TEST(Findings, NameWhatContradictsItself) {
  const auto found = [](const auto& change, const Json& provenance = nullptr) {
    return find_faults(inspect(changed_model(
        [&](const std::string& name, const at::Tensor& w) {
          if (name == kUp2) change(w);
          return w;
        },
        provenance)));
  };
  EXPECT_THAT(found([](const at::Tensor&) {}), testing::IsEmpty());
  EXPECT_THAT(found([](const at::Tensor& w) { w.zero_(); }),
              testing::ElementsAre(std::string(kUp2) + ": every weight is zero"));
  EXPECT_THAT(found([](const at::Tensor& w) { w.mul_(1000); }),
              testing::ElementsAre(HasSubstr("up_proj.weight: root mean square 12")));
  // Codes of a uniform grid whose zero is one step off.
  EXPECT_THAT(found([](const at::Tensor& w) { w.add_(0.05); }),
              testing::ElementsAre(HasSubstr("up_proj.weight: its mean is 0.3")));
  const Json linear{{"tensor", kUp2}, {"zeros", 4096}};
  EXPECT_THAT(found([](const at::Tensor&) {}, {{"report", {{"linears", {linear}}}}}),
              testing::ElementsAre(std::string(kUp2) +
                                   ": the provenance claims 4096 zeros, 0 of 8192 weights are"));
  const Json gone{{"tensor", "model.layers.9.mlp.up_proj.weight"}, {"zeros", 1}};
  EXPECT_THAT(found([](const at::Tensor&) {}, {{"report", {{"linears", {gone}}}}}),
              testing::ElementsAre(HasSubstr("layers.9.mlp.up_proj.weight, which is not there")));
  // 28 linears claim 2:4 and none holds it.
  const auto pattern = found([](const at::Tensor&) {}, {{"method", {{"pattern", "2:4"}}}});
  ASSERT_EQ(pattern.size(), 28u);
  EXPECT_THAT(pattern[0], HasSubstr("the provenance claims 2:4, 2048 of 2048 groups"));
}

TEST(Findings, NameTokensWithoutARow) {
  Inspection inspection;
  inspection.config.vocab_size = 10;
  inspection.config.eos_token_id = 11;
  inspection.config.bos_token_id = 1;
  inspection.tokenizer = {{"vocab_size", 12},
                          {"bos_token_id", 2},
                          {"adds_bos", true},
                          {"chat_template", {{"begins_with_bos", true}}}};
  EXPECT_THAT(
      find_faults(inspection),
      testing::ElementsAre("the tokenizer has 12 tokens, the embedding 10 rows",
                           "bos_token_id is 1 in the config and 2 in the tokenizer",
                           "the config's eos_token_id 11 is outside the vocabulary of 10",
                           HasSubstr("the chat template writes BOS and the tokenizer adds")));
}

TEST(WeightDifference, IsCountedTensorByTensor) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "base");
  const auto base = Checkpoint::open(folder / "base");
  const auto changed =
      Checkpoint::open(changed_model([](const std::string& name, const at::Tensor& w) {
        if (name == "model.norm.weight") w[0] += 3;
        return w;
      }));
  const auto inspection = inspect(changed, {.against = &base, .magnitudes = false});
  const WeightDifference& difference = inspection.difference.value();
  const auto norm =
      std::ranges::find(difference.tensors, "model.norm.weight", &TensorDifference::name);
  ASSERT_NE(norm, difference.tensors.end());
  EXPECT_EQ(norm->changed, 1);
  EXPECT_NEAR(norm->max_error, 3, 1e-6);
  const double length = base.tensor("model.norm.weight").norm().item<double>();
  EXPECT_NEAR(relative_error(*norm), 3 / length, 1e-6);
  // Of the nine norms the four of two more layers have no like; one of the other five changed.
  const auto& norms = group(inspection, "norm");
  EXPECT_EQ(norms.num_tensors, 9);
  EXPECT_EQ(norms.num_compared, 5);
  EXPECT_NEAR(norms.error_squares, 9, 1e-5);
  EXPECT_EQ(group(inspection, "mlp.up_proj").error_squares, 0);
  EXPECT_EQ(group(inspection, "mlp.up_proj").most_magnitudes, 0);  // not asked for
  EXPECT_LT(norm->cosine, 1);
  EXPECT_EQ(difference.not_compared.size(), 18u);  // two more layers of nine tensors
  for (const TensorDifference& t : difference.tensors) {
    EXPECT_EQ(t.changed, t.name == norm->name ? 1 : 0) << t.name;
  }
  EXPECT_THAT(to_text(difference), HasSubstr("not compared: model.layers.2."));
  EXPECT_EQ(to_json(difference)["tensors"].size(), difference.tensors.size());
}

// ||(1, 2, 2)|| = 3 off a base of ||(4, 0, 3)|| = 5: 0.6. Nothing changed: 0, whatever the base.
TEST(TensorDifference, MatchesHandCount) {
  const auto base = at::tensor({4.0f, 0.0f, 3.0f}), off = at::tensor({1.0f, 2.0f, -2.0f});
  const auto difference = tensor_difference("w", base + off, base);
  EXPECT_EQ(difference.changed, 3);
  EXPECT_DOUBLE_EQ(difference.error_squares, 9);
  EXPECT_DOUBLE_EQ(difference.base_squares, 25);
  EXPECT_DOUBLE_EQ(difference.max_error, 2);
  EXPECT_DOUBLE_EQ(difference.cosine, (5 * 4 + 1 * 3) / (std::sqrt(25.0 + 4 + 1) * 5));
  EXPECT_DOUBLE_EQ(relative_error(difference), 0.6);
  const auto zero = at::zeros({3});
  EXPECT_EQ(relative_error(tensor_difference("w", zero, zero)), 0);
  EXPECT_EQ(relative_error(tensor_difference("w", base, zero)), INFINITY);
  EXPECT_THROW(tensor_difference("w", base, at::zeros({4})), Error);
}

TEST(Inspect, RecountsSparsityAndPatterns) {
  const auto folder = changed_model([](const std::string& name, const at::Tensor& w) {
    if (name.ends_with("q_proj.weight"))
      w.slice(1, 0, std::nullopt, 4).zero_(), w.slice(1, 1, std::nullopt, 4).zero_();
    if (name.ends_with("up_proj.weight")) {  // 4:8 holds, 2:4 does not
      for (int64_t column = 0; column < 4; ++column) w.slice(1, column, std::nullopt, 8).zero_();
    }
    return w;
  });
  const auto inspection = inspect(folder);
  const auto json = inspection_to_json(inspection);
  const auto named = [&](std::string_view name) -> Json {
    for (const auto& g : json["groups"]) {
      if (g["group"] == name) return g;
    }
    return {};
  };
  EXPECT_EQ(named("self_attn.q_proj")["sparsity"], 0.5);
  EXPECT_EQ(named("self_attn.q_proj")["holds_2_4"], true);
  EXPECT_EQ(named("self_attn.q_proj")["holds_4_8"], true);
  EXPECT_EQ(named("mlp.up_proj")["holds_2_4"], false);
  EXPECT_EQ(named("mlp.up_proj")["holds_4_8"], true);
  EXPECT_EQ(named("mlp.down_proj")["holds_4_8"], false);
  EXPECT_EQ(json["provenance"]["method"], "test");
  // q and up are half empty: (64*64 + 128*64) / 2 of 36864 a block.
  EXPECT_NEAR(json["linear_sparsity"].get<double>(), 6144.0 / 36864.0, 1e-12);
}

}  // namespace
}  // namespace assay
