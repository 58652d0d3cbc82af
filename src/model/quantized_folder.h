#pragma once
// Folders whose linears other software has quantized: what their config says, and the tensors of
// each linear (pack/) put together to the one weight that the model has.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/stored_tensor.h"
#include "pack/quantization_config.h"

namespace assay {

// From config.json's quantization_config (or compression_config), else quantize_config.json, else
// quant_config.json of the folder; nothing where there is none. Error(kBadInput) names file and
// key: what pack/quantization_config.h refuses, and two configs that disagree.
std::optional<QuantizationConfig> read_quantization(const std::filesystem::path& folder,
                                                    const Json& config_json);

// The tensors of a folder under their names in the file, with every packed linear as one tensor
// "....weight" [out_features, in_features], of the stored type that packed_type names; the others
// stay. Error names the module: parts that do not belong together, that the config (or a folder
// without one) leaves alone, or a linear of a block that it says is packed and is not.
std::vector<StoredTensor> merge_packed(std::vector<StoredTensor> tensors,
                                       const std::optional<QuantizationConfig>& config);

// ", 8-bit float inputs as float32": how the decoded weights are computed with where the folder
// means it otherwise; empty else.
std::string arithmetic_note(const QuantizationConfig& config);

// What readers should know of the packed weights' content, a line each; mostly none.
std::vector<std::string> packed_warnings(const std::vector<StoredTensor>& tensors);

}  // namespace assay
