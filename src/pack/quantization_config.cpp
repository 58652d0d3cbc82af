#include "pack/quantization_config.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "pack/config_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

struct Method {
  std::string_view name;
  QuantizationConfig (*read)(const Json& config);
};
constexpr std::array kMethods{
    Method{"gptq", gptq_config},
    Method{"awq", awq_config},
    Method{"bitsandbytes", bitsandbytes_config},
    Method{"compressed-tensors", compressed_tensors_config},
    Method{"fp8", fp8_config},
    Method{"fbgemm_fp8", fbgemm_fp8_config},
    Method{"modelopt", model_opt_config},
    Method{"auto-round", auto_round_config},
    Method{"hqq", hqq_config},
};

// Keys that say what the bytes mean, each with its other spellings.
constexpr std::array kMeanings{
    std::array{"quant_method"sv, "method"sv},
    std::array{"bits"sv, "w_bit"sv},
    std::array{"group_size"sv, "q_group_size"sv},
    std::array{"checkpoint_format"sv, "format"sv},
    std::array{"zero_point"sv, ""sv},
    std::array{"version"sv, ""sv},
    std::array{"sym"sv, ""sv},
    std::array{"desc_act"sv, ""sv},
    std::array{"dynamic"sv, ""sv},
    std::array{"lm_head"sv, ""sv},
};

const Json* value_of(const Json& config, std::span<const std::string_view> names) {
  for (const auto name : names) {
    if (!name.empty() && is_set(config, name)) return &config[std::string(name)];
  }
  return nullptr;
}

// "GEMM" and "gemm" say the same.
std::string comparable(const Json& value) {
  std::string text = value.dump();
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string method_name(const Json& config) {
  if (is_set(config, "quant_method")) {
    return json_get<std::string>(config, "quant_method", "quantization_config");
  }
  // Files of their own name no method in old releases.
  if (is_set(config, "w_bit") || is_set(config, "zero_point")) return "awq";
  if (is_set(config, "desc_act")) return "gptq";
  if (is_set(config, "load_in_4bit") || is_set(config, "load_in_8bit")) return "bitsandbytes";
  fail(ErrorKind::kBadInput, "quantization_config: no 'quant_method'");
}

}  // namespace

QuantizationConfig quantization_config(const Json& config) {
  require(config.is_object(), "quantization_config must be an object, got ", config.dump());
  const auto name = method_name(config);
  const auto found = std::ranges::find(kMethods, name, &Method::name);
  std::array<std::string_view, kMethods.size()> known{};
  std::ranges::transform(kMethods, known.begin(), &Method::name);
  require(found != kMethods.end(), "quantization_config: unsupported quant_method '", name, "'",
          suggest(name, known));
  QuantizationConfig result = found->read(config);
  result.method = name;
  return result;
}

std::optional<PackedLayout> layout_of(const QuantizationConfig& config, std::string_view module) {
  for (const ModuleRule& rule : config.rules) {
    if (rule.modules.fits(module)) return rule.layout;
  }
  return std::nullopt;
}

PackedLayout settled(const PackedLayout& layout, const StoredParts& parts) {
  PackedLayout result = layout;
  if (auto* float8 = std::get_if<Float8Layout>(&result); float8 != nullptr) {
    const bool is_inverse = find_part(parts, "weight_scale_inv") != nullptr;
    float8->scale_name = is_inverse ? "weight_scale_inv" : "weight_scale";
  }
  if (auto* sparse = std::get_if<CompressedTensorsLayout>(&result);
      sparse != nullptr && find_part(parts, "compressed") == nullptr) {
    sparse->sparsity = SparseFormat::kNone;
  }
  return result;
}

void require_agreement(const Json& a, std::string_view where_a, const Json& b,
                       std::string_view where_b) {
  for (const auto& names : kMeanings) {
    const Json *of_a = value_of(a, names), *of_b = value_of(b, names);
    if (of_a == nullptr || of_b == nullptr) continue;
    require(comparable(*of_a) == comparable(*of_b), "two quantization configs disagree on '",
            names[0], "': ", of_a->dump(), " in ", where_a, ", ", of_b->dump(), " in ", where_b);
  }
}

}  // namespace assay
