// quantization_config of GPTQ, AWQ and AutoRound, which share keys and, as AutoRound stores them,
// layouts.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "pack/config_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Kind = ModulePattern::Kind;

constexpr std::string_view kWhere = "quantization_config";

// Of how the weights were found, and of programs that read them: nothing about the bytes.
constexpr std::array kGptqKeys{
    "quant_method"sv, "method"sv, "bits"sv, "w_bit"sv, "group_size"sv, "q_group_size"sv, "sym"sv,
    "desc_act"sv, "checkpoint_format"sv, "format"sv, "lm_head"sv, "dynamic"sv, "pack_dtype"sv,
    "is_marlin_format"sv, "modules_in_block_to_quantize"sv, "modules_to_not_convert"sv,
    "zero_point"sv, "version"sv, "assay_zero_wraps"sv,
    // no meaning for the bytes:
    "act_group_aware"sv, "backend"sv, "batch_size"sv, "block_name_to_quantize"sv,
    "cache_block_outputs"sv, "damp_auto_increment"sv, "damp_percent"sv, "dataset"sv,
    "disable_exllama"sv, "do_fuse"sv, "exllama_config"sv, "fuse_max_seq_len"sv,
    "max_input_length"sv, "meta"sv, "model_file_base_name"sv, "model_name_or_path"sv,
    "model_seqlen"sv, "module_name_preceding_first_block"sv, "modules_to_fuse"sv, "mse"sv,
    "pad_token_id"sv, "static_groups"sv, "tokenizer"sv, "true_sequential"sv, "use_cuda_fp16"sv,
    "use_exllama"sv};

constexpr std::array kAutoRoundKeys{
    "quant_method"sv, "bits"sv, "group_size"sv, "sym"sv, "packing_format"sv, "data_type"sv,
    "extra_config"sv, "block_name_to_quantize"sv, "to_quant_block_names"sv, "act_bits"sv,
    // no meaning for the bytes:
    "act_data_type"sv, "act_dynamic"sv, "act_group_size"sv, "act_sym"sv, "amp"sv,
    "autoround_version"sv, "backend"sv, "batch_size"sv, "dataset"sv, "desc_act"sv,
    "enable_minmax_tuning"sv, "enable_norm_bias_tuning"sv, "enable_quanted_input"sv,
    "gradient_accumulate_steps"sv, "iters"sv, "low_gpu_mem_usage"sv, "lr"sv, "minmax_lr"sv,
    "nsamples"sv, "quant_block_list"sv, "scale_dtype"sv, "seqlen"sv, "super_bits"sv,
    "super_group_size"sv, "true_sequential"sv, "damp_percent"sv};

bool flag(const Json& config, const char* key, bool fallback) {
  return is_set(config, key) ? json_get<bool>(config, key, kWhere) : fallback;
}

std::string word(const Json& config, std::initializer_list<const char*> keys,
                 std::string fallback) {
  for (const char* key : keys) {
    if (!is_set(config, key)) continue;
    auto text = json_get<std::string>(config, key, kWhere);
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  }
  return fallback;
}

void require_int32(const Json& config) {
  const auto type = word(config, {"pack_dtype"}, "int32");
  require(type == "int32", kWhere, ": unsupported pack_dtype '", type, "' (only int32)");
}

int64_t gptq_bits(const Json& config, int64_t fallback) {
  const int64_t bits = integer_of(config, {"bits", "w_bit"}, fallback);
  require(bits == 2 || bits == 3 || bits == 4 || bits == 8, kWhere,
          ": bits must be 2, 3, 4 or 8, got ", bits);
  return bits;
}

PackedLayout gptq_layout(const Json& config) {
  const auto format = flag(config, "is_marlin_format", false)
                          ? "marlin"
                          : word(config, {"checkpoint_format", "format"}, "gptq");
  const int64_t group_size = group_size_of(config, 128);
  if (format == "marlin") {
    require(gptq_bits(config, 4) == 4, kWhere, ": marlin files hold 4 bits");
    return MarlinLayout{group_size};
  }
  constexpr std::array kFormats{"gptq"sv, "gptq_v2"sv, "marlin"sv};
  require(std::ranges::find(kFormats, format) != kFormats.end(), kWhere,
          ": unsupported checkpoint_format '", format, "'", suggest(format, kFormats));
  const auto zeros = format == "gptq_v2"                       ? StoredZero::kPlain
                     : flag(config, "assay_zero_wraps", false) ? StoredZero::kMinusOneWrapping
                                                               : StoredZero::kMinusOne;
  return GptqLayout{gptq_bits(config, 4), group_size, zeros};
}

PackedLayout awq_layout(const Json& config) {
  const int64_t bits = integer_of(config, {"bits", "w_bit"}, 4);
  require(bits == 4, kWhere, ": AWQ files hold 4 bits, got bits ", bits);
  require(flag(config, "zero_point", true), kWhere,
          ": unsupported: zero_point false (AutoAWQ writes zero points)");
  const auto version = word(config, {"version", "checkpoint_format", "format"}, "gemm");
  constexpr std::array kVersions{"gemm"sv, "gemv"sv, "exllama"sv};
  require(std::ranges::find(kVersions, version) != kVersions.end(), kWhere,
          ": unsupported AWQ version '", version, "'", suggest(version, kVersions));
  return AwqLayout{group_size_of(config, 128),
                   version == "gemv" ? AwqVersion::kGemv : AwqVersion::kGemm};
}

