#include "io/gguf.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "io/byte_reader.h"

namespace assay {
namespace {

enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 63;
constexpr uint64_t kMaxStringBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxArrayElements = uint64_t{1} << 30;
constexpr uint32_t kMaxDims = 4;
// The shortest key-value (empty key, one byte) and tensor info (empty name, one dim): bounds of
// their counts.
constexpr uint64_t kMinKeyValueBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorInfoBytes = 8 + 4 + 8 + 4 + 8;

std::string read_string(ByteReader& in, uint64_t max_bytes, const std::string& what) {
  const auto length = in.read<uint64_t>(what);
  require_intact(length <= max_bytes, what, " claims ", length, " bytes, the limit is ", max_bytes);
  const auto bytes = in.take(length, what);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string read_name(ByteReader& in, uint64_t max_bytes, const std::string& what) {
  const auto at = in.position();
  auto name = read_string(in, max_bytes, what);
  require_intact(!name.empty(), what, " at byte ", at, " is empty");
  require_intact(!first_invalid_utf8(name) && name.find('\0') == std::string::npos, what,
                 " at byte ", at, " is not UTF-8 text");
  return name;
}

bool read_bool(ByteReader& in, const std::string& what) {
  const auto byte = in.read<uint8_t>(what);
  require_intact(byte <= 1, what, ": a bool must be 0 or 1, got ", int{byte});
  return byte == 1;
}

// `count` numbers of type Stored, widened to Value. Their bytes are there before anything is
// allocated.
template <class Stored, class Value>
std::vector<Value> read_numbers(ByteReader& in, uint64_t count, const std::string& what) {
  ByteReader elements(in.take(count * sizeof(Stored), what));  // count <= 2^30: no overflow
  std::vector<Value> values(count);
  for (auto& value : values) value = elements.read<Stored>(what);
  return values;
}

std::vector<std::string> read_strings(ByteReader& in, uint64_t count, const std::string& what) {
  require_intact(count <= in.remaining() / sizeof(uint64_t), what, ": ", count,
                 " strings cannot fit in the ", in.remaining(), " bytes that are left");
  std::vector<std::string> strings;
  strings.reserve(count);
  for (uint64_t i = 0; i < count; ++i) strings.push_back(read_string(in, kMaxStringBytes, what));
  return strings;
}

GgufValue read_array(ByteReader& in, const std::string& what) {
  const auto type = in.read<uint32_t>(what);
  const auto count = in.read<uint64_t>(what);
  require_intact(count <= kMaxArrayElements, what, " claims ", count, " elements, the limit is ",
                 kMaxArrayElements);
  switch (ValueType{type}) {
    case ValueType::kU8:
      return read_numbers<uint8_t, uint8_t>(in, count, what);
    case ValueType::kI8:
      return read_numbers<int8_t, int64_t>(in, count, what);
    case ValueType::kU16:
      return read_numbers<uint16_t, uint64_t>(in, count, what);
    case ValueType::kI16:
      return read_numbers<int16_t, int64_t>(in, count, what);
    case ValueType::kU32:
      return read_numbers<uint32_t, uint64_t>(in, count, what);
    case ValueType::kI32:
      return read_numbers<int32_t, int64_t>(in, count, what);
    case ValueType::kF32:
      return read_numbers<float, float>(in, count, what);
    case ValueType::kU64:
      return read_numbers<uint64_t, uint64_t>(in, count, what);
    case ValueType::kI64:
      return read_numbers<int64_t, int64_t>(in, count, what);
    case ValueType::kF64:
      return read_numbers<double, double>(in, count, what);
    case ValueType::kString:
      return read_strings(in, count, what);
    case ValueType::kBool: {
      auto flags = read_numbers<uint8_t, uint8_t>(in, count, what);
      for (const auto flag : flags) {
        require_intact(flag <= 1, what, ": a bool must be 0 or 1, got ", int{flag});
      }
      return flags;
    }
    case ValueType::kArray:
      fail(ErrorKind::kCorruptFile, what, ": arrays of arrays are not read");
  }
  fail(ErrorKind::kCorruptFile, what, ": unknown element type ", type);
}

GgufValue read_value(ByteReader& in, const std::string& what) {
  const auto type = in.read<uint32_t>(what);
  switch (ValueType{type}) {
    case ValueType::kU8:
      return uint64_t{in.read<uint8_t>(what)};
    case ValueType::kI8:
      return int64_t{in.read<int8_t>(what)};
    case ValueType::kU16:
      return uint64_t{in.read<uint16_t>(what)};
    case ValueType::kI16:
      return int64_t{in.read<int16_t>(what)};
    case ValueType::kU32:
      return uint64_t{in.read<uint32_t>(what)};
    case ValueType::kI32:
      return int64_t{in.read<int32_t>(what)};
    case ValueType::kU64:
      return in.read<uint64_t>(what);
    case ValueType::kI64:
      return in.read<int64_t>(what);
    case ValueType::kF32:
      return in.read<float>(what);
    case ValueType::kF64:
      return in.read<double>(what);
    case ValueType::kBool:
      return read_bool(in, what);
    case ValueType::kString:
      return read_string(in, kMaxStringBytes, what);
    case ValueType::kArray:
      return read_array(in, what);
  }
  fail(ErrorKind::kCorruptFile, what, ": unknown value type ", type);
}

// Name, dims, format and offset; `begin` is relative to the data, and the size is that of the
// blocks.
GgufTensor read_tensor_info(ByteReader& in) {
  GgufTensor tensor;
  tensor.name = read_name(in, kMaxNameBytes, "tensor name");
  const std::string what = "tensor '" + tensor.name + "'";
  const auto num_dims = in.read<uint32_t>(what);
  require_intact(num_dims >= 1 && num_dims <= kMaxDims, what, ": 1 to 4 dims expected, got ",
                 num_dims);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < num_dims; ++i) {
    const auto dim = in.read<uint64_t>(what);
    require_intact(dim > 0, what, ": dim ", i, " is 0");
    require_intact(elements <= uint64_t{std::numeric_limits<int64_t>::max()} / dim, what,
                   ": too many elements");
    elements *= dim;
    tensor.dims.push_back(dim);
  }
  const auto type = in.read<uint32_t>(what);
  tensor.format = block_format_by_id(type);
  require_intact(tensor.format != nullptr, what, ": unknown ggml type ", type);
  require_intact(tensor.dims[0] % tensor.format->block_elements == 0, what, ": row length ",
                 tensor.dims[0], " is not a multiple of the ", tensor.format->block_elements,
                 " elements of a ", tensor.format->name, " block");
  const uint64_t blocks = elements / tensor.format->block_elements;
  require_intact(blocks <= std::numeric_limits<uint64_t>::max() / 2 / tensor.format->block_bytes,
                 what, ": too many bytes");
  tensor.begin = in.read<uint64_t>(what);
  tensor.end = blocks * tensor.format->block_bytes;
  return tensor;
}

uint64_t read_alignment(const GgufFile& file) {
  const auto found = file.values.find("general.alignment");
  if (found == file.values.end()) return 32;
  const auto* alignment = std::get_if<uint64_t>(&found->second);
  require_intact(alignment != nullptr && std::has_single_bit(*alignment) && *alignment >= 8 &&
                     *alignment <= (uint64_t{1} << 31),
                 "general.alignment: a power of two from 8 on expected");
  return *alignment;
}

// `value` rounded up to a multiple of the power of two `alignment`; all values stay far below 2^64.
uint64_t round_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// Turns offsets in the data into offsets in the file. Each tensor must begin where the one before
// it ends, padded.
void place_tensors(GgufFile& file, uint64_t infos_end, uint64_t file_size) {
  const uint64_t data = round_up(infos_end, file.alignment);
  uint64_t expected = 0;
  for (auto& tensor : file.tensors) {
    require_intact(tensor.begin == expected, "tensor '", tensor.name, "': offset ", tensor.begin,
                   ", expected ", expected, " (tensors are packed in order, aligned to ",
                   file.alignment, ")");
    const uint64_t size = tensor.end;
    require_intact(
        data <= file_size && expected <= file_size - data && size <= file_size - data - expected,
        "tensor '", tensor.name, "': ", size, " bytes at byte ", data + expected,
        " reach beyond the end of the file (", file_size, " bytes)");
    tensor.begin = data + expected;
    tensor.end = tensor.begin + size;
    expected = round_up(expected + size, file.alignment);
  }
}

void check_version(uint32_t version) {
  require_intact(version != 0x03000000 && version != 0x02000000,
                 "a big-endian GGUF file; only little-endian ones are read");
  require_intact(version == 2 || version == 3, "GGUF version ", version, "; 2 and 3 are read");
}

const GgufValue& value_at(const GgufFile& file, std::string_view key) {
  const auto found = file.values.find(key);
  require_intact(found != file.values.end(), "missing key '", key, "'");
  return found->second;
}

int64_t to_integer(const GgufValue& value, std::string_view key) {
  if (const auto* i = std::get_if<int64_t>(&value)) return *i;
  const auto* u = std::get_if<uint64_t>(&value);
  require_intact(u != nullptr, "key '", key, "' must be an integer");
  require_intact(std::in_range<int64_t>(*u), "key '", key, "' is out of range: ", *u);
  return static_cast<int64_t>(*u);
}

// The shortest decimal that gives the float again: a file that says 1e-5f means 1e-05,
// not 9.99999975e-06.
double shortest_double(float value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  double result = 0;
  std::from_chars(text, written.ptr, result);
  return result;
}

// One file, whatever it is a part of.
GgufFile open_part(const std::filesystem::path& path) {
  const auto mapping = MappedFile::open(path);
  auto file = in_context(path.string(), [&] { return parse_gguf(mapping->bytes()); });
  for (GgufTensor& tensor : file.tensors) tensor.mapping = mapping;
  return file;
}

// x-00002-of-00005.gguf -> the five in order.
std::vector<std::filesystem::path> parts_of(const std::filesystem::path& path, int64_t count) {
  constexpr std::string_view kEnding = "-00000-of-00000.gguf";
  constexpr int64_t kMostParts = 99'999;  // five digits
  require_intact(count <= kMostParts, "split.count is ", count);
  const std::string name = path.filename().string();
  const auto of_count = fmt::format("-of-{:05}.gguf", count);
  require(name.size() > kEnding.size() && name.ends_with(of_count), "one of ", count,
          " parts of a split GGUF, and not named as one (...", of_count, ")");
  const std::string prefix = name.substr(0, name.size() - kEnding.size());
  std::vector<std::filesystem::path> paths;
  for (int64_t i = 1; i <= count; ++i)
    paths.push_back(path.parent_path() / fmt::format("{}-{:05}{}", prefix, i, of_count));
  return paths;
}

}  // namespace

bool GgufFile::has(std::string_view key) const { return values.contains(key); }

std::string GgufFile::string(std::string_view key) const {
  const auto* value = std::get_if<std::string>(&value_at(*this, key));
  require_intact(value != nullptr, "key '", key, "' must be a string");
  return *value;
}

int64_t GgufFile::integer(std::string_view key) const {
  return to_integer(value_at(*this, key), key);
}

double GgufFile::number(std::string_view key) const {
  const auto& value = value_at(*this, key);
  if (const auto* f = std::get_if<float>(&value)) return shortest_double(*f);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  require_intact(std::holds_alternative<int64_t>(value) || std::holds_alternative<uint64_t>(value),
                 "key '", key, "' must be a number");
  return static_cast<double>(to_integer(value, key));
}

bool GgufFile::boolean(std::string_view key) const {
  const auto* value = std::get_if<bool>(&value_at(*this, key));
  require_intact(value != nullptr, "key '", key, "' must be a bool");
  return *value;
}

const std::vector<std::string>& GgufFile::strings(std::string_view key) const {
  const auto* value = std::get_if<std::vector<std::string>>(&value_at(*this, key));
  require_intact(value != nullptr, "key '", key, "' must be an array of strings");
  return *value;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  const auto& value = value_at(*this, key);
  if (const auto* i = std::get_if<std::vector<int64_t>>(&value)) return *i;
  if (const auto* bytes = std::get_if<std::vector<uint8_t>>(&value))
    return {bytes->begin(), bytes->end()};
  const auto* u = std::get_if<std::vector<uint64_t>>(&value);
  require_intact(u != nullptr, "key '", key, "' must be an array of integers");
  std::vector<int64_t> integers;
  integers.reserve(u->size());
  for (const auto element : *u) {
    require_intact(std::in_range<int64_t>(element), "key '", key, "' is out of range: ", element);
    integers.push_back(static_cast<int64_t>(element));
  }
  return integers;
}

std::vector<float> GgufFile::floats(std::string_view key) const {
  const auto* value = std::get_if<std::vector<float>>(&value_at(*this, key));
  require_intact(value != nullptr, "key '", key, "' must be an array of f32");
  return *value;
}

std::optional<std::string> GgufFile::find_string(std::string_view key) const {
  return has(key) ? std::optional(string(key)) : std::nullopt;
}

std::optional<int64_t> GgufFile::find_integer(std::string_view key) const {
  return has(key) ? std::optional(integer(key)) : std::nullopt;
}

std::optional<double> GgufFile::find_number(std::string_view key) const {
  return has(key) ? std::optional(number(key)) : std::nullopt;
}

std::optional<bool> GgufFile::find_boolean(std::string_view key) const {
  return has(key) ? std::optional(boolean(key)) : std::nullopt;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  for (const auto& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

GgufFile parse_gguf(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  const auto magic = in.take(4, "magic");
  require_intact(std::memcmp(magic.data(), "GGUF", 4) == 0, "not a GGUF file (magic)");
  GgufFile file;
  file.version = in.read<uint32_t>("version");
  check_version(file.version);
  const auto num_tensors = in.read<uint64_t>("number of tensors");
  const auto num_values = in.read<uint64_t>("number of key-values");
  require_intact(num_values <= in.remaining() / kMinKeyValueBytes, num_values,
                 " key-values cannot fit in the file");
  for (uint64_t i = 0; i < num_values; ++i) {
    auto key = read_name(in, kMaxKeyBytes, "key");
    require_intact(!file.values.contains(key), "key '", key, "' appears twice");
    auto value = read_value(in, "key '" + key + "'");
    file.values.emplace(std::move(key), std::move(value));
  }
  file.alignment = read_alignment(file);
  require_intact(num_tensors <= in.remaining() / kMinTensorInfoBytes, num_tensors,
                 " tensors cannot fit in the file");
  std::set<std::string, std::less<>> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    file.tensors.push_back(read_tensor_info(in));
    require_intact(names.insert(file.tensors.back().name).second, "tensor '",
                   file.tensors.back().name, "' appears twice");
  }
  place_tensors(file, in.position(), bytes.size());
  return file;
}

GgufFile open_gguf(const std::filesystem::path& path) {
  GgufFile file = open_part(path);
  const int64_t count = file.find_integer("split.count").value_or(1);
  if (count <= 1) return file;
  const auto paths = in_context(path.string(), [&] { return parts_of(path, count); });
  std::set<std::string, std::less<>> names;
  for (int64_t i = 0; i < count; ++i) {
    const auto& part_path = paths[static_cast<size_t>(i)];
    GgufFile part = open_part(part_path);
    in_context(part_path.string(), [&] {
      require_intact(part.integer("split.count") == count && part.integer("split.no") == i,
                     "is part ", part.integer("split.no"), " of ", part.integer("split.count"),
                     ", expected ", i, " of ", count);
      for (const GgufTensor& tensor : part.tensors) {
        require_intact(names.insert(tensor.name).second, "tensor '", tensor.name,
                       "' is in an earlier part too");
      }
    });
    if (i == 0) {
      file = std::move(part);
    } else {
      file.tensors.insert(file.tensors.end(), part.tensors.begin(), part.tensors.end());
    }
  }
  const auto announced = file.find_integer("split.tensors.count");
  require_intact(!announced || *announced == std::ssize(file.tensors), paths.front().string(),
                 ": split.tensors.count is ", announced.value_or(0), ", the parts hold ",
                 file.tensors.size());
  return file;
}

}  // namespace assay
