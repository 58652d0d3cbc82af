#include "pack/parts.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "pack/small_float.h"

namespace assay {
namespace {

template <class T>
T element(const StoredPart& part, size_t i) {
  T value;
  std::memcpy(&value, part.bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

template <class T, class Out>
void copy_elements(const StoredPart& part, std::vector<Out>& out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Out>(element<T>(part, i));
}

size_t num_elements(const StoredPart& part) { return part.bytes.size() / (part.dtype->bits / 8); }

}  // namespace

StoredParts view(const OwnedParts& parts) {
  StoredParts views;
  for (const OwnedPart& part : parts) {
    views.emplace(part.name, StoredPart{part.dtype, part.shape, part.bytes});
  }
  return views;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const auto dim : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

const StoredPart* find_part(const StoredParts& parts, std::string_view name) {
  const auto found = parts.find(name);
  return found == parts.end() ? nullptr : &found->second;
}

const StoredPart& part_of(const StoredParts& parts, std::string_view name,
                          std::initializer_list<std::string_view> dtypes) {
  const StoredPart* part = find_part(parts, name);
  require_intact(part != nullptr, "'", name, "' is missing");
  if (std::ranges::find(dtypes, part->dtype->name) == dtypes.end()) {
    std::string known;
    for (const auto dtype : dtypes) known += (known.empty() ? "" : " or ") + std::string(dtype);
    fail(ErrorKind::kCorruptFile, "'", name, "' is ", part->dtype->name, ", expected ", known);
  }
  return *part;
}

const StoredPart& part_of(const StoredParts& parts, std::string_view name,
                          std::initializer_list<std::string_view> dtypes,
                          std::initializer_list<int64_t> shape) {
  const StoredPart& part = part_of(parts, name, dtypes);
  require_intact(std::ranges::equal(part.shape, shape), "'", name, "' has shape ",
                 shape_text(part.shape), ", expected ",
                 shape_text(std::span(shape.begin(), shape.size())));
  return part;
}

LinearShape matrix_shape(const StoredPart& part, std::string_view name) {
  require_intact(part.shape.size() == 2 && part.shape[0] > 0 && part.shape[1] > 0, "'", name,
                 "' has shape ", shape_text(part.shape), ", expected a matrix");
  return {part.shape[0], part.shape[1]};
}

std::vector<float> floats_of(const StoredPart& part) {
  std::vector<float> values(num_elements(part));
  const auto dtype = part.dtype->name;
  if (dtype == "F64") {
    copy_elements<double>(part, values);
  } else if (dtype == "F32") {
    copy_elements<float>(part, values);
  } else {
    const SmallFloat& format = small_float(dtype);
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t bits =
          part.dtype->bits == 16 ? element<uint16_t>(part, i) : element<uint8_t>(part, i);
      values[i] = to_float(format, bits);
    }
  }
  return values;
}

std::vector<int64_t> integers_of(const StoredPart& part) {
  std::vector<int64_t> values(num_elements(part));
  const auto dtype = part.dtype->name;
  if (dtype == "I64") {
    copy_elements<int64_t>(part, values);
  } else if (dtype == "I32") {
    copy_elements<int32_t>(part, values);
  } else if (dtype == "I8") {
    copy_elements<int8_t>(part, values);
  } else {
    require_intact(dtype == "U8", "integers of ", dtype);
    copy_elements<uint8_t>(part, values);
  }
  return values;
}

OwnedPart make_float_part(std::string name, std::string_view dtype, std::vector<int64_t> shape,
                          std::span<const float> values) {
  if (dtype == "F32") return make_part(std::move(name), dtype, std::move(shape), values);
  const SmallFloat& format = small_float(dtype);
  std::vector<uint16_t> rounded(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(values[i]) && fits(format, values[i]), "'", name, "': ", values[i],
            " does not fit ", dtype);
    rounded[i] = static_cast<uint16_t>(from_float(format, values[i]));
  }
  return make_part<uint16_t>(std::move(name), dtype, std::move(shape), rounded);
}

}  // namespace assay
