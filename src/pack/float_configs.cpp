// quantization_config of bitsandbytes, of the FP8 methods, of ModelOpt and HQQ.

#include <array>

#include "base/error.h"
#include "pack/config_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Kind = ModulePattern::Kind;

constexpr std::string_view kWhere = "quantization_config";

constexpr std::array kBitsAndBytesKeys{"quant_method"sv,
                                       "load_in_8bit"sv,
                                       "load_in_4bit"sv,
                                       "_load_in_8bit"sv,
                                       "_load_in_4bit"sv,
                                       "llm_int8_threshold"sv,
                                       "llm_int8_skip_modules"sv,
                                       "llm_int8_has_fp16_weight"sv,
                                       "llm_int8_enable_fp32_cpu_offload"sv,
                                       "bnb_4bit_quant_type"sv,
                                       "bnb_4bit_use_double_quant"sv,
                                       "bnb_4bit_compute_dtype"sv,
                                       "bnb_4bit_quant_storage"sv};
constexpr std::array kFp8Keys{"quant_method"sv,
                              "fmt"sv,
                              "weight_block_size"sv,
                              "activation_scheme"sv,
                              "modules_to_not_convert"sv,
                              "ignored_layers"sv,
                              "modules_to_convert"sv,
                              "dequantize"sv,
                              "scale_fmt"sv,
                              "expert_dtype"sv};
constexpr std::array kFbgemmKeys{"quant_method"sv, "activation_scale_ub"sv,
                                 "modules_to_not_convert"sv};
constexpr std::array kModelOptKeys{"quant_method"sv,    "quant_algo"sv, "ignore"sv,
                                   "exclude_modules"sv, "producer"sv,   "group_size"sv};
constexpr std::array kHqqKeys{"quant_method"sv, "quant_config"sv, "skip_modules"sv};
constexpr std::array kHqqWeightKeys{"nbits"sv,        "group_size"sv, "axis"sv,
                                    "channel_wise"sv, "optimize"sv,   "round_zero"sv,
                                    "view_as_float"sv};

bool flag(const Json& config, const char* key, bool fallback) {
  return is_set(config, key) ? json_get<bool>(config, key, kWhere) : fallback;
}

// [rows, columns] of a tile, one for the tensor where there is none.
BlockShape block_of(const Json& config) {
  if (!is_set(config, "weight_block_size")) return {-1, -1};
  const auto sizes = json_get<std::vector<int64_t>>(config, "weight_block_size", kWhere);
  const auto fits = [](int64_t size) { return size > 0 && size <= int64_t{1} << 20; };
  require(sizes.size() == 2 && fits(sizes[0]) && fits(sizes[1]), kWhere,
          ": weight_block_size must be two sizes, got ", config["weight_block_size"].dump());
  return {sizes[0], sizes[1]};
}

}  // namespace

QuantizationConfig bitsandbytes_config(const Json& config) {
  refuse_unknown_keys(config, kBitsAndBytesKeys, kWhere);
  const bool is_eight = flag(config, "load_in_8bit", false),
             is_four = flag(config, "load_in_4bit", false);
  require(is_eight != is_four, kWhere,
          ": exactly one of load_in_8bit and load_in_4bit must be true");
  require(!flag(config, "llm_int8_has_fp16_weight", false), kWhere,
          ": unsupported: llm_int8_has_fp16_weight (such files are not quantized)");
  QuantizationConfig result;
  add_skipped(config, {"llm_int8_skip_modules"}, result.rules);
  result.rules.push_back(every_module(BitsAndBytesLayout{is_four}));
  if (is_eight) {
    const double threshold = json_get_or<double>(config, "llm_int8_threshold", 6.0, kWhere);
    require(threshold >= 0, kWhere, ": llm_int8_threshold must not be negative, got ", threshold);
    result.llm_int8_threshold = threshold;
  }
  return result;
}

