// quantization_config of compressed-tensors.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "pack/config_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Kind = ModulePattern::Kind;

constexpr std::string_view kWhere = "quantization_config";

constexpr std::array kKeys{"quant_method"sv,
                           "version"sv,
                           "format"sv,
                           "quantization_status"sv,
                           "config_groups"sv,
                           "ignore"sv,
                           "kv_cache_scheme"sv,
                           "global_compression_ratio"sv,
                           "sparsity_config"sv,
                           "transform_config"sv,
                           "run_compressed"sv,
                           "dequantize"sv,
                           "use_optimized_inference"sv};
constexpr std::array kGroupKeys{"targets"sv, "format"sv, "weights"sv, "input_activations"sv,
                                "output_activations"sv};
constexpr std::array kWeightKeys{"num_bits"sv,        "type"sv,        "symmetric"sv,
                                 "strategy"sv,        "group_size"sv,  "block_structure"sv,
                                 "dynamic"sv,         "actorder"sv,    "observer"sv,
                                 "observer_kwargs"sv, "scale_dtype"sv, "zp_dtype"sv};
constexpr std::array kSparsityKeys{"format"sv, "targets"sv, "ignore"sv, "global_sparsity"sv,
                                   "sparsity_structure"sv};
constexpr std::array kFormats{
    "pack-quantized"sv,       "int-quantized"sv,        "float-quantized"sv, "naive-quantized"sv,
    "nvfp4-pack-quantized"sv, "mxfp4-pack-quantized"sv, "marlin-24"sv};

std::string word(const Json& object, const char* key, const char* fallback) {
  return is_set(object, key) ? json_get<std::string>(object, key, kWhere) : fallback;
}

bool is_empty(const Json& object, const char* key) {
  return !is_set(object, key) || object[key].empty();
}

// [rows, columns], written as a list or as "128x128".
BlockShape tile_of(const Json& weights) {
  const auto sizes = json_get<std::vector<int64_t>>(weights, "block_structure", kWhere);
  const auto fits = [](int64_t size) { return size > 0 && size <= int64_t{1} << 20; };
  require(sizes.size() == 2 && fits(sizes[0]) && fits(sizes[1]), kWhere,
          ": block_structure must be two sizes, got ", weights["block_structure"].dump());
  return {sizes[0], sizes[1]};
}

BlockShape block_of(const Json& weights) {
  const bool has_groups = is_set(weights, "group_size") && weights["group_size"] != -1;
  const auto strategy = word(weights, "strategy", has_groups ? "group" : "tensor");
  if (strategy == "tensor") return {-1, -1};
  if (strategy == "channel") return {1, -1};
  if (strategy == "block") return tile_of(weights);
  constexpr std::array kStrategies{"tensor"sv, "channel"sv, "group"sv, "block"sv, "tensor_group"sv};
  require(strategy == "group" || strategy == "tensor_group", kWhere, ": unsupported strategy '",
          strategy, "'", suggest(strategy, kStrategies));
  require(has_groups, kWhere, ": strategy ", strategy, " without a group_size");
  return {1, group_size_of(weights, -1)};
}

CompressedTensorsLayout layout_from(const Json& weights, const std::string& format) {
  refuse_unknown_keys(weights, kWeightKeys, "weights");
  const auto type = word(weights, "type", "int");
  const int64_t bits = integer_of(weights, {"num_bits"}, 8);
  require(type == "int" || type == "float", kWhere, ": unsupported type '", type, "'");
  require(!is_set(weights, "dynamic") || weights["dynamic"] == false, kWhere,
          ": weights with 'dynamic' scales have none in the file");
  require(std::ranges::find(kFormats, format) != kFormats.end(), kWhere, ": unsupported format '",
          format, "'", suggest(format, kFormats));
  const BlockShape block = block_of(weights);
  const auto refuse = [&](std::string_view wanted) {
    fail(ErrorKind::kBadInput, kWhere, ": format ", format, " needs ", wanted, ", got ", bits,
         " bits of type ", type);
  };
  if (format == "nvfp4-pack-quantized" || format == "mxfp4-pack-quantized") {
    if (type != "float" || bits != 4) refuse("floats of 4 bits");
    return {format == "nvfp4-pack-quantized" ? Float4Kind::kNvfp4 : Float4Kind::kMxfp4, {}};
  }
  if (type == "float") {
    if (bits != 8 || (format != "float-quantized" && format != "naive-quantized")) {
      refuse("integers");
    }
    return {Float8Layout{"weight_scale", block}, {}};
  }
  if (bits < 1 || bits > 8 || format == "float-quantized") refuse("integers of 1 to 8 bits");
  const bool symmetric =
      !is_set(weights, "symmetric") || json_get<bool>(weights, "symmetric", kWhere);
  if (format == "marlin-24") {
    if ((bits != 4 && bits != 8) || !symmetric) refuse("symmetric integers of 4 or 8 bits");
    return {Marlin24Layout{bits, block.cols}, {}};
  }
  return {CtInteger{bits, block, symmetric, format == "pack-quantized"}, {}};
}

