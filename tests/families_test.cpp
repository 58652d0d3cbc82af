// A tiny model of every family, scored as transformers scores it (tests/golden/make_families.py).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "infer/score.h"
#include "io/safetensors_writer.h"
#include "model/checkpoint.h"
#include "model/family.h"
#include "model/tensor_names.h"
#include "name_of_row.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// As `value` of the generator.
std::vector<float> values_of(const ExpectedTensor& tensor) {
  uint64_t seed = 14695981039346656037u;
  for (const char c : tensor.name) seed = (seed ^ static_cast<uint8_t>(c)) * 1099511628211u;
  const bool is_vector = tensor.shape.size() == 1;
  const bool is_table = tensor.name.find("embed") != std::string::npos ||
                        tensor.name.find("lm_head") != std::string::npos;
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
      unit = unit * 0.25 + (tensor.name.ends_with(".bias") ? 0 : 1);
    } else if (!is_table) {
      unit *= std::sqrt(3 / static_cast<double>(tensor.shape[1]));
    }
    values.push_back(static_cast<float>(unit));
  }
  return values;
}

void write_model(const fs::path& folder, const Json& config_json) {
  const ModelConfig config = config_from_json(config_json);
  const auto tensors = all_tensors(config);
  fs::create_directories(folder);
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, shape] : tensors)
    declared.push_back({name, dtype_named("F32"), {shape.begin(), shape.end()}});
  SafetensorsWriter writer(folder / "model.safetensors", declared);
  for (const ExpectedTensor& tensor : tensors) {
    const auto values = values_of(tensor);
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
  // One request a token: they share their prefixes, so every way through the tree is taken.
  std::vector<ScoreRequest> requests;
  for (size_t i = 1; i < ids.size(); ++i) {
    const auto here = ids.begin() + static_cast<std::ptrdiff_t>(i);
    requests.push_back({.context_ids = {ids.begin(), here}, .continuation_ids = {*here}});
  }
  for (const int64_t batch_tokens : {2048, 7}) {
    ScoreOptions options;
    options.batch_tokens = batch_tokens;
    const auto results = score(model, requests, options);
    for (size_t i = 0; i < results.size(); ++i)
      EXPECT_NEAR(results[i].log_likelihood, expected[i], 2e-5) << batch_tokens << " " << i;
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
