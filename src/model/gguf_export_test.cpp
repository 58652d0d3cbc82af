#include "model/gguf_export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/locations.h"
#include "model/catalogue.h"
#include "model/dense_export.h"
#include "model/gguf_metadata.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_gguf_export_XXXXXX";
  return ::mkdtemp(name.data());
}

// From a folder or a .gguf file.
GgufExportReport convert(const fs::path& from, const fs::path& to, GgufExportOptions options) {
  const auto source = Checkpoint::open(from);
  std::optional<GgufFile> file;
  if (!fs::is_directory(from)) file = open_gguf(from);
  options.source = file ? &*file : nullptr;
  return export_gguf(source, plan_gguf_export(source, options), to, options);
}

GgufExportReport convert(const Checkpoint& source, const fs::path& path,
                         const GgufExportOptions& options) {
  return export_gguf(source, plan_gguf_export(source, options), path, options);
}

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// What decodes from the bytes that a tensor's rows encode to.
at::Tensor stored_as(const at::Tensor& tensor, const BlockFormat& format,
                     std::span<const float> importance = {}) {
  const auto values = tensor.contiguous();
  const auto count = static_cast<size_t>(values.numel());
  std::vector<std::byte> bytes(count / format.block_elements * format.block_bytes);
  encode_blocks(format, values_of(values), static_cast<size_t>(values.size(-1)), importance, bytes);
  auto decoded = at::empty_like(values);
  decode_blocks(format, bytes, {decoded.data_ptr<float>(), count});
  return decoded;
}

// Rows of 256 and 512, so that K types fit.
TinyModelOptions wide() {
  return {.hidden_size = 256, .intermediate_size = 512, .num_attention_heads = 8};
}

TEST(GgufExport, Float32GivesTheModelBack) {
  const auto folder = fresh_folder();
  for (const char* type : {"llama", "qwen2", "qwen3", "mistral"}) {
    SCOPED_TRACE(type);
    for (const bool tied : {true, false}) {
      const auto source_folder = folder / (std::string(type) + (tied ? "_tied" : ""));
      write_tiny_model(source_folder, {.tie_word_embeddings = tied, .model_type = type});
      const auto source = Checkpoint::open(source_folder);
      const auto path = folder / "f32.gguf";
      const auto report = convert(source, path, {.file_type = "F32"});
      EXPECT_EQ(report.by_format.size(), 1u);
      EXPECT_EQ(report.by_format.at("F32").changed, 0);
      const auto back = Checkpoint::open(path);
      ModelConfig expected = source.config();
      if (expected.model_type == "mistral") expected.model_type = "llama";  // as its files say
      EXPECT_EQ(back.config(), expected);
      ASSERT_EQ(back.tensors().size(), source.tensors().size());
      for (const TensorRecord& record : source.tensors()) {
        EXPECT_TRUE(at::equal(back.tensor(record.name), source.tensor(record.name))) << record.name;
      }
      const auto text = "The cat's 12 hats, 3.5 \xc3\xa9t\xc3\xa9\n  <|im_end|>";
      for (const auto special : {SpecialText::kPlain, SpecialText::kParse}) {
        EXPECT_EQ(back.tokenizer().encode(text, special).ids,
                  source.tokenizer().encode(text, special).ids);
      }
      EXPECT_EQ(back.tokenizer().bos_id(), source.tokenizer().bos_id());
      EXPECT_EQ(back.tokenizer().adds_bos(), source.tokenizer().adds_bos());
    }
  }
}

// The file that an export of the Hugging Face folder makes has the tensors of the one that the
// tiny model writes itself.
TEST(GgufExport, RowsOfQueriesAndKeysAreInterleaved) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "tiny");
  write_tiny_gguf(folder / "own.gguf");
  convert(Checkpoint::open(folder / "tiny"), folder / "made.gguf", {.file_type = "F32"});
  const auto own = open_gguf(folder / "own.gguf"), made = open_gguf(folder / "made.gguf");
  for (const GgufTensor& tensor : own.tensors) {
    const auto* other = made.find_tensor(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(other->dims, tensor.dims);
    EXPECT_TRUE(std::ranges::equal(other->bytes(), tensor.bytes())) << tensor.name;
  }
}

TEST(GgufExport, EveryFileTypeStoresWhatItsTypesEncode) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "wide", wide());
  const auto source = Checkpoint::open(folder / "wide");
  for (const char* type : {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M",
                           "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"}) {
    SCOPED_TRACE(type);
    const auto path = folder / "out.gguf";
    const auto report = convert(source, path, {.file_type = type});
    const auto back = Checkpoint::open(path);
    StorageLoss all;
    for (const auto& [format, loss] : report.by_format) all.add(loss);
    EXPECT_GT(all.changed, all.values / 2);
    int64_t changed = 0;
    for (const TensorRecord& record : back.tensors()) {
      const auto original = source.tensor(record.name);
      // Rows of queries and keys are encoded one by one: their order does not matter here.
      const auto expected = stored_as(original, *block_format_by_name(record.stored_dtype));
      EXPECT_TRUE(at::equal(back.tensor(record.name), expected)) << record.name;
      EXPECT_EQ(record.stored_dtype == "F32", record.shape.size() == 1) << record.name;
      changed += (expected != original).sum().item<int64_t>();
    }
    EXPECT_EQ(all.changed, changed);
    const GgufFile file = open_gguf(path);
    EXPECT_EQ(file.find_integer("general.quantization_version").value_or(0),
              std::string_view(type).find('Q') != std::string::npos ? 2 : 0);
    EXPECT_EQ(file.string("assay.source_weights_sha256"), source.weights_hash());
  }
}

