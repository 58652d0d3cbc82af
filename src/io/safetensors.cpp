#include "io/safetensors.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "io/byte_reader.h"
#include "io/safetensors_header.h"
#include "io/shard_index.h"

namespace assay {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kJsonSpace = " \t\r\n";

struct Layout {
  std::string_view json;
  uint64_t data_start;
};

// Finds the header after the checks on its length and text.
Layout find_header(std::span<const std::byte> file, HeaderPadding padding) {
  require_intact(file.size() >= 8, "header too small: ", file.size(), " bytes");
  ByteReader in(file);
  const auto length = in.read<uint64_t>("header length");
  require_intact(length <= kMaxHeaderBytes, "header too large: ", length, " bytes");
  require_intact(length <= in.remaining(), "invalid header length: ", length,
                 " bytes, the file has ", in.remaining(), " left");
  const auto bytes = in.take(length, "header");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto bad = first_invalid_utf8(text)) {
    fail(ErrorKind::kCorruptFile, "the header is not valid UTF-8 at byte ", *bad);
  }
  // To the JSON parser a zero byte is the end of its input.
  require_intact(text.find('\0') == std::string_view::npos, "the header has a zero byte");
  const bool spaces_only = padding == HeaderPadding::kSpacesBehind;
  const auto first = spaces_only ? 0 : text.find_first_not_of(kJsonSpace);
  require_intact(first < text.size() && (text[first] == '{' || text[first] == '['),
                 "the header does not begin with '{'");
  const auto last = text.find_last_not_of(spaces_only ? " " : kJsonSpace);
  require_intact(!spaces_only || text[last] == '}' || text[last] == ']',
                 "something other than spaces stands behind the header's JSON");
  return {text.substr(first, last - first + 1), in.position()};
}

uint64_t checked_product(uint64_t a, uint64_t b, const std::string& name) {
  require_intact(b == 0 || a <= std::numeric_limits<uint64_t>::max() / b, "'", name,
                 "': shape overflows");
  return a * b;
}

// Bytes of a tensor by shape and dtype.
uint64_t byte_size(const HeaderTensor& tensor) {
  uint64_t elements = 1;
  for (const auto dim : tensor.shape) elements = checked_product(elements, dim, tensor.name);
  const uint64_t bits = checked_product(elements, tensor.dtype->bits, tensor.name);
  require_intact(bits % 8 == 0, "'", tensor.name, "': ", elements, " elements of ",
                 tensor.dtype->name, " are not whole bytes");
  return bits / 8;
}

// Tensors in the order of their bytes, checked to fill [0, data_size) exactly.
std::vector<SafetensorsTensor> place_tensors(std::vector<HeaderTensor> entries, uint64_t data_start,
                                             uint64_t data_size) {
  std::ranges::sort(entries, {}, &HeaderTensor::data_offsets);
  std::vector<SafetensorsTensor> tensors;
  uint64_t expected = 0;
  for (auto& entry : entries) {
    const uint64_t begin = entry.data_offsets[0], end = entry.data_offsets[1];
    require_intact(begin == expected && end >= begin, "'", entry.name, "': data_offsets [", begin,
                   ", ", end, "], but the tensor before it ends at ", expected);
    const uint64_t size = byte_size(entry);
    require_intact(size == end - begin, "'", entry.name, "': shape and dtype need ", size,
                   " bytes, data_offsets give ", end - begin);
    require_intact(end <= data_size, "'", entry.name, "': ends at ", end, ", the data have ",
                   data_size, " bytes (truncated file?)");
    expected = end;
    tensors.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape),
                       data_start + begin, data_start + end});
  }
  require_intact(expected == data_size, "the tensors end at ", expected, ", the data have ",
                 data_size, " bytes");
  return tensors;
}

}  // namespace

const Dtype* dtype_named(std::string_view name) {
  const auto found = std::ranges::find(kDtypes, name, &Dtype::name);
  return found == kDtypes.end() ? nullptr : &*found;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> file, HeaderPadding padding) {
  const auto [json, data_start] = find_header(file, padding);
  auto entries = read_header_entries(json);
  return {place_tensors(std::move(entries.tensors), data_start, file.size() - data_start),
          std::move(entries.metadata)};
}

std::span<const std::byte> SafetensorsFile::bytes(const SafetensorsTensor& tensor) const {
  return mapping->bytes().subspan(tensor.begin, tensor.end - tensor.begin);
}

SafetensorsFile open_safetensors(const std::filesystem::path& path) {
  auto mapping = MappedFile::open(path);
  auto header = in_context(path.string(), [&] { return parse_safetensors(mapping->bytes()); });
  return {std::move(mapping), std::move(header)};
}

std::vector<SafetensorsFile> open_safetensors_folder(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "model.safetensors")) {
    std::vector<SafetensorsFile> single;
    single.push_back(open_safetensors(folder / "model.safetensors"));
    return single;
  }
  const auto index_path = folder / "model.safetensors.index.json";
  require(std::filesystem::exists(index_path), folder.string(),
          ": neither model.safetensors nor model.safetensors.index.json");
  const auto index_json = read_file(index_path);
  return in_context(index_path.string(), [&] {
    const auto weight_map = parse_shard_index(index_json);
    std::vector<SafetensorsFile> files;
    for (const auto& name : shard_names(folder, weight_map)) {
      files.push_back(open_safetensors(folder / name));
      std::vector<std::string_view> tensors;
      for (const auto& tensor : files.back().header.tensors) tensors.push_back(tensor.name);
      check_shard(tensors, name, weight_map);
    }
    return files;
  });
}

}  // namespace assay