// `dynamic` of GPTQModel: regex -> other settings, or "-:regex" = not quantized.
void add_dynamic(const Json& config, PackedLayout (*layout_from)(const Json&),
                 std::vector<ModuleRule>& rules) {
  if (!is_set(config, "dynamic")) return;
  require(config["dynamic"].is_object(), kWhere, ": 'dynamic' must be an object");
  for (const auto& [key, changes] : config["dynamic"].items()) {
    const bool is_skip = key.starts_with("-:"), has_sign = is_skip || key.starts_with("+:");
    const auto pattern = has_sign ? key.substr(2) : key;
    if (is_skip) {
      rules.push_back(left_alone(Kind::kRegex, pattern));
      continue;
    }
    const auto where = std::string(kWhere) + ": dynamic '" + key + "'";
    refuse_unknown_keys(changes, kGptqKeys, where);
    Json merged = config;
    merged.erase("dynamic");
    merged.update(changes);
    rules.push_back(in_context(where, [&] {
      return ModuleRule{ModulePattern(Kind::kRegex, pattern), layout_from(merged)};
    }));
  }
}

// Only these linears of a block: [["self_attn.q_proj"], ...] or one list.
void add_listed(const Json& config, const PackedLayout& layout, std::vector<ModuleRule>& rules) {
  if (!is_set(config, "modules_in_block_to_quantize")) {
    rules.push_back(every_module(layout));
    return;
  }
  const Json& lists = config["modules_in_block_to_quantize"];
  const auto add = [&](const Json& name) {
    require(name.is_string(), kWhere, ": 'modules_in_block_to_quantize' must hold names");
    rules.push_back({ModulePattern(Kind::kSuffix, name.get<std::string>()), layout});
  };
  require(lists.is_array(), kWhere, ": 'modules_in_block_to_quantize' must be a list");
  for (const Json& entry : lists) {
    if (!entry.is_array()) {
      add(entry);
      continue;
    }
    for (const Json& name : entry) add(name);
  }
}

}  // namespace

QuantizationConfig gptq_config(const Json& config) {
  refuse_unknown_keys(config, kGptqKeys, kWhere);
  require_int32(config);
  const PackedLayout layout = gptq_layout(config);
  QuantizationConfig result;
  add_dynamic(config, gptq_layout, result.rules);
  add_skipped(config, {"modules_to_not_convert"}, result.rules);
  if (flag(config, "lm_head", false)) {
    result.rules.push_back({ModulePattern(Kind::kSuffix, "lm_head"), layout});
  } else {
    result.rules.push_back(left_alone(Kind::kSuffix, "lm_head"));
  }
  add_listed(config, layout, result.rules);
  return result;
}

QuantizationConfig awq_config(const Json& config) {
  refuse_unknown_keys(config, kGptqKeys, kWhere);
  require_int32(config);
  QuantizationConfig result;
  add_dynamic(config, awq_layout, result.rules);
  add_skipped(config, {"modules_to_not_convert"}, result.rules);
  result.rules.push_back(every_module(awq_layout(config)));
  return result;
}

QuantizationConfig auto_round_config(const Json& config) {
  refuse_unknown_keys(config, kAutoRoundKeys, kWhere);
  const auto type = word(config, {"data_type"}, "int");
  require(type == "int", kWhere, ": unsupported data_type '", type, "' (only int)");
  require(integer_of(config, {"act_bits"}, 16) == 16, kWhere, ": unsupported: act_bits below 16");
  const auto format = word(config, {"packing_format"}, "auto_round:auto_gptq");
  constexpr std::array kFormats{"auto_round:auto_gptq"sv, "auto_round:gptq"sv,
                                "auto_round:auto_awq"sv, "auto_round:awq"sv};
  require(std::ranges::find(kFormats, format) != kFormats.end(), kWhere,
          ": unsupported packing_format '", format, "'", suggest(format, kFormats));
  const bool is_awq = format.ends_with("awq");
  const auto layout_from = [&](const Json& settings) -> PackedLayout {
    return is_awq ? awq_layout(settings) : gptq_layout(settings);
  };
  QuantizationConfig result;
  if (is_set(config, "extra_config")) {
    require(config["extra_config"].is_object(), kWhere, ": 'extra_config' must be an object");
    for (const auto& [module, changes] : config["extra_config"].items()) {
      const auto where = std::string(kWhere) + ": extra_config '" + module + "'";
      refuse_unknown_keys(changes, kAutoRoundKeys, where);
      if (integer_of(changes, {"bits"}, 4) >= 16) {
        result.rules.push_back(left_alone(Kind::kName, module));
        continue;
      }
      Json merged = config;
      merged.update(changes);
      result.rules.push_back({ModulePattern(Kind::kName, module),
                              in_context(where, [&] { return layout_from(merged); })});
    }
  }
  result.rules.push_back(left_alone(Kind::kSuffix, "lm_head"));
  result.rules.push_back(every_module(layout_from(config)));
  return result;
}

}  // namespace assay
