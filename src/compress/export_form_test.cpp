#include "compress/export_form.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "compress/pipeline.h"
#include "model/checkpoint.h"
#include "model/tensor_names.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Case {
  std::string format;
  Json settings;
  std::string type;  // of the linears in the folder
};

class ExportForms : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        new fs::path(fs::temp_directory_path() / ("assay_export_" + std::to_string(::getpid())));
    write_tiny_model(*folder_ / "dense");
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder_);
    delete folder_;
  }

  static fs::path* folder_;
};
fs::path* ExportForms::folder_ = nullptr;

// What blocks behind were compressed on and what the report counts is what the folder holds.
TEST_P(ExportForms, WriteWhatReadsBack) {
  const auto& [format, settings, type] = GetParam();
  const auto dense = Checkpoint::open(*folder_ / "dense");
  const MethodConfig method = method_config(settings);
  const auto target = *folder_ / "packed";
  CalibrationSet calibration;
  calibration.sequences = {{5, 6, 7, 8, 9, 40, 41}, {9, 10, 100, 200}, {11, 12, 13, 250, 3}};
  CompressOptions options{.save_dtype = "float32"};
  std::map<std::string, at::Tensor> expected;
  {
    PackedExport folder(target, dense.config(),
                        export_form(format, method, dense.config(), options.save_dtype),
                        ExistingFolder::kReplace);
    options.pack = [&](const std::string& name, const at::Tensor& weight,
                       const LinearCodes& codes) { return folder.pack(name, weight, codes); };
    const auto write = [&](const std::string& name, const at::Tensor& tensor) {
      expected[name] = tensor.clone();
      folder.write(name, tensor);
    };
    const auto report =
        compress(dense, method, method_of(method).needs.calibration() ? &calibration : nullptr,
                 write, options);
    EXPECT_LT(report.weight_error(), format.starts_with("compressed") ? 1 : 0.2);
    folder.commit(tiny_tokenizer_json(), tiny_tokenizer_config(),
                  compression_provenance(dense, method, nullptr, options, report));
  }
  const auto packed = Checkpoint::open(target);
  for (const auto& record : packed.tensors()) {
    EXPECT_TRUE(at::equal(packed.tensor(record.name), expected.at(record.name))) << record.name;
    if (is_block_linear(record.name)) {
      EXPECT_EQ(record.stored_dtype, type);
    }
  }
  EXPECT_THAT(packed.description(), HasSubstr(type));
}

const Json kRtn{{"method", "rtn"}, {"bits", 4}, {"group_size", 32}};

Json with(Json settings, const Json& more) {
  settings.update(more);
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    All, ExportForms,
    testing::Values(
        Case{"gptq", with(kRtn, {{"sym", true}}), "GPTQ-4bit-g32"},
        Case{"gptq_v2", with(kRtn, {{"bits", 3}}), "GPTQ-3bit-g32-v2"},
        Case{"gptq_v2",
             {{"method", "gptq"}, {"bits", 4}, {"group_size", 32}, {"desc_act", true}},
             "GPTQ-4bit-g32-v2"},
        Case{"awq", kRtn, "AWQ-4bit-g32"},
        Case{"awq_gemv", {{"method", "awq"}, {"group_size", 32}}, "AWQ-4bit-g32-gemv"},
        Case{"bnb", {{"method", "nf4"}, {"double_quant", true}}, "BNB-NF4-nested"},
        Case{"bnb", {{"method", "fp4"}}, "BNB-FP4"},
        Case{"bnb", {{"method", "llm_int8"}}, "BNB-INT8"},
        Case{"compressed-tensors", with(kRtn, {{"bits", 5}}), "CT-5bit-g32-asym"},
        Case{"compressed-tensors", with(kRtn, {{"group_size", -1}, {"sym", true}}), "CT-4bit-row"},
        Case{"compressed-tensors", {{"method", "llm_int8"}}, "CT-8bit-row"},
        Case{"compressed-tensors", {{"method", "smoothquant"}}, "CT-8bit-row"},
        Case{"compressed-tensors",
             {{"method", "magnitude"}, {"pattern", "2:4"}},
             "CT-F32-24bitmask"},
        Case{"compressed-tensors", {{"method", "magnitude"}, {"sparsity", 0.3}}, "CT-F32-bitmask"},
        Case{"fp8", {{"method", "dense"}}, "FP8-E4M3-128x128"},
        Case{"fp8_channel", {{"method", "dense"}}, "CT-FP8-row"},
        Case{"fp8_tensor", {{"method", "dense"}}, "CT-FP8-tensor"}));

// LLM.int8() leaves inputs of large columns alone; a file that announced 8-bit inputs would have
// other software round those too.
TEST(ExportForm, AnnouncesRoundedInputsOfSmoothQuantAlone) {
  const auto inputs = [](const char* method) {
    const auto form = export_form("compressed-tensors", method_config({{"method", method}}),
                                  tiny_config(), "float16");
    return form.quantization_config["config_groups"]["group_0"]["input_activations"];
  };
  EXPECT_TRUE(inputs("llm_int8").is_null());
  EXPECT_EQ(inputs("smoothquant")["strategy"], "token");
}

TEST(ExportForm, RefusesBeforeAnyWork) {
  const ModelConfig model = tiny_config();
  const auto refusal = [&](const std::string& format, const Json& settings) -> std::string {
    try {
      export_form(format, method_config(settings), model, "float16");
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal("gtpq", kRtn), HasSubstr("no export format 'gtpq' (did you mean 'gptq'?)"));
  EXPECT_THAT(refusal("gptq", kRtn), HasSubstr("zero points that may be 0 (--sym, or"));
  EXPECT_THAT(refusal("awq", with(kRtn, {{"bits", 3}})), HasSubstr("AWQ files hold 4 bits, not 3"));
  EXPECT_THAT(refusal("gptq_v2", with(kRtn, {{"bits", 6}})), HasSubstr("2, 3, 4 or 8 bits, not 6"));
  EXPECT_THAT(refusal("gptq_v2", with(kRtn, {{"group_size", 48}})),
              HasSubstr("'model.layers.0.self_attn.q_proj.weight': groups of 48 do not divide"));
  EXPECT_THAT(refusal("awq", {{"method", "gptq"}, {"group_size", 32}, {"desc_act", true}}),
              HasSubstr("groups of scattered inputs"));
  EXPECT_THAT(refusal("gptq", {{"method", "wanda"}}),
              HasSubstr("cannot hold what method wanda makes"));
  EXPECT_THAT(refusal("fp8", kRtn), HasSubstr("it rounds a model as it is (--method dense)"));
  EXPECT_THAT(refusal("compressed-tensors", {{"method", "dense"}}),
              HasSubstr("method dense makes"));
  EXPECT_THAT(refusal("compressed-tensors", {{"method", "hqq"}}), HasSubstr("method hqq makes"));
  EXPECT_THAT(refusal("bnb", {{"method", "nf4"}, {"block_size", 128}}), HasSubstr("blocks of 128"));
  EXPECT_THAT(refusal("gptq_v2", {{"method", "rtn"},
                                  {"group_size", 32},
                                  {"bits", {{"default", 4}, {"layers.0.*", 8}}}}),
              HasSubstr("bits that differ between linears"));
}

}  // namespace
}  // namespace assay
