#pragma once
// How the linears of a checkpoint are meant to be computed: in float32, unless its provenance says
// otherwise. Methods that quantize activations are their product as much as their weights.

#include <optional>

#include "base/json.h"
#include "kernels/int8_mixed.h"

namespace assay {

// {"kind": "llm_int8", "threshold": 6.0, "outliers": "per_row" | "batch"}: what provenance holds
// under "product".
Json to_json(const kernels::LlmInt8Options& options);

// The 8-bit product that `provenance` (assay_provenance.json, may be null) asks for, nothing for
// float32. Error(kBadInput) on another kind or a setting out of range.
std::optional<kernels::LlmInt8Options> int8_product(const Json& provenance);

}  // namespace assay
