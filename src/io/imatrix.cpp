#include "io/imatrix.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "io/byte_reader.h"
#include "io/gguf.h"
#include "io/gguf_writer.h"

namespace assay {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

std::string read_text(ByteReader& in, const std::string& what) {
  const auto length = in.read<int32_t>(what);
  require_intact(length >= 0, what, ": length ", length);
  const auto bytes = in.take(static_cast<uint64_t>(length), what);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require_intact(!first_invalid_utf8(text), what, " is not UTF-8 text");
  return text;
}

// Sums over `count`; without a count they say nothing, and all columns weigh the same.
void append_means(std::span<const float> sums, float count, const std::string& what,
                  std::vector<float>& means) {
  require_intact(std::isfinite(count) && count >= 0, what, ": a count of ", count);
  for (const float sum : sums) {
    require_intact(std::isfinite(sum) && sum >= 0, what, ": a sum of squares of ", sum);
    means.push_back(count > 0 ? sum / count : 1.0f);
  }
}

std::vector<float> read_floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

ImportanceMatrix parse_older(std::span<const std::byte> file) {
  ByteReader in(file);
  ImportanceMatrix result;
  const auto entries = in.read<int32_t>("number of entries");
  // The shortest entry has an empty name and one value.
  require_intact(entries > 0 && static_cast<uint64_t>(entries) <= in.remaining() / 16,
                 "not an importance matrix: ", entries, " entries in ", file.size(), " bytes");
  for (int32_t i = 0; i < entries; ++i) {
    const std::string name = read_text(in, "name of entry " + std::to_string(i));
    const std::string what = "entry '" + name + "'";
    const auto calls = in.read<int32_t>(what);
    const auto values = in.read<int32_t>(what);
    require_intact(values > 0, what, ": ", values, " values");
    const auto sums = read_floats(in.take(static_cast<uint64_t>(values) * sizeof(float), what));
    std::vector<float> means;
    // As the reference: without calls the sums are the means.
    append_means(sums, calls > 0 ? static_cast<float>(calls) : 1.0f, what, means);
    require_intact(result.mean_squares.emplace(name, std::move(means)).second, what,
                   " is there twice");
  }
  if (in.remaining() == 0) return result;
  result.chunks = in.read<int32_t>("number of chunks");
  require_intact(result.chunks >= 0, "number of chunks: ", result.chunks);
  result.datasets.push_back(read_text(in, "name of the text"));
  require_intact(in.remaining() == 0, in.remaining(), " bytes behind the end");
  return result;
}

std::vector<float> floats_of(const GgufTensor& tensor, std::span<const std::byte> file) {
  require_intact(tensor.format->name == "F32", "tensor '", tensor.name, "' must be F32, is ",
                 tensor.format->name);
  return read_floats(file.subspan(tensor.begin, tensor.end - tensor.begin));
}

// Sums [columns, experts] and counts [1, experts].
std::vector<float> means_of(const GgufTensor& sums, const GgufTensor& counts,
                            std::span<const std::byte> file) {
  const auto sum = floats_of(sums, file), count = floats_of(counts, file);
  const size_t columns = sums.dims[0];
  require_intact(sum.size() == columns * count.size(), "tensor '", counts.name, "' has ",
                 count.size(), " counts for ", sum.size() / columns, " rows of sums");
  std::vector<float> means;
  for (size_t e = 0; e < count.size(); ++e) {
    append_means(std::span(sum).subspan(e * columns, columns), count[e], "'" + sums.name + "'",
                 means);
  }
  return means;
}

ImportanceMatrix parse_gguf_form(std::span<const std::byte> bytes) {
  const GgufFile file = parse_gguf(bytes);
  require_intact(file.find_string("general.type").value_or("") == "imatrix",
                 "general.type is not 'imatrix'");
  ImportanceMatrix result;
  if (file.has("imatrix.datasets")) result.datasets = file.strings("imatrix.datasets");
  result.chunks = file.find_integer("imatrix.chunk_count").value_or(0);
  for (const GgufTensor& tensor : file.tensors) {
    const bool is_sums = tensor.name.ends_with(kSums), is_counts = tensor.name.ends_with(kCounts);
    if (!is_sums && !is_counts) continue;  // other statistics
    const std::string name =
        tensor.name.substr(0, tensor.name.size() - (is_sums ? kSums : kCounts).size());
    const auto* other = file.find_tensor(name + std::string(is_sums ? kCounts : kSums));
    require_intact(other != nullptr, "'", name, "' has no ", is_sums ? kCounts : kSums);
    if (is_sums) result.mean_squares.emplace(name, means_of(tensor, *other, bytes));
  }
  require_intact(!result.mean_squares.empty(), "holds no sums of any weight");
  return result;
}

std::string as_text(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

ImportanceMatrix parse_imatrix(std::span<const std::byte> file) {
  const bool is_gguf = file.size() >= 4 && std::memcmp(file.data(), "GGUF", 4) == 0;
  return is_gguf ? parse_gguf_form(file) : parse_older(file);
}

ImportanceMatrix open_imatrix(const std::filesystem::path& path) {
  const auto mapping = MappedFile::open(path);
  return in_context(path.string(), [&] { return parse_imatrix(mapping->bytes()); });
}

std::string imatrix_bytes(const std::map<std::string, ImportanceSums>& sums,
                          const std::vector<std::string>& datasets, int64_t chunks,
                          int64_t chunk_tokens) {
  const BlockFormat* f32 = block_format_by_name("F32");
  std::vector<GgufTensorBytes> tensors;
  for (const auto& [name, of_weight] : sums) {
    const float count = static_cast<float>(of_weight.count);
    tensors.push_back({name + std::string(kSums),
                       {of_weight.sum_of_squares.size(), 1},
                       f32,
                       as_text(of_weight.sum_of_squares)});
    tensors.push_back({name + std::string(kCounts), {1, 1}, f32, as_text({&count, 1})});
  }
  return gguf_bytes({{"general.type", std::string("imatrix")},
                     {"imatrix.datasets", datasets},
                     {"imatrix.chunk_count", static_cast<uint64_t>(chunks)},
                     {"imatrix.chunk_size", static_cast<uint64_t>(chunk_tokens)}},
                    tensors);
}

}  // namespace assay
