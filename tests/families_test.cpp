// A tiny model of every family, scored as transformers scores it (tests/golden/make_families.py).

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "compress/pipeline.h"
#include "infer/score.h"
#include "io/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/export.h"
#include "model/family.h"
#include "model/file_layout.h"
#include "model/tensor_names.h"
#include "name_of_row.h"
#include "token_requests.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// As `value` of the generator.
std::vector<float> values_of(const FileTensor& tensor, const ModelConfig& config) {
  uint64_t seed = 14695981039346656037u;
  for (const char c : tensor.name) seed = (seed ^ static_cast<uint8_t>(c)) * 1099511628211u;
  const bool is_vector = tensor.shape.size() == 1;
  constexpr std::array kTables{"embed", "lm_head", "wte", "wpe"};
  const bool is_table = std::ranges::any_of(
      kTables, [&](const char* part) { return tensor.name.find(part) != std::string::npos; });
  uint64_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<uint64_t>(size);
  std::vector<float> values;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t x = seed + i * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    double unit = static_cast<double>(x >> 11) * 0x1p-52 - 1;
    if (is_vector) {
      const bool is_about_1 = !tensor.name.ends_with(".bias") && !config.norms_store_minus_one;
      unit = unit * 0.25 + (is_about_1 ? 1 : 0);
    } else if (!is_table) {
      unit *= std::sqrt(3 / static_cast<double>(tensor.shape[1]));
    }
    values.push_back(static_cast<float>(unit));
  }
  return values;
}

void write_model(const fs::path& folder, const Json& config_json) {
  const ModelConfig config = config_from_json(config_json);
  const auto tensors = hugging_face_tensors(config);
  fs::create_directories(folder);
  std::vector<TensorDeclaration> declared;
  for (const FileTensor& tensor : tensors) {
    declared.push_back(
        {tensor.name, dtype_named("F32"), {tensor.shape.begin(), tensor.shape.end()}});
  }
  SafetensorsWriter writer(folder / "model.safetensors", declared);
  for (const FileTensor& tensor : tensors) {
    const auto values = values_of(tensor, config);
    writer.write(tensor.name, std::as_bytes(std::span(values)));
  }
  writer.commit();
  write_file_atomic(folder / "config.json", config_json.dump());
}

std::vector<Json> golden_rows() {
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/families.json";
  return parse_json(read_file(path), path)["rows"].get<std::vector<Json>>();
}

class Families : public testing::TestWithParam<Json> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_family_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_P(Families, ScoreAsTransformers) {
  const Json& row = GetParam();
  write_model(folder_, row["config"]);
  const auto model = load_causal_lm(Checkpoint::open(folder_));
  const auto ids = row["ids"].get<std::vector<int32_t>>();
  const auto expected = row["log_probabilities"].get<std::vector<double>>();
  const auto requests = request_of_each_token(ids);
  for (const int64_t batch_tokens : {2048, 7}) {
    ScoreOptions options;
    options.batch_tokens = batch_tokens;
    const auto results = score(model, requests, options);
    for (size_t i = 0; i < results.size(); ++i)
      EXPECT_NEAR(results[i].log_likelihood, expected[i], 2e-5) << batch_tokens << " " << i;
  }
}

// What config.json says comes back from what assay writes for it, and so do all tensors.
TEST_P(Families, SurviveAnExport) {
  write_model(folder_, GetParam()["config"]);
  const auto checkpoint = Checkpoint::open(folder_);
  const auto target = folder_ / "copy";
  FolderExport copy(target, checkpoint.config(), "float32", ExistingFolder::kRefuse);
  for (const TensorRecord& record : checkpoint.tensors())
    copy.write(record.name, checkpoint.tensor(record.name));
  copy.commit(Json::object(), Json::object(), Json::object());
  const auto again = Checkpoint::open(target);
  EXPECT_EQ(again.config(), checkpoint.config());
  for (const TensorRecord& record : checkpoint.tensors())
    EXPECT_TRUE(at::equal(again.tensor(record.name), checkpoint.tensor(record.name)))
        << record.name;
}

