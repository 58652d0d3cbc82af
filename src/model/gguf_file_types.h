#pragma once
// What llama.cpp calls file types: a base type for the matrices of a model, and better ones where
// they matter most. Source of the rules: llama.cpp, llama-quant.cpp.

#include <cstdint>
#include <span>
#include <string_view>

#include "io/block_formats.h"

namespace assay {

struct GgufFileType {
  std::string_view name;  // "Q4_K_M"
  uint32_t id;            // general.file_type
  std::string_view base;  // "Q4_K"
};

std::span<const GgufFileType> gguf_file_types();
// Error(kBadInput) names the nearest known type, or lists all.
const GgufFileType& gguf_file_type_named(std::string_view name);

// What the choice depends on beside the tensor.
struct GgufMixture {
  int64_t num_layers = 0;
  int64_t queries_per_key = 1;  // heads of queries that share one of keys
  bool is_tied = false;         // the embedding is the head too
  bool has_importance = false;  // an importance matrix is used
  int64_t num_experts = 0;
};

// Whether a tensor is float32 whatever the file type: all but matrices of weights, and routers.
bool is_always_float32(std::string_view gguf_name, size_t num_dims);

// The type of the matrix `gguf_name` with rows of this length. Where the rows are not whole blocks,
// the type that llama.cpp falls back to.
const BlockFormat& matrix_format(const GgufFileType& type, std::string_view gguf_name,
                                 uint64_t row_length, const GgufMixture& mixture);

// Whether 0 stays 0. Types with a minimum, and IQ4, have no level there.
bool keeps_zeros(const BlockFormat& format);

}  // namespace assay
