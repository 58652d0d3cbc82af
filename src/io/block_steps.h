#pragma once
// The types of 32 elements a block whose values are whole multiples of a step, d * (q - zero): what
// a linear quantized elsewhere on such a grid can be stored in, and taken out of, without loss.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "io/block_formats.h"

namespace assay {

struct StepFormat {
  int64_t bits;  // of q
  int64_t zero;  // whose value is 0
};

// Q4_0 {4, 8}, Q5_0 {5, 16}, Q8_0 {8, 128} (stored as q - 128); nothing for another type.
std::optional<StepFormat> step_format(const BlockFormat& format);

// d of every block.
std::vector<float> steps_of_blocks(const BlockFormat& format, std::span<const std::byte> blocks);

// The codes q of decoded values under their blocks' steps, exactly; the code `zero` under a step of
// 0. Error(kInternal) where a value is no code's.
std::vector<uint8_t> codes_of_values(const StepFormat& format, std::span<const float> values,
                                     std::span<const float> steps);

// Writes values under these steps; false, and nothing useful in `out`, where a step is no float16
// or a value no code's.
bool encode_with_steps(const BlockFormat& format, std::span<const float> values,
                       std::span<const float> steps, std::span<std::byte> out);

}  // namespace assay
