#pragma once
// The quantization_config of a checkpoint folder (in config.json, or alone in quantize_config.json
// or quant_config.json): which modules are packed, and how. Read strictly: a key that is not known
// here is an error, since it might change what the bytes mean.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "pack/module_pattern.h"
#include "pack/packed_layout.h"

namespace assay {

// Nothing: the module is stored as it would be without quantization.
struct ModuleRule {
  ModulePattern modules;
  std::optional<PackedLayout> layout;
};

struct QuantizationConfig {
  std::string method;             // "gptq", ...
  std::vector<ModuleRule> rules;  // the first that fits a module decides; none: it is not packed
  // What the config says of inputs, which are not quantized here; empty when nothing.
  std::string input_note;
  // Of LLM.int8(): inputs from here on are not quantized.
  std::optional<double> llm_int8_threshold;
};

// Error(kBadInput) names the key: a method, format or key that is not known (with the nearest
// name), a value out of range.
QuantizationConfig quantization_config(const Json& config);

std::optional<PackedLayout> layout_of(const QuantizationConfig& config, std::string_view module);

// The layout with what the module's own parts settle: the name of its scales, whether it is sparse.
PackedLayout settled(const PackedLayout& layout, const StoredParts& parts);

// Two configs of one folder must not disagree on what the bytes mean. Error(kBadInput) names the
// key, both places and both values.
void require_agreement(const Json& a, std::string_view where_a, const Json& b,
                       std::string_view where_b);

// For the files of each method. Exposed for quantization_config alone.
QuantizationConfig gptq_config(const Json& config);
QuantizationConfig awq_config(const Json& config);
QuantizationConfig auto_round_config(const Json& config);
QuantizationConfig bitsandbytes_config(const Json& config);
QuantizationConfig compressed_tensors_config(const Json& config);
QuantizationConfig fp8_config(const Json& config);
QuantizationConfig fbgemm_fp8_config(const Json& config);
QuantizationConfig model_opt_config(const Json& config);
QuantizationConfig hqq_config(const Json& config);

}  // namespace assay
