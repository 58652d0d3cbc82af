#include "model/gguf_export.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/version.h"
#include "model/file_layout.h"
#include "model/gguf_file_types.h"
#include "model/gguf_metadata.h"
#include "model/stored_tensor.h"
#include "model/tensor_names.h"
#include "tokenizer/tokenizer_to_gguf.h"

namespace assay {
namespace {

constexpr uint64_t kQuantizationVersion = 2;
constexpr int64_t kPieceValues = int64_t{1} << 24;  // compared at once

// Keys that say how the source's tensors were stored, or that this export writes itself.
bool is_of_storage(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key.starts_with("split.") ||
         key.starts_with("quantize.imatrix.") || key == "assay.version" ||
         key.starts_with("assay.source");
}

std::string model_name(const Checkpoint& checkpoint) {
  const std::string description = checkpoint.description();  // "NAME: types"
  return description.substr(0, description.find(':'));
}

// What model this is: from the source's keys, or from its config and tokenizer.
void add_model_keys(const Checkpoint& checkpoint, const GgufFile* source, GgufPlan& plan) {
  const ModelConfig& config = checkpoint.config();
  GgufMetadata metadata = metadata_of(config);
  plan.rope_divisors = std::move(metadata.rope_divisors);
  if (source != nullptr) {
    for (const auto& [key, value] : source->values) {
      if (!is_of_storage(key)) plan.values.emplace_back(key, value);
    }
    if (const GgufTensor* divisors = source->find_tensor("rope_freqs.weight")) {
      plan.rope_divisors.resize(divisors->dims[0]);
      decode_blocks(*divisors->format, divisors->bytes(), plan.rope_divisors);
    }
    return;
  }
  plan.values = std::move(metadata.values);
  plan.values.emplace_back("general.name", model_name(checkpoint));
  plan.values.emplace_back("general.size_label", size_label(num_weights(config)));
  plan.lost = std::move(metadata.notes);
  const GgufTokenizer tokenizer = tokenizer_to_gguf(checkpoint.tokenizer(), config.vocab_size,
                                                    {config.bos_token_id, config.eos_token_id});
  plan.values.insert(plan.values.end(), tokenizer.values.begin(), tokenizer.values.end());
  plan.lost.insert(plan.lost.end(), tokenizer.notes.begin(), tokenizer.notes.end());
}

// Where the weights come from. Of a compressed checkpoint also how they were made, and what of that
// the file cannot say.
void add_provenance(const Checkpoint& checkpoint, GgufPlan& plan) {
  const auto put = [&](const std::string& key, const Json& value) {
    if (value.is_null()) return;
    plan.values.emplace_back("assay." + key,
                             value.is_string() ? value.get<std::string>() : value.dump());
  };
  put("version", version());
  put("source", checkpoint.description());
  put("source_weights_sha256", checkpoint.weights_hash());
  const Json provenance = checkpoint.provenance();
  if (!provenance.is_object()) return;
  const auto member = [](const Json& object, const char* key) {
    return object.is_object() ? object.value(key, Json()) : Json();
  };
  const Json method = member(provenance, "method");
  put("method", member(method, "method"));
  put("settings", method);
  put("calibration_ids_sha256", member(member(provenance, "calibration"), "ids_sha256"));
  put("dense_weights_sha256", member(member(provenance, "source"), "weights_sha256"));
  if (provenance.contains("product")) {
    plan.lost.emplace_back("8-bit products: the file is computed in floating point");
  }
  if (provenance.contains("kv_cache")) {
    plan.lost.emplace_back("the KV cache in few bits: the program that loads the file chooses");
  }
}

void add_storage_keys(const GgufExportOptions& options, const GgufFileType& type, GgufPlan& plan) {
  plan.values.emplace_back("general.file_type", uint64_t{type.id});
  const bool is_quantized = std::ranges::any_of(
      plan.tensors, [](const auto& t) { return t.stored.format->block_elements > 1; });
  if (is_quantized) plan.values.emplace_back("general.quantization_version", kQuantizationVersion);
  if (options.importance == nullptr) return;
  const ImportanceMatrix& matrix = *options.importance;
  plan.values.emplace_back("quantize.imatrix.file", options.importance_source);
  if (!matrix.datasets.empty()) {
    plan.values.emplace_back("quantize.imatrix.dataset", matrix.datasets.front());
  }
  plan.values.emplace_back("quantize.imatrix.entries_count",
                           static_cast<uint64_t>(matrix.mean_squares.size()));
  plan.values.emplace_back("quantize.imatrix.chunks_count", static_cast<uint64_t>(matrix.chunks));
}

std::vector<float> importance_of(const std::string& gguf_name, uint64_t row_length,
                                 const ImportanceMatrix* matrix) {
  if (matrix == nullptr) return {};
  const auto found = matrix->mean_squares.find(gguf_name);
  if (found == matrix->mean_squares.end()) return {};
  require(found->second.size() == row_length, "importance matrix: '", gguf_name, "' has ",
          found->second.size(), " columns, the model's weight ", row_length);
  return found->second;
}

PlannedTensor planned(const FileTensor& file, const ModelConfig& config, const GgufMixture& mixture,
                      const GgufExportOptions& options) {
  PlannedTensor plan;
  plan.name = file.parts[0].name;
  plan.conversion = gguf_conversion(plan.name, config);
  plan.stored = {file.name, {file.shape.rbegin(), file.shape.rend()}, nullptr};
  const uint64_t row_length = plan.stored.dims[0];
  if (is_always_float32(file.name, file.shape.size())) {
    plan.stored.format = block_format_by_name("F32");
    return plan;
  }
  plan.stored.format =
      &matrix_format(gguf_file_type_named(options.file_type), file.name, row_length, mixture);
  plan.importance = importance_of(file.name, row_length, options.importance);
  const GgufTensor* there =
      options.source != nullptr ? options.source->find_tensor(file.name) : nullptr;
  plan.is_copied = there != nullptr && there->format == plan.stored.format;
  return plan;
}

// Embedding, blocks, final norm, head.
std::vector<FileTensor> in_file_order(const ModelConfig& config) {
  auto tensors = gguf_tensors(config);
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    const auto place = [](const FileTensor& tensor) {
      if (tensor.name.starts_with("token_embd")) return 0;
      return tensor.name.starts_with("blk.") ? 1 : 2;
    };
    return place(a) < place(b);
  });
  return tensors;
}

