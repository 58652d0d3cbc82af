#include "model/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "model/checkpoint_impl.h"
#include "model/packed_tensor.h"
#include "model/quantized_folder.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

std::string readable_dtype(const std::string& stored) {
  if (stored == "F32") return "float32";
  if (stored == "F16") return "float16";
  if (stored == "BF16") return "bfloat16";
  return stored;
}

// The stored types of the block linears, that of most weights first.
std::vector<std::string> linear_dtypes(const std::vector<TensorRecord>& tensors) {
  std::map<std::string, int64_t> weights_of;
  for (const auto& tensor : tensors) {
    if (is_block_linear(tensor.name)) {
      weights_of[tensor.stored_dtype] += tensor.shape[0] * tensor.shape[1];
    }
  }
  std::vector<std::pair<int64_t, std::string>> order;
  order.reserve(weights_of.size());
  for (const auto& [dtype, weights] : weights_of) order.emplace_back(-weights, dtype);
  std::ranges::sort(order);
  std::vector<std::string> dtypes;
  dtypes.reserve(order.size());
  for (const auto& [weights, dtype] : order) dtypes.push_back(dtype);
  return dtypes;
}

// "NAME DTYPE [SHAPE] SHA256-OF-BYTES\n"; of a packed linear each part behind the shape.
std::string identity_line(const StoredTensor& tensor) {
  std::string line = tensor.record.name + " " + tensor.record.stored_dtype + " [";
  for (const auto dim : tensor.record.shape) line += std::to_string(dim) + ",";
  if (tensor.packed) return line + "] " + identity_of_parts(*tensor.packed) + "\n";
  line += "] " + sha256_hex(tensor.bytes) + "\n";
  tensor.mapping->let_go(tensor.bytes);
  return line;
}

}  // namespace

Checkpoint::Impl::Impl(CheckpointFiles opened) : files(std::move(opened)) {
  for (const auto& tensor : files.tensors) {
    index_of_name.emplace(tensor.record.name, records.size());
    records.push_back(tensor.record);
  }
}

const StoredTensor& Checkpoint::Impl::stored(const std::string& name) const {
  const auto found = index_of_name.find(name);
  if (found != index_of_name.end()) return files.tensors[found->second];
  std::vector<std::string_view> known;
  known.reserve(records.size());
  for (const auto& record : records) known.push_back(record.name);
  const auto near = nearest_name(name, known);
  fail(ErrorKind::kBadInput, files.path.string(), ": no tensor '", name, "'",
       near.empty() ? "" : " (did you mean '" + near + "'?)");
}

Checkpoint::Checkpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  require(std::filesystem::exists(path), path.string(), ": no such file or folder");
  const bool folder = std::filesystem::is_directory(path);
  require(folder || path.extension() == ".gguf", path.string(),
          ": expected a folder in Hugging Face layout or a .gguf file");
  return Checkpoint(std::make_shared<const Impl>(folder ? read_folder_checkpoint(path)
                                                        : read_gguf_checkpoint(path)));
}

const ModelConfig& Checkpoint::config() const { return impl_->files.config; }

const std::vector<TensorRecord>& Checkpoint::tensors() const { return impl_->records; }

bool Checkpoint::has(const std::string& name) const { return impl_->index_of_name.contains(name); }

at::Tensor Checkpoint::tensor(const std::string& name) const {
  const auto decoded = decode(impl_->stored(name));
  require_finite(decoded, name);
  return decoded;
}

at::Tensor Checkpoint::tensor_as_stored(const std::string& name) const {
  return decode(impl_->stored(name));
}

const StoredTensor& Checkpoint::stored(const std::string& name) const {
  return impl_->stored(name);
}

std::string Checkpoint::weights_hash() const {
  const auto& tensors = impl_->files.tensors;
  std::vector<std::string> lines(tensors.size());
  parallel_for(static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    lines[index] = identity_line(tensors[index]);
  });
  Sha256 hash;
  for (const auto& line : lines) hash.update(line);
  return hash.hex();
}

std::string Checkpoint::description() const {
  std::string dtypes;
  for (const auto& dtype : linear_dtypes(impl_->records)) {
    dtypes += (dtypes.empty() ? "" : ", ") + readable_dtype(dtype);
  }
  // A path that ends in a slash has an empty file name.
  const auto path = std::filesystem::absolute(impl_->files.path).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  auto text = name.string() + ": " + (quantized() ? "decoded " : "") + dtypes;
  if (impl_->files.quantization) text += arithmetic_note(*impl_->files.quantization);
  return text;
}

bool Checkpoint::quantized() const {
  return std::ranges::any_of(impl_->files.tensors, [](const StoredTensor& tensor) {
    if (!is_block_linear(tensor.record.name)) return false;
    if (tensor.packed) return true;
    return tensor.format != nullptr && bits_per_element(*tensor.format) < 16;
  });
}

std::string Checkpoint::input_note() const {
  return impl_->files.quantization ? impl_->files.quantization->input_note : "";
}

std::vector<std::string> Checkpoint::warnings() const {
  auto all = packed_warnings(impl_->files.tensors);
  all.insert(all.begin(), impl_->files.warnings.begin(), impl_->files.warnings.end());
  return all;
}

std::optional<kernels::LlmInt8Options> Checkpoint::int8_product() const {
  const auto own = assay::int8_product(impl_->files.provenance);
  const auto& quantization = impl_->files.quantization;
  if (own || !quantization || !quantization->llm_int8_threshold) return own;
  return kernels::LlmInt8Options{.threshold = static_cast<float>(*quantization->llm_int8_threshold),
                                 .outliers = kernels::OutlierColumns::kPerRow};
}

Json Checkpoint::provenance() const { return impl_->files.provenance; }

}  // namespace assay
