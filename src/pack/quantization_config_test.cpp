#include "pack/quantization_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

using testing::HasSubstr;

QuantizationConfig config_of(const std::string& json) {
  return quantization_config(parse_json(json, "test"));
}

std::string error_of(const std::string& json) {
  try {
    config_of(json);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

template <class Layout>
Layout get(const std::string& json, std::string_view module = "model.layers.0.mlp.up_proj") {
  const auto layout = layout_of(config_of(json), module);
  if (!layout) throw Error(ErrorKind::kInternal, "not packed");
  return std::get<Layout>(*layout);
}

bool is_packed(const std::string& json, std::string_view module) {
  return layout_of(config_of(json), module).has_value();
}

TEST(QuantizationConfig, ReadsGptqInItsVersionsAndSpellings) {
  const auto v1 = get<GptqLayout>(R"({"quant_method": "gptq", "bits": 3, "group_size": -1})");
  EXPECT_EQ(v1.bits, 3);
  EXPECT_EQ(v1.group_size, -1);
  EXPECT_EQ(v1.stored_zero, StoredZero::kMinusOne);
  const auto v2 = get<GptqLayout>(
      R"({"quant_method": "gptq", "w_bit": 8, "q_group_size": 64, "checkpoint_format": "gptq_v2"})");
  EXPECT_EQ(v2.bits, 8);
  EXPECT_EQ(v2.group_size, 64);
  EXPECT_EQ(v2.stored_zero, StoredZero::kPlain);
  const auto wrapping = get<GptqLayout>(R"({"quant_method": "gptq", "assay_zero_wraps": true})");
  EXPECT_EQ(wrapping.stored_zero, StoredZero::kMinusOneWrapping);
  EXPECT_EQ(
      get<MarlinLayout>(R"({"quant_method": "gptq", "checkpoint_format": "marlin"})").group_size,
      128);
}

TEST(QuantizationConfig, LeavesTheHeadUnlessTold) {
  EXPECT_FALSE(is_packed(R"({"quant_method": "gptq"})", "lm_head"));
  EXPECT_TRUE(is_packed(R"({"quant_method": "gptq", "lm_head": true})", "lm_head"));
}

TEST(QuantizationConfig, HonoursOverridesByModule) {
  const std::string dynamic = R"({"quant_method": "gptq", "bits": 4, "dynamic": {
      ".*\\.0\\..*down.*": {"bits": 8, "group_size": 32}, "-:.*gate.*": {}}})";
  EXPECT_EQ(get<GptqLayout>(dynamic).bits, 4);
  EXPECT_EQ(get<GptqLayout>(dynamic, "model.layers.0.mlp.down_proj").bits, 8);
  EXPECT_EQ(get<GptqLayout>(dynamic, "model.layers.0.mlp.down_proj").group_size, 32);
  EXPECT_EQ(get<GptqLayout>(dynamic, "model.layers.1.mlp.down_proj").bits, 4);
  EXPECT_FALSE(is_packed(dynamic, "model.layers.0.mlp.gate_proj"));
  const std::string listed = R"({"quant_method": "gptq",
      "modules_in_block_to_quantize": [["self_attn.q_proj"], ["mlp.up_proj"]]})";
  EXPECT_TRUE(is_packed(listed, "model.layers.3.self_attn.q_proj"));
  EXPECT_FALSE(is_packed(listed, "model.layers.3.self_attn.k_proj"));
  const std::string awq = R"({"quant_method": "awq", "version": "GEMM",
      "modules_to_not_convert": ["gate", "model.layers.1"]})";
  EXPECT_FALSE(is_packed(awq, "model.layers.0.block_sparse_moe.gate"));
  EXPECT_TRUE(is_packed(awq, "model.layers.0.mlp.gate_proj"));
  EXPECT_FALSE(is_packed(awq, "model.layers.1.mlp.gate_proj"));
  EXPECT_TRUE(is_packed(awq, "model.layers.11.mlp.gate_proj"));
}

TEST(QuantizationConfig, ReadsCompressedTensors) {
  const std::string groups = R"({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "quantization_status": "compressed", "ignore": ["lm_head", "re:.*k_proj"],
      "config_groups": {
        "group_0": {"targets": ["Linear"], "input_activations": null,
          "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group",
                      "group_size": 64, "dynamic": false, "actorder": null}},
        "group_1": {"targets": ["re:.*down_proj"], "format": "float-quantized",
          "input_activations": {"num_bits": 8, "type": "float", "dynamic": true},
          "weights": {"num_bits": 8, "type": "float", "strategy": "block",
                      "block_structure": [128, 128]}}}})";
  const auto four = std::get<CtInteger>(get<CompressedTensorsLayout>(groups).weights);
  EXPECT_EQ(four.bits, 4);
  EXPECT_EQ(four.block, (BlockShape{1, 64}));
  EXPECT_TRUE(four.symmetric && four.is_packed);
  const auto down = get<CompressedTensorsLayout>(groups, "model.layers.0.mlp.down_proj");
  EXPECT_EQ(std::get<Float8Layout>(down.weights).block, (BlockShape{128, 128}));
  EXPECT_FALSE(is_packed(groups, "lm_head"));
  EXPECT_FALSE(is_packed(groups, "model.layers.0.self_attn.k_proj"));
  EXPECT_EQ(config_of(groups).input_note, "8-bit float inputs");
}