// Encodes rows and decodes them again, some at a time.
StorageLoss encode(std::span<const float> values, const PlannedTensor& tensor,
                   std::vector<std::byte>& out) {
  const BlockFormat& format = *tensor.stored.format;
  const size_t row_length = tensor.stored.dims[0];
  out.resize(byte_size(tensor.stored));
  encode_blocks(format, values, row_length, tensor.importance, out);
  if (format.name == "F32") {
    StorageLoss loss;
    loss.values = static_cast<int64_t>(values.size());
    return loss;
  }
  const size_t piece = std::max<size_t>(kPieceValues / row_length, 1) * row_length;
  std::vector<float> decoded;
  StorageLoss loss;
  for (size_t first = 0; first < values.size(); first += piece) {
    const size_t count = std::min(piece, values.size() - first);
    decoded.resize(count);
    decode_blocks(format,
                  std::span(out).subspan(first / format.block_elements * format.block_bytes,
                                         count / format.block_elements * format.block_bytes),
                  decoded);
    loss.add(loss_of(values.subspan(first, count), decoded, tensor.name, format.name));
  }
  return loss;
}

StorageLoss write_tensor(const Checkpoint& checkpoint, const GgufFile* source,
                         const PlannedTensor& tensor, GgufWriter& writer,
                         std::vector<std::byte>& buffer) {
  StorageLoss loss;
  if (tensor.is_copied) {
    writer.write(tensor.stored.name, source->find_tensor(tensor.stored.name)->bytes());
    loss.values =
        std::accumulate(tensor.stored.dims.begin(), tensor.stored.dims.end(), int64_t{1},
                        [](int64_t a, uint64_t b) { return a * static_cast<int64_t>(b); });
    loss.copied = 1;
  } else {
    auto values = checkpoint.tensor(tensor.name);
    const auto [interleaved_heads, added] = tensor.conversion;
    if (interleaved_heads > 0) values = rotary_interleaved(values, interleaved_heads);
    if (added != 0) values = values + added;
    loss = encode({values.const_data_ptr<float>(), static_cast<size_t>(values.numel())}, tensor,
                  buffer);
    writer.write(tensor.stored.name, buffer);
  }
  loss.tensors = 1;
  loss.bytes = static_cast<int64_t>(byte_size(tensor.stored));
  return loss;
}

}  // namespace

std::vector<GgufTensorDeclaration> GgufPlan::declarations() const {
  std::vector<GgufTensorDeclaration> declared;
  for (const auto& tensor : tensors) declared.push_back(tensor.stored);
  return declared;
}

uint64_t GgufPlan::data_bytes() const {
  uint64_t sum = 0;
  for (const auto& tensor : tensors) sum += byte_size(tensor.stored);
  return sum;
}

GgufPlan plan_gguf_export(const Checkpoint& checkpoint, const GgufExportOptions& options) {
  const GgufFileType& type = gguf_file_type_named(options.file_type);
  const ModelConfig& config = checkpoint.config();
  const GgufMixture mixture{
      .num_layers = config.num_hidden_layers,
      .queries_per_key = config.num_attention_heads / config.num_key_value_heads,
      .is_tied = config.tie_word_embeddings,
      .has_importance = options.importance != nullptr};
  GgufPlan plan;
  add_model_keys(checkpoint, options.source, plan);
  for (const FileTensor& file : in_file_order(config)) {
    plan.tensors.push_back(planned(file, config, mixture, options));
  }
  if (options.importance != nullptr) {
    require(std::ranges::any_of(plan.tensors, [](const auto& t) { return !t.importance.empty(); }),
            "importance matrix: it names no tensor of this model");
  }
  if (!plan.rope_divisors.empty()) {
    PlannedTensor divisors;
    divisors.stored = {
        "rope_freqs.weight", {plan.rope_divisors.size()}, block_format_by_name("F32")};
    plan.tensors.push_back(std::move(divisors));
  }
  add_storage_keys(options, type, plan);
  add_provenance(checkpoint, plan);
  return plan;
}

GgufExportReport export_gguf(const Checkpoint& checkpoint, const GgufPlan& plan,
                             const std::filesystem::path& path, const GgufExportOptions& options,
                             const ExportProgress& on_tensor) {
  GgufWriter writer(path, plan.values, plan.declarations(), options.max_part_bytes);
  const auto total = static_cast<double>(num_weights(checkpoint.config()));
  GgufExportReport report;
  std::vector<std::byte> buffer;
  double done = 0;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (on_tensor) on_tensor(done, total, tensor.stored.name);
    if (tensor.name.empty()) {
      writer.write(tensor.stored.name, std::as_bytes(std::span(plan.rope_divisors)));
      continue;
    }
    const StorageLoss loss = write_tensor(checkpoint, options.source, tensor, writer, buffer);
    report.by_format[std::string(tensor.stored.format->name)].add(loss);
    done += static_cast<double>(loss.values);
  }
  writer.commit();
  report.paths = writer.paths();
  return report;
}

}  // namespace assay
