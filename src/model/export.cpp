#include "model/export.h"

#include <ATen/ATen.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/safetensors_writer.h"
#include "model/export_dtype.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

}  // namespace

struct FolderExport::State {
  State(const fs::path& target, ExistingFolder existing) : folder(target, existing) {}

  ExportFolder folder;
  ModelConfig config;
  ExportDtype dtype;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::optional<SafetensorsWriter> weights;
};

FolderExport::FolderExport(const fs::path& target, const ModelConfig& config,
                           const std::string& dtype, ExistingFolder existing)
    : state_(std::make_unique<State>(target, existing)) {
  state_->dtype = export_dtype(dtype);
  state_->config = config;
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, shape] : all_tensors(config)) {
    state_->shapes.emplace(name, shape);
    declared.push_back({name, dtype_named(state_->dtype.stored), {shape.begin(), shape.end()}});
  }
  state_->weights.emplace(state_->folder.path() / "model.safetensors", std::move(declared));
}

FolderExport::~FolderExport() = default;

void FolderExport::write(const std::string& name, const at::Tensor& tensor) {
  const auto shape = state_->shapes.find(name);
  if (shape == state_->shapes.end() || tensor.sizes() != at::IntArrayRef(shape->second)) {
    fail(ErrorKind::kInternal, "export: '", name, "' of shape ", tensor.sizes(),
         " is no tensor of this model");
  }
  const auto stored = as_exported(tensor, state_->dtype, name);
  state_->weights->write(name,
                         {static_cast<const std::byte*>(stored.const_data_ptr()), stored.nbytes()});
}

void FolderExport::commit(const Json& tokenizer_json, const Json& tokenizer_config,
                          const Json& provenance) {
  state_->weights->commit();
  const ExportFolder& folder = state_->folder;
  folder.write_json("config.json", config_to_json(state_->config, std::string(state_->dtype.name)));
  folder.write_json("tokenizer.json", tokenizer_json);
  folder.write_json("tokenizer_config.json", tokenizer_config);
  folder.write_json("assay_provenance.json", provenance);
  state_->folder.commit();
}

}  // namespace assay
