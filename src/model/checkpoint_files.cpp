#include "model/checkpoint_files.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "io/pytorch_bin.h"
#include "io/safetensors.h"
#include "model/family.h"
#include "model/file_layout.h"
#include "model/quantized_folder.h"

namespace assay {
namespace {

// Old exports hold tables that are computed from the config; a tied head may be stored all the
// same.
bool may_be_ignored(std::string_view name, const ModelConfig& config) {
  const Family& family = family_of_model_type(config.model_type);
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  return ends(".rotary_emb.inv_freq") || std::ranges::any_of(family.ignored, ends) ||
         (name == std::string(family.outer.lm_head) + ".weight" && config.tie_word_embeddings);
}

std::vector<int64_t> signed_shape(const std::vector<uint64_t>& dims) {
  return {dims.begin(), dims.end()};  // both parsers bound the number of elements
}

// How the floats of a folder's tensor decode; nullptr of any other dtype, whose numbers are codes.
const BlockFormat* float_format(const Dtype& dtype) {
  constexpr std::array<std::string_view, 4> kFloats{"F32", "F16", "BF16", "F64"};
  const bool is_float = std::ranges::find(kFloats, dtype.name) != kFloats.end();
  return is_float ? block_format_by_name(dtype.name) : nullptr;
}

StoredTensor stored(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  const auto bytes = file.bytes(tensor);
  return {{tensor.name, tensor.name, std::string(tensor.dtype->name), signed_shape(tensor.shape),
           bytes.size()},
          file.mapping,
          bytes,
          float_format(*tensor.dtype)};
}

// Bytes in another order than that of rows are those of a transposed matrix.
StoredTensor stored(const PytorchFile& file, const PytorchTensor& tensor) {
  const auto bytes = file.bytes(tensor);
  StoredTensor result{{tensor.name, tensor.name, std::string(tensor.dtype->name),
                       signed_shape(tensor.shape), bytes.size()},
                      file.mapping,
                      bytes,
                      float_format(*tensor.dtype)};
  if (tensor.strides.empty()) return result;
  const auto shape = result.record.shape;
  require(shape.size() == 2, "tensor '", tensor.name, "': a view of ", shape.size(),
          " dimensions that is not row-major");
  result.part = PartOfTensor{
      {shape[1], shape[0]}, true, {.first_row = 0, .run_rows = shape[0], .stride = shape[0]}};
  return result;
}

StoredTensor stored(const GgufTensor& tensor) {
  auto shape = signed_shape(tensor.dims);
  std::ranges::reverse(shape);
  const auto bytes = tensor.bytes();
  return {{tensor.name, tensor.name, std::string(tensor.format->name), shape, bytes.size()},
          tensor.mapping,
          bytes,
          tensor.format};
}

int64_t num_elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// A model's tensor out of the file's.
StoredTensor part_of(const StoredTensor& whole, const FileTensor& file, const FilePart& part) {
  StoredTensor result = whole;
  result.record.name = part.name;
  result.record.shape = part.shape;
  if (file.is_plain()) return result;
  require(!whole.part, "tensor '", file.name, "': a transposed view that holds several linears");
  result.record.stored_bytes = whole.record.stored_bytes *
                               static_cast<uint64_t>(num_elements(part.shape)) /
                               static_cast<uint64_t>(num_elements(file.shape));
  result.part = PartOfTensor{file.shape, file.transposed, part.rows};
  return result;
}

// The model's tensors, by name, out of those of its files: each that the config needs is there in
// its shape, and there is none that the model would not use.
std::vector<StoredTensor> model_tensors(std::vector<StoredTensor> stored,
                                        const std::vector<FileTensor>& files,
                                        const ModelConfig& config) {
  const auto name = [](const StoredTensor& tensor) -> std::string_view {
    return tensor.record.name;
  };
  std::ranges::sort(stored, {}, name);
  const auto twice = std::ranges::adjacent_find(stored, {}, name);
  require_intact(twice == stored.end(), "tensor '", twice == stored.end() ? "" : twice->record.name,
                 "' appears twice");
  std::map<std::string_view, const StoredTensor*> unseen;
  for (const auto& tensor : stored) unseen.emplace(tensor.record.name, &tensor);
  std::vector<StoredTensor> tensors;
  for (const FileTensor& file : files) {
    const auto found = unseen.find(file.name);
    require_intact(found != unseen.end(), "tensor '", file.name, "' is missing");
    const auto& shape = found->second->record.shape;
    require_intact(shape == file.shape, "tensor '", file.name, "' has shape ", shape_text(shape),
                   ", the config needs ", shape_text(file.shape));
    for (const FilePart& part : file.parts) tensors.push_back(part_of(*found->second, file, part));
    unseen.erase(found);
  }
  std::vector<std::string_view> known;
  known.reserve(files.size());
  for (const FileTensor& file : files) known.push_back(file.name);
  for (const auto& [extra, tensor] : unseen) {
    if (may_be_ignored(extra, config)) continue;
    const auto near = nearest_name(extra, known);
    fail(ErrorKind::kBadInput, "tensor '", extra, "' has no place in a model of type ",
         config.model_type, " with ", config.num_hidden_layers, " layers",
         near.empty() ? "" : " (the nearest that has one is '" + near + "')");
  }
  std::ranges::sort(tensors, {}, name);
  return tensors;
}

// What stands in front of the names: old files leave it out.
std::string_view trunk_of(const std::vector<StoredTensor>& stored, const ModelConfig& config) {
  const OuterNames& outer = family_of_model_type(config.model_type).outer;
  const bool is_absent =
      outer.trunk_may_be_absent && std::ranges::any_of(stored, [&](const StoredTensor& tensor) {
        return tensor.record.name == std::string(outer.embed_tokens) + ".weight";
      });
  return is_absent ? std::string_view() : outer.trunk;
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

// safetensors where there are any; else what torch.save wrote.
std::vector<StoredTensor> tensors_of_folder(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  const bool has_safetensors = has("model.safetensors") || has("model.safetensors.index.json");
  std::vector<StoredTensor> all;
  if (!has_safetensors && (has("pytorch_model.bin") || has("pytorch_model.bin.index.json"))) {
    for (const auto& file : open_pytorch_folder(folder)) {
      for (const auto& tensor : file.tensors) all.push_back(stored(file, tensor));
    }
    return all;
  }
  for (const auto& file : open_safetensors_folder(folder)) {
    for (const auto& tensor : file.header.tensors) all.push_back(stored(file, tensor));
  }
  return all;
}

}  // namespace

CheckpointFiles read_folder_checkpoint(const std::filesystem::path& folder) {
  require(std::filesystem::exists(folder / "config.json"), folder.string(), ": no config.json");
  const auto config_json = read_json(folder / "config.json");
  CheckpointFiles files;
  files.path = folder;
  files.config =
      in_context((folder / "config.json").string(), [&] { return config_from_json(config_json); });
  const auto provenance = folder / "assay_provenance.json";
  if (std::filesystem::exists(provenance)) files.provenance = read_json(provenance);
  auto all = tensors_of_folder(folder);
  files.quantization = read_quantization(folder, config_json);
  return in_context(folder.string(), [&] {
    all = merge_packed(std::move(all), files.quantization);
    const auto layout = hugging_face_tensors(files.config, trunk_of(all, files.config));
    files.tensors = model_tensors(std::move(all), layout, files.config);
    return std::move(files);
  });
}

CheckpointFiles read_gguf_checkpoint(const std::filesystem::path& path) {
  CheckpointFiles files;
  files.path = path;
  files.gguf = open_gguf(path);
  return in_context(path.string(), [&] {
    files.config = config_from_gguf(*files.gguf);
    std::vector<StoredTensor> all;
    for (const auto& tensor : files.gguf->tensors) {
      if (tensor.name == "rope_freqs.weight") continue;  // in the config: rope_scaling
      all.push_back(stored(tensor));
    }
    files.tensors = model_tensors(std::move(all), gguf_tensors(files.config), files.config);
    for (auto& tensor : files.tensors) {
      const auto conversion = gguf_conversion(tensor.record.name, files.config);
      tensor.interleaved_heads = conversion.interleaved_heads;
      tensor.added = -conversion.added;
    }
    return std::move(files);
  });
}

}  // namespace assay