QuantizationConfig fp8_config(const Json& config) {
  refuse_unknown_keys(config, kFp8Keys, kWhere);
  const auto format = json_get_or<std::string>(config, "fmt", "e4m3", kWhere);
  require(format == "e4m3" || format == "e5m2", kWhere, ": unsupported fmt '", format,
          "' (known: e4m3, e5m2)");
  const auto scale_format = json_get_or<std::string>(config, "scale_fmt", "float", kWhere);
  require(scale_format == "float", kWhere, ": unsupported scale_fmt '", scale_format,
          "' (only float)");
  require(!is_set(config, "modules_to_convert"), kWhere, ": unsupported: 'modules_to_convert'");
  QuantizationConfig result;
  add_skipped(config, {"modules_to_not_convert", "ignored_layers"}, result.rules);
  result.rules.push_back(every_module(Float8Layout{.scale_name = "", .block = block_of(config)}));
  result.input_note = "8-bit float inputs";
  return result;
}

QuantizationConfig fbgemm_fp8_config(const Json& config) {
  refuse_unknown_keys(config, kFbgemmKeys, kWhere);
  QuantizationConfig result;
  add_skipped(config, {"modules_to_not_convert"}, result.rules);
  result.rules.push_back(every_module(Float8Layout{.scale_name = "", .block = {1, -1}}));
  result.input_note = "8-bit float inputs";
  return result;
}

QuantizationConfig model_opt_config(const Json& config) {
  refuse_unknown_keys(config, kModelOptKeys, kWhere);
  const auto algorithm = json_get<std::string>(config, "quant_algo", kWhere);
  constexpr std::array kAlgorithms{"FP8"sv, "NVFP4"sv};
  require(algorithm == "FP8" || algorithm == "NVFP4", kWhere, ": unsupported quant_algo '",
          algorithm, "'", suggest(algorithm, kAlgorithms));
  QuantizationConfig result;
  add_skipped(config, {"ignore", "exclude_modules"}, result.rules);
  if (algorithm == "FP8") {
    result.rules.push_back(every_module(Float8Layout{.scale_name = "", .block = {-1, -1}}));
    result.input_note = "8-bit float inputs";
  } else {
    result.rules.push_back(every_module(CompressedTensorsLayout{
        .weights = Float4Kind::kNvfp4ModelOpt, .sparsity = SparseFormat::kNone}));
    result.input_note = "4-bit float inputs";
  }
  return result;
}

QuantizationConfig hqq_config(const Json& config) {
  refuse_unknown_keys(config, kHqqKeys, kWhere);
  const auto& settings = config.contains("quant_config") ? config["quant_config"] : config;
  const auto read = [&](const Json& json) {
    require(json.is_object() && is_set(json, "weight_quant_params"), kWhere,
            ": no 'weight_quant_params' (settings by module, dynamic_config, are not read)");
    constexpr std::array kKnown{"weight_quant_params"sv, "offload_meta"sv};
    refuse_unknown_keys(json, kKnown, "quant_config");
    const Json& weights = json["weight_quant_params"];
    refuse_unknown_keys(weights, kHqqWeightKeys, "weight_quant_params");
    const int64_t bits = integer_of(weights, {"nbits"}, 4);
    require(bits == 1 || bits == 2 || bits == 4 || bits == 8, kWhere,
            ": nbits must be 1, 2, 4 or 8, got ", bits);
    require(integer_of(weights, {"axis"}, 1) == 1, kWhere, ": unsupported axis ",
            integer_of(weights, {"axis"}, 1), " (only 1)");
    require(!flag(weights, "view_as_float", false), kWhere, ": unsupported: view_as_float");
    return HqqLayout{bits, group_size_of(weights, -1)};
  };
  QuantizationConfig result;
  add_skipped(config, {"skip_modules"}, result.rules);
  result.rules.push_back(every_module(read(settings)));
  return result;
}

}  // namespace assay
