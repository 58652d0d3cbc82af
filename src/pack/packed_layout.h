#pragma once
// Any of the layouts in which a checkpoint stores a quantized linear.

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "pack/awq.h"
#include "pack/bitsandbytes.h"
#include "pack/compressed_tensors.h"
#include "pack/float8.h"
#include "pack/gptq.h"
#include "pack/hqq.h"
#include "pack/marlin.h"
#include "pack/parts.h"

namespace assay {

// What the config says; the parts say the rest.
struct BitsAndBytesLayout {
  bool is_four_bit = false;
};

using PackedLayout = std::variant<GptqLayout, MarlinLayout, AwqLayout, BitsAndBytesLayout,
                                  CompressedTensorsLayout, Float8Layout, HqqLayout>;

// All that can be checked without looking at every byte. Error(kCorruptFile) names the part.
LinearShape packed_shape(const PackedLayout& layout, const StoredParts& parts);

// Float32 [out_features, in_features].
void packed_values(const PackedLayout& layout, const StoredParts& parts, std::span<float> values);

// "GPTQ-4bit-g128", "AWQ-4bit-g64", "BNB-NF4", "FP8-E4M3": a stored type for reports, the same for
// the same meaning of the bytes.
std::string packed_type(const PackedLayout& layout, const StoredParts& parts);

// What a reader should know of the parts' content; empty when nothing.
std::string packed_warning(const PackedLayout& layout, const StoredParts& parts);

// The module and part of a tensor's name: "a.b.qweight" -> {"a.b", "qweight"}; an empty part where
// no layout has one of this name.
struct ModulePart {
  std::string_view module, part;
};
ModulePart split_part(std::string_view tensor_name);

}  // namespace assay
