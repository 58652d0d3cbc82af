#pragma once
// The codes of a linear that a file holds quantized, for storing it in another format as it is.

#include <cstdint>
#include <optional>
#include <vector>

#include "model/stored_tensor.h"
#include "pack/linear_codes.h"

namespace assay {

// Rows in the order of the model. Of packed linears what pack/linear_codes.h gives, of GGUF types
// whose values are multiples of a step (io/block_steps.h) a grid with groups of 32; monostate of
// all else, and of a tensor that lies in another or is stored with a value added.
LinearCodes stored_codes(const StoredTensor& stored);

// Inputs that share a scale of such a grid; -1 = all.
int64_t stored_group_size(const StoredTensor& stored);

// The scale of every `block` inputs of every row [out_features * in_features / block], where all of
// a block share one; nothing else.
std::optional<std::vector<float>> scales_of_blocks(const GridCodes& grid, int64_t block);

}  // namespace assay
