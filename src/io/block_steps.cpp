#include "io/block_steps.h"

#include <array>

#include "base/error.h"
#include "io/encoder_rows.h"
#include "io/small_floats.h"

namespace assay {
namespace {

constexpr size_t kBlock = 32;

// q of a value, or nothing where it is none's. Products of a float16 and so few bits are exact, and
// so is the quotient.
std::optional<uint8_t> code_of(const StepFormat& format, float value, float step) {
  if (step == 0 && value != 0) return std::nullopt;
  const float code = (step == 0 ? 0 : value / step) + static_cast<float>(format.zero);
  const bool fits = code >= 0 && code < static_cast<float>(1 << format.bits) &&
                    code == static_cast<float>(static_cast<int>(code));
  if (!fits) return std::nullopt;
  return static_cast<uint8_t>(code);
}

// Behind the step: 4 bits as nibbles, 5 with their highest in front of those, 8 as integers.
void put_codes(const StepFormat& format, const std::array<uint8_t, kBlock>& codes, std::byte* out) {
  if (format.bits == 8) {
    for (size_t i = 0; i < kBlock; ++i) {
      out[i] = static_cast<std::byte>(codes.at(i) - format.zero);
    }
    return;
  }
  if (format.bits == 5) {
    put_fifth_bits(codes.data(), out);
    out += 4;
  }
  put_nibbles(codes.data(), out);
}

}  // namespace

std::optional<StepFormat> step_format(const BlockFormat& format) {
  if (format.name == "Q4_0") return StepFormat{4, 8};
  if (format.name == "Q5_0") return StepFormat{5, 16};
  if (format.name == "Q8_0") return StepFormat{8, 128};
  return std::nullopt;
}

std::vector<float> steps_of_blocks(const BlockFormat& format, std::span<const std::byte> blocks) {
  std::vector<float> steps(blocks.size() / format.block_bytes);
  for (size_t b = 0; b < steps.size(); ++b) {
    uint16_t half = 0;
    std::memcpy(&half, blocks.data() + b * format.block_bytes, sizeof half);
    steps[b] = half_to_float(half);
  }
  return steps;
}

std::vector<uint8_t> codes_of_values(const StepFormat& format, std::span<const float> values,
                                     std::span<const float> steps) {
  std::vector<uint8_t> codes(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto code = code_of(format, values[i], steps[i / kBlock]);
    if (!code) fail(ErrorKind::kInternal, "value ", i, " is no multiple of its step");
    codes[i] = *code;
  }
  return codes;
}

bool encode_with_steps(const BlockFormat& format, std::span<const float> values,
                       std::span<const float> steps, std::span<std::byte> out) {
  const StepFormat codes_of = step_format(format).value();
  for (size_t b = 0; b < steps.size(); ++b) {
    std::byte* block = out.data() + b * format.block_bytes;
    if (put_half(block, steps[b]) != steps[b]) return false;
    std::array<uint8_t, kBlock> codes{};
    for (size_t i = 0; i < kBlock; ++i) {
      const auto code = code_of(codes_of, values[b * kBlock + i], steps[b]);
      if (!code) return false;
      codes.at(i) = *code;
    }
    put_codes(codes_of, codes, block + sizeof(uint16_t));
  }
  return true;
}

}  // namespace assay
