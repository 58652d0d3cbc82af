#pragma once
// The tensors that together hold one packed linear, by what stands behind its module's name in the
// file: of "model.layers.0.mlp.up_proj.qweight" the part is "qweight".

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/dtype.h"

namespace assay {

struct StoredPart {
  const Dtype* dtype = nullptr;
  std::vector<int64_t> shape;        // row-major; empty = one element
  std::span<const std::byte> bytes;  // little-endian, as many as dtype and shape say
};
using StoredParts = std::map<std::string, StoredPart, std::less<>>;

struct OwnedPart {
  std::string name;
  const Dtype* dtype = nullptr;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};
using OwnedParts = std::vector<OwnedPart>;

struct LinearShape {
  int64_t out_features = 0, in_features = 0;
  bool operator==(const LinearShape&) const = default;
};

// Views of the parts, which must outlive them.
StoredParts view(const OwnedParts& parts);

std::string shape_text(std::span<const int64_t> shape);  // "[32, 128]"

// nullptr where there is none.
const StoredPart* find_part(const StoredParts& parts, std::string_view name);

// Error(kCorruptFile) names the part where it is missing or of none of the dtypes ("I32"), or,
// the second, of another shape.
const StoredPart& part_of(const StoredParts& parts, std::string_view name,
                          std::initializer_list<std::string_view> dtypes);
const StoredPart& part_of(const StoredParts& parts, std::string_view name,
                          std::initializer_list<std::string_view> dtypes,
                          std::initializer_list<int64_t> shape);

// Error(kCorruptFile) unless it is a matrix; rows and columns.
LinearShape matrix_shape(const StoredPart& part, std::string_view name);

// The elements of a part of F64, F32, F16, BF16 or an 8-bit float, as float32.
std::vector<float> floats_of(const StoredPart& part);
// Of I64, I32, U8 or I8.
std::vector<int64_t> integers_of(const StoredPart& part);

// A part of these values, whose type must have the size that `dtype` says.
template <class T>
OwnedPart make_part(std::string name, std::string_view dtype, std::vector<int64_t> shape,
                    std::span<const T> values) {
  OwnedPart part{std::move(name), dtype_named(dtype), std::move(shape), {}};
  part.bytes.resize(values.size_bytes());
  if (!values.empty()) std::memcpy(part.bytes.data(), values.data(), values.size_bytes());
  return part;
}

// Floats stored as "F32", "F16" or "BF16", rounded half to even. Error(kBadInput) where one does
// not fit.
OwnedPart make_float_part(std::string name, std::string_view dtype, std::vector<int64_t> shape,
                          std::span<const float> values);

}  // namespace assay
