#pragma once
// Grids that tests pack and unpack.

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "pack/grid_codes.h"
#include "pack/small_float.h"

namespace assay {

// Codes, scales that float16 holds, zeros in [1, 2^bits - 1].
inline GridCodes some_grid(LinearShape shape, int64_t bits, int64_t group_size) {
  GridCodes grid = GridCodes::sized(shape, bits, group_size);
  uint32_t state = 7;
  const auto next = [&](uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 16) % below;
  };
  for (auto& code : grid.codes) code = static_cast<uint8_t>(next(1u << bits));
  for (auto& scale : grid.scales) scale = static_cast<float>(1 + next(1000)) / 1024;
  for (auto& zero : grid.zeros) zero = static_cast<float>(1 + next((1u << bits) - 1));
  return grid;
}

inline void expect_same_grid(const GridCodes& a, const GridCodes& b) {
  EXPECT_EQ(a.out_features, b.out_features);
  EXPECT_EQ(a.in_features, b.in_features);
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.zeros, b.zeros);
  EXPECT_EQ(a.group_of_column, b.group_of_column);
}

// The message of the error that `fn` throws.
template <class Fn>
std::string error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

template <class T>
std::vector<T> elements_of(const OwnedPart& part) {
  std::vector<T> values(part.bytes.size() / sizeof(T));
  std::memcpy(values.data(), part.bytes.data(), part.bytes.size());
  return values;
}

inline const OwnedPart& owned(const OwnedParts& parts, std::string_view name) {
  for (const OwnedPart& part : parts) {
    if (part.name == name) return part;
  }
  throw Error(ErrorKind::kInternal, "no part '" + std::string(name) + "'");
}

inline OwnedPart& owned(OwnedParts& parts, std::string_view name) {
  return const_cast<OwnedPart&>(owned(std::as_const(parts), name));
}

}  // namespace assay
