#include "model/quantized_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "model/packed_tensor.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

// Parts that only packed linears have; "weight" and "scale" alone say nothing.
constexpr std::array kMarks{"qweight"sv, "B"sv,          "SCB"sv,          "weight_packed"sv,
                            "W_q"sv,     "compressed"sv, "weight_scale"sv, "weight_scale_inv"sv};

bool is_packed(const StoredParts& parts) {
  return is_four_bit(parts) || std::ranges::any_of(kMarks, [&](std::string_view mark) {
           return find_part(parts, mark) != nullptr;
         });
}

struct Source {
  std::string where;
  Json config;
};

std::vector<Source> sources_of(const std::filesystem::path& folder, const Json& config_json) {
  std::vector<Source> sources;
  for (const char* key : {"quantization_config", "compression_config"}) {
    const auto found = config_json.find(key);
    if (found == config_json.end() || found->is_null()) continue;
    sources.push_back({(folder / "config.json").string() + ": " + key, *found});
  }
  for (const char* name : {"quantize_config.json", "quant_config.json"}) {
    const auto path = folder / name;
    if (!std::filesystem::exists(path)) continue;
    sources.push_back({path.string(), parse_json(read_file(path), path.string())});
  }
  return sources;
}

const Dtype* dtype_of(const StoredTensor& tensor) {
  return dtype_named(tensor.record.stored_dtype);
}

// The tensors of one module that may be parts of a packed linear.
struct Module {
  StoredParts parts;
  std::map<std::string, std::shared_ptr<const MappedFile>> mappings;
  std::vector<size_t> indices;  // among the folder's tensors
};

std::map<std::string, Module, std::less<>> modules_of(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, Module, std::less<>> modules;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const StoredTensor& tensor = tensors[i];
    const auto [module, part] = split_part(tensor.record.stored_name);
    if (part.empty()) continue;
    Module& of_module = modules[std::string(module)];
    of_module.parts.emplace(part, StoredPart{dtype_of(tensor), tensor.record.shape, tensor.bytes});
    of_module.mappings.emplace(part, tensor.mapping);
    of_module.indices.push_back(i);
  }
  return modules;
}

StoredTensor packed_weight(const std::string& module, Module& parts, const PackedLayout& layout) {
  const auto packed = std::make_shared<PackedTensor>();
  packed->layout = settled(layout, parts.parts);
  packed->shape = packed_shape(packed->layout, parts.parts);
  StoredTensor tensor;
  tensor.record = {module + ".weight",
                   module + ".weight",
                   packed_type(packed->layout, parts.parts),
                   {packed->shape.out_features, packed->shape.in_features},
                   0};
  packed->parts = std::move(parts.parts);
  packed->mappings = std::move(parts.mappings);
  tensor.record.stored_bytes = stored_bytes(*packed);
  tensor.packed = packed;
  return tensor;
}

}  // namespace

std::optional<QuantizationConfig> read_quantization(const std::filesystem::path& folder,
                                                    const Json& config_json) {
  const auto sources = sources_of(folder, config_json);
  if (sources.empty()) return std::nullopt;
  for (size_t i = 1; i < sources.size(); ++i) {
    require_agreement(sources[0].config, sources[0].where, sources[i].config, sources[i].where);
  }
  return in_context(sources[0].where, [&] { return quantization_config(sources[0].config); });
}

std::vector<StoredTensor> merge_packed(std::vector<StoredTensor> tensors,
                                       const std::optional<QuantizationConfig>& config) {
  auto modules = modules_of(tensors);
  std::vector<bool> is_merged(tensors.size());
  std::vector<StoredTensor> merged;
  for (auto& [name, module] : modules) {
    const auto layout = config ? layout_of(*config, name) : std::nullopt;
    if (!is_packed(module.parts)) {
      require(!layout || !is_block_linear(name + ".weight"), "'", name,
              "': the quantization config says that it is packed (", config ? config->method : "",
              "), the file holds a plain weight");
      continue;
    }
    require(layout.has_value(), "'", name, "': the file holds '", name, ".",
            module.parts.begin()->first, "', ",
            config ? "the quantization config leaves this module as it is"
                   : "and the folder has no quantization config");
    for (const size_t i : module.indices) is_merged[i] = true;
    merged.push_back(in_context("'" + name + "'", [&, &name = name, &module = module] {
      return packed_weight(name, module, *layout);
    }));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!is_merged[i]) merged.push_back(std::move(tensors[i]));
  }
  return merged;
}

std::string arithmetic_note(const QuantizationConfig& config) {
  if (config.llm_int8_threshold) {
    return fmt::format(", 8-bit products (inputs from {} on in float32)",
                       *config.llm_int8_threshold);
  }
  return config.input_note.empty() ? "" : ", " + config.input_note + " as float32";
}

std::vector<std::string> packed_warnings(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, int64_t> counts;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.packed == nullptr) continue;
    const auto warning = packed_warning(tensor.packed->layout, tensor.packed->parts);
    if (!warning.empty()) ++counts[warning];
  }
  std::vector<std::string> lines;
  lines.reserve(counts.size());
  for (const auto& [warning, count] : counts) {
    lines.push_back(fmt::format("in {} linears {}", count, warning));
  }
  return lines;
}

}  // namespace assay