TEST(GgufExport, AnImportanceMatrixWeighsItsTensors) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "wide", wide());
  const auto source = Checkpoint::open(folder / "wide");
  ImportanceMatrix matrix;
  std::vector<float> importance(512);
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = static_cast<float>(i % 5);
  matrix.mean_squares["blk.1.ffn_down.weight"] = importance;
  matrix.datasets = {"text.txt"};
  matrix.chunks = 3;
  convert(source, folder / "out.gguf",
          {.file_type = "Q4_K_S", .importance = &matrix, .importance_source = "i.gguf"});
  const auto back = Checkpoint::open(folder / "out.gguf");
  const std::string weighted = "model.layers.1.mlp.down_proj.weight",
                    plain = "model.layers.0.mlp.down_proj.weight";
  const auto& q4_k = *block_format_by_name("Q4_K");
  EXPECT_TRUE(at::equal(back.tensor(plain), stored_as(source.tensor(plain), q4_k)));
  EXPECT_TRUE(
      at::equal(back.tensor(weighted), stored_as(source.tensor(weighted), q4_k, importance)));
  EXPECT_FALSE(at::equal(back.tensor(weighted), stored_as(source.tensor(weighted), q4_k)));
  const auto file = open_gguf(folder / "out.gguf");
  EXPECT_EQ(file.string("quantize.imatrix.file"), "i.gguf");
  EXPECT_EQ(file.string("quantize.imatrix.dataset"), "text.txt");
  EXPECT_EQ(file.integer("quantize.imatrix.chunks_count"), 3);

  const auto refusal = [&](const ImportanceMatrix& wrong) -> std::string {
    try {
      plan_gguf_export(source, {.file_type = "Q4_K_S", .importance = &wrong});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  };
  matrix.mean_squares["blk.1.ffn_down.weight"].resize(256);
  EXPECT_THAT(refusal(matrix), HasSubstr("'blk.1.ffn_down.weight' has 256 columns"));
  matrix.mean_squares = {{"blk.9.ffn_down.weight", {1}}};
  EXPECT_THAT(refusal(matrix), HasSubstr("names no tensor of this model"));
}

TEST(GgufExport, TensorsThatKeepTheirTypeKeepTheirBytes) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "wide", wide());
  convert(folder / "wide", folder / "a.gguf", {.file_type = "Q4_1"});
  const auto source = Checkpoint::open(folder / "a.gguf");
  const auto report = convert(folder / "a.gguf", folder / "b.gguf", {.file_type = "Q4_1"});
  for (const auto& [type, loss] : report.by_format) EXPECT_EQ(loss.changed, 0) << type;
  EXPECT_EQ(report.by_format.at("Q4_1").copied, report.by_format.at("Q4_1").tensors);
  const auto copy = Checkpoint::open(folder / "b.gguf");
  EXPECT_EQ(copy.weights_hash(), source.weights_hash());
  const auto a = open_gguf(folder / "a.gguf"), b = open_gguf(folder / "b.gguf");
  EXPECT_EQ(b.strings("tokenizer.ggml.tokens"), a.strings("tokenizer.ggml.tokens"));
  EXPECT_EQ(b.string("assay.source"), "a.gguf: decoded Q4_1");
}

TEST(GgufExport, ZerosThatATypeCannotHoldAreCounted) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "wide", wide());
  const auto source = Checkpoint::open(folder / "wide");
  FolderExport pruned(folder / "pruned", source.config(), "float32", ExistingFolder::kRefuse);
  for (const TensorRecord& record : source.tensors()) {
    auto tensor = source.tensor(record.name).clone();
    if (record.name.find("_proj") != std::string::npos) tensor.slice(1, 0, -1, 2).zero_();
    pruned.write(record.name, tensor);
  }
  pruned.commit(tiny_tokenizer_json(), tiny_tokenizer_config(),
                {{"method", {{"method", "magnitude"}, {"sparsity", 0.5}}}, {"kv_cache", {}}});
  const auto half = Checkpoint::open(folder / "pruned");
  const auto lost = [&](const char* type) {
    StorageLoss all;
    for (const auto& [format, loss] :
         convert(half, folder / "x.gguf", {.file_type = type}).by_format)
      all.add(loss);
    return static_cast<double>(all.lost_zeros) / static_cast<double>(all.zeros);
  };
  EXPECT_EQ(lost("Q8_0"), 0.0);
  EXPECT_EQ(lost("Q4_0"), 0.0);
  EXPECT_EQ(lost("Q6_K"), 0.0);
  EXPECT_GT(lost("Q4_1"), 0.9);
  EXPECT_GT(lost("IQ4_NL"), 0.9);
  const auto plan = plan_gguf_export(half, {.file_type = "Q8_0"});
  EXPECT_THAT(plan.lost, testing::Contains(HasSubstr("KV cache")));
  convert(half, folder / "y.gguf", {.file_type = "Q8_0"});
  const GgufFile file = open_gguf(folder / "y.gguf");
  EXPECT_EQ(file.string("assay.method"), "magnitude");
  EXPECT_THAT(file.string("assay.settings"), HasSubstr("\"sparsity\":0.5"));
}

