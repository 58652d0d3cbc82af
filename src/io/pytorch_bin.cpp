#include "io/pytorch_bin.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "io/pickle.h"
#include "io/shard_index.h"
#include "io/zip_archive.h"

namespace assay {
namespace {

constexpr std::string_view kPickleName = "/data.pkl";

std::string_view text_of(std::span<const std::byte> file, const ZipEntry& entry) {
  return {reinterpret_cast<const char*>(file.data()) + entry.begin, entry.end - entry.begin};
}

void require_zip(std::span<const std::byte> file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()),
                              std::min<size_t>(file.size(), 4));
  require(!head.starts_with('\x80'),
          "written by torch before 1.6 (a bare pickle, no zip archive): load it and save it again");
  require_intact(head == "PK\x03\x04", "not a file of torch.save: no zip archive");
}

// The entries by their names within the archive's one folder.
std::map<std::string, ZipEntry> entries_of(std::span<const std::byte> file) {
  require_zip(file);
  auto entries = parse_zip(file);
  const auto pickle = std::ranges::find_if(entries, [](const ZipEntry& entry) {
    return entry.name.ends_with(kPickleName) &&
           entry.name.find('/') == entry.name.size() - kPickleName.size();
  });
  require_intact(pickle != entries.end(), "the archive has no data.pkl");
  const std::string folder = pickle->name.substr(0, pickle->name.find('/') + 1);
  std::map<std::string, ZipEntry> inner;
  for (ZipEntry& entry : entries) {
    require_intact(entry.name.starts_with(folder), "'", entry.name, "' is not in ", folder);
    inner.emplace(entry.name.substr(folder.size()), entry);
  }
  const auto order = inner.find("byteorder");
  require(order == inner.end() || text_of(file, order->second) == "little",
          "its numbers are not little-endian");
  return inner;
}

uint64_t checked_product(uint64_t a, uint64_t b, const std::string& name) {
  uint64_t product = 0;
  require_intact(!__builtin_mul_overflow(a, b, &product), "'", name, "': its size overflows");
  return product;
}

// Whether the elements are row-major once the dims are put in order of their strides: then they
// fill a stretch of the storage. Dims of one element have any stride.
bool fills_a_stretch(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& strides) {
  std::vector<size_t> dims(shape.size());
  std::iota(dims.begin(), dims.end(), size_t{0});
  std::erase_if(dims, [&](size_t d) { return shape[d] == 1; });
  std::ranges::sort(dims, {}, [&](size_t d) { return strides[d]; });
  uint64_t expected = 1;
  for (const size_t d : dims) {
    if (strides[d] != expected) return false;
    expected *= shape[d];  // the product of all dims was checked
  }
  return true;
}

bool is_row_major(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& strides) {
  uint64_t expected = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

PytorchTensor placed(PickledTensor tensor, const std::map<std::string, ZipEntry>& entries) {
  const std::string& name = tensor.name;
  const auto found = entries.find("data/" + tensor.storage);
  require_intact(found != entries.end(), "'", name, "': the archive has no data/", tensor.storage);
  const ZipEntry& storage = found->second;
  const uint64_t element = tensor.dtype->bits / 8;
  require_intact(checked_product(tensor.storage_size, element, name) == storage.end - storage.begin,
                 "'", name, "': data/", tensor.storage, " has ", storage.end - storage.begin,
                 " bytes, ", tensor.storage_size, " elements of ", tensor.dtype->name,
                 " are announced");
  uint64_t count = 1;
  for (const uint64_t dim : tensor.shape) count = checked_product(count, dim, name);
  require_intact(
      tensor.offset <= tensor.storage_size && count <= tensor.storage_size - tensor.offset, "'",
      name, "': ", count, " elements from ", tensor.offset, " on are not within a storage of ",
      tensor.storage_size);
  const bool is_empty = count == 0;
  require(is_empty || fills_a_stretch(tensor.shape, tensor.strides), "'", name,
          "': a view with gaps or repeated elements is not supported");
  const uint64_t begin = storage.begin + tensor.offset * element;
  if (is_empty || is_row_major(tensor.shape, tensor.strides)) tensor.strides.clear();
  return {.name = std::move(tensor.name),
          .dtype = tensor.dtype,
          .shape = std::move(tensor.shape),
          .begin = begin,
          .end = begin + count * element,
          .strides = std::move(tensor.strides)};
}

}  // namespace

std::vector<PytorchTensor> parse_pytorch_bin(std::span<const std::byte> file) {
  const auto entries = entries_of(file);
  const ZipEntry& pickle = entries.at("data.pkl");
  check_crc32(file, pickle);
  std::vector<PytorchTensor> tensors;
  std::set<std::string> names;
  for (auto& tensor : parse_state_dict(file.subspan(pickle.begin, pickle.end - pickle.begin))) {
    require_intact(names.insert(tensor.name).second, "'", tensor.name, "' is there twice");
    tensors.push_back(placed(std::move(tensor), entries));
  }
  return tensors;
}

void check_pytorch_bin_checksums(std::span<const std::byte> file) {
  for (const auto& [name, entry] : entries_of(file)) check_crc32(file, entry);
}

std::vector<std::byte> row_major_bytes(std::span<const std::byte> bytes,
                                       const PytorchTensor& tensor) {
  if (tensor.strides.empty()) return {bytes.begin(), bytes.end()};
  const uint64_t element = tensor.dtype->bits / 8;
  std::vector<std::byte> out(bytes.size());
  std::vector<uint64_t> index(tensor.shape.size(), 0);
  uint64_t from = 0;  // in elements
  for (uint64_t to = 0; to < out.size(); to += element) {
    std::memcpy(out.data() + to, bytes.data() + from * element, element);
    for (size_t d = index.size(); d-- > 0;) {  // the next index, last dim first
      from += tensor.strides[d];
      if (++index[d] < tensor.shape[d]) break;
      from -= tensor.strides[d] * index[d];
      index[d] = 0;
    }
  }
  return out;
}

std::span<const std::byte> PytorchFile::bytes(const PytorchTensor& tensor) const {
  return mapping->bytes().subspan(tensor.begin, tensor.end - tensor.begin);
}

PytorchFile open_pytorch_bin(const std::filesystem::path& path) {
  auto mapping = MappedFile::open(path);
  auto tensors = in_context(path.string(), [&] { return parse_pytorch_bin(mapping->bytes()); });
  return {std::move(mapping), std::move(tensors)};
}

std::vector<PytorchFile> open_pytorch_folder(const std::filesystem::path& folder) {
  std::vector<PytorchFile> files;
  if (std::filesystem::exists(folder / "pytorch_model.bin")) {
    files.push_back(open_pytorch_bin(folder / "pytorch_model.bin"));
    return files;
  }
  const auto index_path = folder / "pytorch_model.bin.index.json";
  require(std::filesystem::exists(index_path), folder.string(),
          ": neither pytorch_model.bin nor pytorch_model.bin.index.json");
  const auto index_json = read_file(index_path);
  return in_context(index_path.string(), [&] {
    const auto weight_map = parse_shard_index(index_json);
    for (const auto& name : shard_names(folder, weight_map)) {
      files.push_back(open_pytorch_bin(folder / name));
      std::vector<std::string_view> tensors;
      for (const auto& tensor : files.back().tensors) tensors.push_back(tensor.name);
      check_shard(tensors, name, weight_map);
    }
    return std::move(files);
  });
}

}  // namespace assay