// The mean log-likelihood of a text's tokens by what is in `folder`.
double mean_score(const fs::path& folder, const std::vector<int32_t>& ids) {
  const auto model = load_causal_lm(Checkpoint::open(folder));
  const auto results =
      score(model,
            std::vector<ScoreRequest>{
                {.context_ids = {ids.front()}, .continuation_ids = {ids.begin() + 1, ids.end()}}},
            {});
  return results[0].log_likelihood / static_cast<double>(results[0].num_tokens);
}

// Whether a method has a place in a model: scales are folded in, and gradients computed, in few.
bool is_taken(const std::string& method, const ModelConfig& c) {
  const bool is_like_llama =
      c.norm == NormKind::kRms && c.gated_mlp && !c.parallel_residual && c.experts.num_experts == 0;
  if (method == "gblm") {
    return is_like_llama && c.attn_logit_softcapping == 0 && c.final_logit_softcapping == 0 &&
           c.rotary_dim == 0;
  }
  return is_like_llama || (method != "awq" && method != "smoothquant");
}

// At 8 bits and 2 % of zeros a model is nearly what it was; a linear that a method forgot, or put
// elsewhere, is not.
TEST_P(Families, TakeEveryMethod) {
  write_model(folder_, GetParam()["config"]);
  const auto checkpoint = Checkpoint::open(folder_);
  CalibrationSet calibration;
  for (int32_t s = 0; s < 6; ++s) {
    auto& ids = calibration.sequences.emplace_back();
    for (int32_t i = 0; i < 50; ++i) ids.push_back((i * i * 7 + i * s + 3 * s) % 97);
  }
  const auto ids = GetParam()["ids"].get<std::vector<int32_t>>();
  const double before = mean_score(folder_, ids);
  size_t num_linears = 0;
  for (const TensorRecord& record : checkpoint.tensors())
    num_linears += is_block_linear(record.name);
  for (const Json& settings :
       {Json{{"method", "rtn"}, {"bits", 8}}, Json{{"method", "gptq"}, {"bits", 8}},
        Json{{"method", "wanda"}, {"sparsity", 0.02}},
        Json{{"method", "sparsegpt"}, {"sparsity", 0.02}},
        Json{{"method", "gblm"}, {"sparsity", 0.02}},
        Json{{"method", "awq"}, {"bits", 8}, {"group_size", 16}}, Json{{"method", "smoothquant"}},
        Json{{"method", "permute"}, {"units", "both"}}}) {
    SCOPED_TRACE(settings.dump());
    const auto target = folder_.string() + "_compressed";
    FolderExport out(target, checkpoint.config(), "float32", ExistingFolder::kReplace);
    const auto write = [&](const std::string& name, const at::Tensor& tensor) {
      out.write(name, tensor);
    };
    if (!is_taken(settings["method"], checkpoint.config())) {
      EXPECT_THROW(compress(checkpoint, method_config(settings), &calibration, write, {}), Error);
      continue;
    }
    const auto report = compress(checkpoint, method_config(settings), &calibration, write, {});
    EXPECT_EQ(report.linears.size(), num_linears);
    out.commit(Json::object(), Json::object(), Json::object());
    EXPECT_NEAR(mean_score(target, ids), before, 0.03 * std::abs(before));
    fs::remove_all(target);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, Families, testing::ValuesIn(golden_rows()), name_of_row);

TEST(FamiliesGolden, HoldsEveryFamily) {
  std::set<std::string> seen;
  for (const Json& row : golden_rows()) seen.insert(row["config"]["model_type"].get<std::string>());
  for (const Family& family : families())
    EXPECT_TRUE(seen.contains(std::string(family.model_type))) << family.model_type;
}

}  // namespace
}  // namespace assay
