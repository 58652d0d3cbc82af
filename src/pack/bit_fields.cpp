#include "pack/bit_fields.h"

#include <cstring>

namespace assay {
namespace {

struct Place {
  int64_t word;
  int shift;
};

Place place_of(int64_t field, int64_t bits, Straddling straddling) {
  if (straddling == Straddling::kStream) {
    return {field * bits / 32, static_cast<int>(field * bits % 32)};
  }
  const int64_t per_word = 32 / bits;
  return {field / per_word, static_cast<int>(field % per_word * bits)};
}

uint32_t read_word(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

void set_bits(std::byte* at, uint32_t bits) {
  const uint32_t word = read_word(at) | bits;
  std::memcpy(at, &word, sizeof word);
}

}  // namespace

int64_t words_of_fields(int64_t count, int64_t bits, Straddling straddling) {
  const int64_t per_word = 32 / bits;
  return straddling == Straddling::kStream ? (count * bits + 31) / 32
                                           : (count + per_word - 1) / per_word;
}

void unpack_fields(const std::byte* words, int64_t stride, int64_t bits, Straddling straddling,
                   int64_t count, uint8_t* fields) {
  const uint32_t mask = (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    const auto [word, shift] = place_of(i, bits, straddling);
    uint32_t value = read_word(words + 4 * stride * word) >> shift;
    if (shift + bits > 32) value |= read_word(words + 4 * stride * (word + 1)) << (32 - shift);
    fields[i] = static_cast<uint8_t>(value & mask);
  }
}

void pack_fields(const uint8_t* fields, int64_t count, int64_t bits, Straddling straddling,
                 std::byte* words, int64_t stride) {
  for (int64_t i = 0; i < count; ++i) {
    const auto [word, shift] = place_of(i, bits, straddling);
    set_bits(words + 4 * stride * word, uint32_t{fields[i]} << shift);
    if (shift + bits > 32) {
      set_bits(words + 4 * stride * (word + 1), uint32_t{fields[i]} >> (32 - shift));
    }
  }
}

}  // namespace assay