TEST(GgufExport, Llama3FrequenciesBecomeDivisors) {
  const auto folder = fresh_folder();
  const RopeScaling scaling{.rope_type = "llama3",
                            .factor = 8,
                            .original_max_position_embeddings = 8192,
                            .low_freq_factor = 1,
                            .high_freq_factor = 4};
  write_tiny_model(folder / "tiny", {.max_position_embeddings = 131072, .rope_scaling = scaling});
  convert(Checkpoint::open(folder / "tiny"), folder / "x.gguf", {.file_type = "F16"});
  EXPECT_EQ(Checkpoint::open(folder / "x.gguf").config().rope_scaling, scaling);
  convert(folder / "x.gguf", folder / "y.gguf", {.file_type = "F16"});
  EXPECT_EQ(Checkpoint::open(folder / "y.gguf").config().rope_scaling, scaling);
}

TEST(GgufExport, WhatAFileCannotSayIsRefusedOrNamed) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "window", {.model_type = "mistral", .sliding_window = 64});
  const auto plan = plan_gguf_export(Checkpoint::open(folder / "window"), {.file_type = "F16"});
  EXPECT_THAT(plan.lost, testing::Contains(HasSubstr("sliding window of 64")));

  const RopeScaling yarn{.rope_type = "yarn", .factor = 4, .original_max_position_embeddings = 128};
  write_tiny_model(folder / "yarn", {.rope_scaling = yarn});
  EXPECT_THROW(plan_gguf_export(Checkpoint::open(folder / "yarn"), {.file_type = "F16"}), Error);

  write_tiny_model(folder / "large");
  const auto source = Checkpoint::open(folder / "large");
  FolderExport large(folder / "too_large", source.config(), "float32", ExistingFolder::kRefuse);
  for (const TensorRecord& record : source.tensors()) {
    large.write(record.name, record.shape.size() == 2 ? source.tensor(record.name) * 1e6
                                                      : source.tensor(record.name));
  }
  large.commit(tiny_tokenizer_json(), tiny_tokenizer_config(), {});
  try {
    convert(Checkpoint::open(folder / "too_large"), folder / "x.gguf", {.file_type = "F16"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr("cannot be stored as F16"));
  }
  EXPECT_FALSE(fs::exists(folder / "x.gguf"));
}

TEST(GgufExport, SizeLabels) {
  EXPECT_EQ(size_label(134'515'008), "135M");
  EXPECT_EQ(size_label(7'241'732'096), "7.2B");
  EXPECT_EQ(size_label(70'553'706'496), "71B");
  EXPECT_EQ(size_label(136'000), "136K");
}

TEST(DenseExport, HalvesAreRoundedAndCounted) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "tiny");
  const auto source = Checkpoint::open(folder / "tiny");
  EXPECT_EQ(export_dense(source, folder / "same", {}).changed, 0);
  const auto loss = export_dense(source, folder / "half", {.dtype = "bfloat16"});
  const auto half = Checkpoint::open(folder / "half");
  int64_t changed = 0;
  for (const TensorRecord& record : source.tensors()) {
    const auto original = source.tensor(record.name);
    const auto expected = original.to(at::kBFloat16).to(at::kFloat);
    EXPECT_TRUE(at::equal(half.tensor(record.name), expected)) << record.name;
    changed += (expected != original).sum().item<int64_t>();
  }
  EXPECT_EQ(loss.changed, changed);
  EXPECT_EQ(half.provenance()["converted_from"]["weights_sha256"], source.weights_hash());
}

// SmolLM2 has rows of 576, which K types do not fit, and of 1536.
TEST(GgufExport, TheRealModelKeepsWhatItsTypesKeep) {
  const auto path = cache_folder() / catalogue_models()[0].file;
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto folder = fresh_folder();
  const auto source = Checkpoint::open(path);
  convert(path, folder / "x.gguf", {.file_type = "Q4_K_M"});
  const auto back = Checkpoint::open(folder / "x.gguf");
  std::set<std::string> types;
  for (const TensorRecord& record : back.tensors()) {
    types.insert(record.stored_dtype);
    const auto expected =
        stored_as(source.tensor(record.name), *block_format_by_name(record.stored_dtype));
    EXPECT_TRUE(at::equal(back.tensor(record.name), expected)) << record.name;
  }
  EXPECT_EQ(types, (std::set<std::string>{"F32", "Q5_0", "Q8_0", "Q4_K", "Q6_K"}));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace assay
