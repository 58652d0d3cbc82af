#include "model/checkpoint_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "io/safetensors.h"
#include "model/family.h"
#include "model/quantized_folder.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

// Old exports hold a table that is computed from the config; a tied head may be stored all the
// same.
bool may_be_ignored(std::string_view name, const ModelConfig& config) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         (name == "lm_head.weight" && config.tie_word_embeddings);
}

void check_tensors(const CheckpointFiles& files) {
  std::map<std::string_view, const StoredTensor*> unseen;
  for (const auto& tensor : files.tensors) unseen.emplace(tensor.record.name, &tensor);
  const auto see = [&](const ExpectedTensor& expected) {
    const auto found = unseen.find(expected.name);
    require_intact(found != unseen.end(), "tensor '", expected.name, "' is missing");
    const auto& shape = found->second->record.shape;
    require_intact(shape == expected.shape, "tensor '", expected.name, "' has shape ",
                   shape_text(shape), ", the config needs ", shape_text(expected.shape));
    unseen.erase(found);
  };
  for (const auto& tensor : all_tensors(files.config)) see(tensor);
  for (const auto& [name, tensor] : unseen) {
    require(may_be_ignored(name, files.config), "tensor '", tensor->record.stored_name,
            "' has no place in a model of type ", files.config.model_type, " with ",
            files.config.num_hidden_layers, " layers");
  }
}

std::vector<int64_t> signed_shape(const std::vector<uint64_t>& dims) {
  return {dims.begin(), dims.end()};  // both parsers bound the number of elements
}

StoredTensor stored(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  const auto bytes = file.bytes(tensor);
  return {{tensor.name, tensor.name, std::string(tensor.dtype->name), signed_shape(tensor.shape),
           bytes.size()},
          file.mapping,
          bytes,
          block_format_by_name(tensor.dtype->name)};
}

StoredTensor stored(const GgufTensor& tensor, const ModelConfig& config) {
  const auto name = name_from_gguf(tensor.name);
  require(name.has_value(), "tensor '", tensor.name, "' has no place in a model that is known");
  auto shape = signed_shape(tensor.dims);
  std::ranges::reverse(shape);
  const auto bytes = tensor.bytes();
  StoredTensor result{{*name, tensor.name, std::string(tensor.format->name), shape, bytes.size()},
                      tensor.mapping,
                      bytes,
                      tensor.format};
  if (!family_of_model_type(config.model_type).interleaved_gguf) return result;
  if (name->find(".q_proj.") != std::string::npos)
    result.interleaved_heads = config.num_attention_heads;
  if (name->find(".k_proj.") != std::string::npos)
    result.interleaved_heads = config.num_key_value_heads;
  return result;
}

// Sorted and complete, or an error.
CheckpointFiles finished(CheckpointFiles files) {
  const auto name = [](const StoredTensor& tensor) -> std::string_view {
    return tensor.record.name;
  };
  std::ranges::sort(files.tensors, {}, name);
  const auto twice = std::ranges::adjacent_find(files.tensors, {}, name);
  require_intact(twice == files.tensors.end(), "tensor '",
                 twice == files.tensors.end() ? "" : twice->record.name, "' appears twice");
  check_tensors(files);
  return files;
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
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
  for (const auto& file : open_safetensors_folder(folder)) {
    for (const auto& tensor : file.header.tensors) files.tensors.push_back(stored(file, tensor));
  }
  files.quantization = read_quantization(folder, config_json);
  return in_context(folder.string(), [&] {
    files.tensors = merge_packed(std::move(files.tensors), files.quantization);
    return finished(std::move(files));
  });
}

CheckpointFiles read_gguf_checkpoint(const std::filesystem::path& path) {
  CheckpointFiles files;
  files.path = path;
  files.gguf = open_gguf(path);
  return in_context(path.string(), [&] {
    files.config = config_from_gguf(*files.gguf);
    for (const auto& tensor : files.gguf->tensors) {
      if (tensor.name == "rope_freqs.weight") continue;  // in the config: rope_scaling
      files.tensors.push_back(stored(tensor, files.config));
    }
    return finished(std::move(files));
  });
}

}  // namespace assay