// "re:..." is a regex, "Linear" every linear, else the name of a module.
ModulePattern target_pattern(const std::string& target) {
  if (target == "Linear") return {Kind::kAny, ""};
  if (target.starts_with("re:")) return {Kind::kRegex, target.substr(3)};
  return {Kind::kName, target};
}

// Names before regexes before classes, as compressed-tensors looks them up.
int rank_of(const std::string& target) {
  return target == "Linear" ? 2 : target.starts_with("re:") ? 1 : 0;
}

SparseFormat sparsity_of(const Json& config) {
  if (is_empty(config, "sparsity_config")) return SparseFormat::kNone;
  const Json& sparsity = config["sparsity_config"];
  refuse_unknown_keys(sparsity, kSparsityKeys, "sparsity_config");
  const auto format = word(sparsity, "format", "dense");
  if (format == "dense") return SparseFormat::kNone;
  if (format == "sparse-24-bitmask") return SparseFormat::k24Bitmask;
  constexpr std::array kKnown{"dense"sv, "sparse-bitmask"sv, "sparse-24-bitmask"sv};
  require(format == "sparse-bitmask", "sparsity_config: unsupported format '", format, "'",
          suggest(format, kKnown));
  return SparseFormat::kBitmask;
}

// "8-bit int inputs"
std::string input_note(const Json& activations) {
  return std::to_string(integer_of(activations, {"num_bits"}, 8)) + "-bit " +
         word(activations, "type", "int") + " inputs";
}

}  // namespace

QuantizationConfig compressed_tensors_config(const Json& config) {
  refuse_unknown_keys(config, kKeys, kWhere);
  require(is_empty(config, "kv_cache_scheme"), kWhere, ": unsupported: 'kv_cache_scheme'");
  require(is_empty(config, "transform_config"), kWhere, ": unsupported: 'transform_config'");
  QuantizationConfig result;
  if (!is_empty(config, "ignore")) {
    for (const auto& name : json_get<std::vector<std::string>>(config, "ignore", kWhere)) {
      result.rules.push_back({target_pattern(name), std::nullopt});
    }
  }
  const SparseFormat sparsity = sparsity_of(config);
  std::vector<std::pair<int, ModuleRule>> ranked;
  const Json groups = is_empty(config, "config_groups") ? Json::object() : config["config_groups"];
  require(groups.is_object(), kWhere, ": 'config_groups' must be an object");
  if (!groups.empty()) {
    const auto status = word(config, "quantization_status", "compressed");
    require(status == "compressed", kWhere, ": quantization_status '", status,
            "' (only compressed weights are packed)");
  }
  for (const auto& [name, group] : groups.items()) {
    in_context("config_groups: " + name, [&, &group = group, &name = name] {
      refuse_unknown_keys(group, kGroupKeys, name);
      require(is_empty(group, "output_activations"), "unsupported: 'output_activations'");
      if (is_set(group, "input_activations"))
        result.input_note = input_note(group["input_activations"]);
      if (is_empty(group, "weights")) return;
      auto layout =
          layout_from(group["weights"], word(group, "format", word(config, "format", "").c_str()));
      layout.sparsity = sparsity;
      for (const auto& target : json_get<std::vector<std::string>>(group, "targets", name)) {
        ranked.push_back({rank_of(target), {target_pattern(target), layout}});
      }
    });
  }
  std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });
  for (auto& entry : ranked) result.rules.push_back(std::move(entry.second));
  if (groups.empty() && sparsity != SparseFormat::kNone) {
    result.rules.push_back(every_module(CompressedTensorsLayout{CtDense{}, sparsity}));
  }
  return result;
}

}  // namespace assay
