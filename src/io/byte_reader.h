#pragma once
// Little-endian values from a span of untrusted bytes, front to back.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace assay {

static_assert(std::endian::native == std::endian::little, "file values are read in place");

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  // The next `count` bytes; Error(kCorruptFile) names `what` when the file ends before.
  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    require_intact(count <= remaining(), what, " at byte ", position_, " needs ", count,
                   " bytes, the file has ", remaining(), " left");
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <class T>
  T read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

}  // namespace assay