TEST(QuantizationConfig, ReadsTheRest) {
  EXPECT_TRUE(get<BitsAndBytesLayout>(R"({"quant_method": "bitsandbytes", "load_in_4bit": true})")
                  .is_four_bit);
  const std::string eight = R"({"quant_method": "bitsandbytes", "load_in_8bit": true,
      "llm_int8_threshold": 5, "llm_int8_skip_modules": ["lm_head"]})";
  EXPECT_FALSE(get<BitsAndBytesLayout>(eight).is_four_bit);
  EXPECT_EQ(config_of(eight).llm_int8_threshold, 5);
  EXPECT_FALSE(is_packed(eight, "lm_head"));
  EXPECT_EQ(get<Float8Layout>(R"({"quant_method": "fp8", "weight_block_size": [128, 64]})").block,
            (BlockShape{128, 64}));
  EXPECT_EQ(get<Float8Layout>(R"({"quant_method": "fbgemm_fp8"})").block, (BlockShape{1, -1}));
  const std::string round = R"({"quant_method": "auto-round", "bits": 4, "group_size": 64,
      "packing_format": "auto_round:auto_awq", "extra_config": {"model.a": {"bits": 16}}})";
  EXPECT_EQ(get<AwqLayout>(round).group_size, 64);
  EXPECT_FALSE(is_packed(round, "model.a"));
  EXPECT_EQ(get<HqqLayout>(R"({"quant_method": "hqq", "quant_config": {
      "weight_quant_params": {"nbits": 2, "group_size": 16, "axis": 1}}})")
                .bits,
            2);
}

TEST(QuantizationConfig, NamesWhatItDoesNotKnow) {
  EXPECT_THAT(error_of(R"({"quant_method": "gtpq"})"),
              HasSubstr("unsupported quant_method 'gtpq' (did you mean 'gptq'?)"));
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "group_sise": 64})"),
              HasSubstr("unsupported key 'group_sise' (did you mean 'group_size'?)"));
  EXPECT_EQ(error_of(R"({"quant_method": "gptq", "rotation": null})"), "no error");
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "rotation": "hadamard"})"),
              HasSubstr("'rotation'"));
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "checkpoint_format": "gptq_p"})"),
              HasSubstr("unsupported checkpoint_format 'gptq_p'"));
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "bits": 5})"), HasSubstr("got 5"));
  EXPECT_THAT(error_of(R"({"quant_method": "awq", "version": "gemv_fast"})"),
              HasSubstr("'gemv_fast'"));
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "dynamic": {"(": {}}})"),
              HasSubstr("pattern '('"));
  EXPECT_THAT(error_of(R"({"quant_method": "gptq", "dynamic": {".*": {"bitz": 4}}})"),
              HasSubstr("'bitz' (did you mean 'bits'?)"));
  EXPECT_THAT(error_of(R"({"quant_method": "bitsandbytes"})"), HasSubstr("exactly one of"));
  EXPECT_THAT(
      error_of(R"({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8}})"),
      HasSubstr("'kv_cache_scheme'"));
  EXPECT_THAT(error_of(R"({"quant_method": "compressed-tensors", "quantization_status": "frozen",
      "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 4}}}})"),
              HasSubstr("quantization_status 'frozen'"));
  EXPECT_THAT(error_of("[]"), HasSubstr("must be an object"));
}

TEST(QuantizationConfig, MustAgreeWithAnotherOfTheFolder) {
  const auto agree = [](const char* a, const char* b) {
    require_agreement(parse_json(a, "a"), "config.json", parse_json(b, "b"), "quant_config.json");
  };
  EXPECT_NO_THROW(agree(R"({"bits": 4, "quant_method": "awq", "version": "gemm"})",
                        R"({"w_bit": 4, "q_group_size": 128, "version": "GEMM"})"));
  try {
    agree(R"({"group_size": 128})", R"({"q_group_size": 64})");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "two quantization configs disagree on 'group_size': 128 in config.json, "
                 "64 in quant_config.json");
  }
}

TEST(SplitPart, FindsTheModule) {
  const auto split = [](std::string_view name) {
    const auto [module, part] = split_part(name);
    return std::string(module) + "|" + std::string(part);
  };
  EXPECT_EQ(split("a.b.qweight"), "a.b|qweight");
  EXPECT_EQ(split("a.b.weight.absmax"), "a.b|weight.absmax");
  EXPECT_EQ(split("a.b.weight.quant_state.bitsandbytes__nf4"),
            "a.b|weight.quant_state.bitsandbytes__nf4");
  EXPECT_EQ(split("a.b.weight"), "a.b|weight");
  EXPECT_EQ(split("a.b.bias"), "a.b.bias|");
  EXPECT_EQ(split("weight"), "weight|");
}

}  // namespace
}  // namespace assay
