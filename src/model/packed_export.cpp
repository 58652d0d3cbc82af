#include "model/packed_export.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/safetensors_writer.h"
#include "model/export_dtype.h"
#include "model/export_folder.h"
#include "model/file_layout.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct NamedPart {
  std::string name;  // in the file
  OwnedPart part;
};

struct Shard {
  std::set<std::string> missing;  // tensors of the model
  std::vector<NamedPart> parts;
};

// 0 for what is outside of blocks, 1 + its layer else.
size_t shard_of(std::string_view name) {
  constexpr std::string_view kBlocks = "model.layers.";
  size_t layer = 0;
  if (!name.starts_with(kBlocks)) return 0;
  std::from_chars(name.data() + kBlocks.size(), name.data() + name.size(), layer);
  return 1 + layer;
}

std::span<const float> floats_in(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// A tensor that is stored as it is.
NamedPart plain(const std::string& name, const at::Tensor& tensor, const ExportDtype& dtype) {
  const auto stored = as_exported(tensor, dtype, name);
  const auto* bytes = static_cast<const std::byte*>(stored.const_data_ptr());
  return {name,
          {"",
           dtype_named(dtype.stored),
           {stored.sizes().begin(), stored.sizes().end()},
           {bytes, bytes + stored.nbytes()}}};
}

}  // namespace

struct PackedExport::State {
  State(const fs::path& target, const ModelConfig& model, PackedForm stored_form,
        ExistingFolder existing)
      : form(std::move(stored_form)),
        dtype(export_dtype(form.dtype)),
        folder(target, existing),
        config(model) {
    shards.resize(static_cast<size_t>(config.num_hidden_layers) + 1);
    for (const FileTensor& file : hugging_face_tensors(config)) {
      require(file.is_plain(), "models of type ", config.model_type, " are not written packed: '",
              file.name, "' holds several linears, or is transposed");
      const FilePart& part = file.parts[0];
      shapes.emplace(part.name, part.shape);
      file_names.emplace(part.name, file.name);
      shards[shard_of(part.name)].missing.insert(part.name);
    }
  }

  void require_tensor(const std::string& name, const at::Tensor& tensor) const {
    const auto shape = shapes.find(name);
    if (shape == shapes.end() || tensor.sizes() != at::IntArrayRef(shape->second)) {
      fail(ErrorKind::kInternal, "export: '", name, "' of shape ", tensor.sizes(),
           " is no tensor of this model");
    }
  }

  // A tensor of the model is there, as these parts.
  void add(const std::string& name, std::vector<NamedPart> parts) {
    const size_t index = shard_of(name);
    Shard& shard = shards[index];
    if (shard.missing.erase(name) == 0) {
      fail(ErrorKind::kInternal, "export: '", name, "' comes twice");
    }
    std::ranges::move(parts, std::back_inserter(shard.parts));
    if (shard.missing.empty()) write_shard(index);
  }

  void write_shard(size_t index) {
    auto& parts = shards[index].parts;
    const auto file = fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, shards.size());
    std::vector<TensorDeclaration> declared;
    for (const auto& [name, part] : parts) {
      declared.push_back({name, part.dtype, {part.shape.begin(), part.shape.end()}});
      weight_map[name] = file;
      total_size += part.bytes.size();
    }
    SafetensorsWriter writer(folder.path() / file, std::move(declared));
    for (const auto& [name, part] : parts) writer.write(name, part.bytes);
    writer.commit();
    parts = {};
  }

  PackedForm form;
  ExportDtype dtype;
  ExportFolder folder;
  ModelConfig config;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::map<std::string, std::string> file_names;
  std::vector<Shard> shards;
  std::set<std::string> packed;  // linears
  std::map<std::string, std::string> weight_map;
  uint64_t total_size = 0;
};

PackedExport::PackedExport(const fs::path& target, const ModelConfig& config, PackedForm form,
                           ExistingFolder existing)
    : state_(std::make_unique<State>(target, config, std::move(form), existing)) {}

PackedExport::~PackedExport() = default;

at::Tensor PackedExport::pack(const std::string& name, const at::Tensor& weight,
                              const LinearCodes& codes) {
  state_->require_tensor(name, weight);
  const PackedForm& form = state_->form;
  const auto values = weight.to(at::kFloat).contiguous();
  auto parts = pack_linear(form.layout, codes, {values.size(0), values.size(1)}, floats_in(values),
                           state_->dtype.stored);
  const StoredParts views = view(parts);
  auto stored = at::empty(values.sizes(), at::kFloat);
  packed_values(settled(form.layout, views), views,
                {stored.data_ptr<float>(), static_cast<size_t>(stored.numel())});
  const std::string& in_file = state_->file_names.at(name);
  const auto module = in_file.substr(0, in_file.size() - std::string_view("weight").size());
  std::vector<NamedPart> named;
  for (auto& part : parts) {
    auto full = module + part.name;
    named.push_back({std::move(full), std::move(part)});
  }
  state_->packed.insert(name);
  state_->add(name, std::move(named));
  return stored;
}

void PackedExport::write(const std::string& name, const at::Tensor& tensor) {
  if (state_->packed.contains(name)) return;
  state_->require_tensor(name, tensor);
  std::vector<NamedPart> one;
  one.push_back(plain(state_->file_names.at(name), tensor, state_->dtype));
  state_->add(name, std::move(one));
}

void PackedExport::commit(const Json& tokenizer_json, const Json& tokenizer_config,
                          const Json& provenance) {
  for (const Shard& shard : state_->shards) {
    if (!shard.missing.empty()) {
      fail(ErrorKind::kInternal, "export: '", *shard.missing.begin(), "' was not written");
    }
  }
  Json config = config_to_json(state_->config, state_->form.dtype);
  config["quantization_config"] = state_->form.quantization_config;
  const ExportFolder& folder = state_->folder;
  folder.write_json("config.json", config);
  if (state_->form.has_own_file) {
    folder.write_json("quantize_config.json", state_->form.quantization_config);
  }
  folder.write_json(
      "model.safetensors.index.json",
      {{"metadata", {{"total_size", state_->total_size}}}, {"weight_map", state_->weight_map}});
  folder.write_json("tokenizer.json", tokenizer_json);
  folder.write_json("tokenizer_config.json", tokenizer_config);
  folder.write_json("assay_provenance.json", provenance);
  state_->folder.commit();
}

}  // namespace assay
