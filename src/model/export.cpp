#include "model/export.h"

#include <ATen/ATen.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/safetensors_writer.h"
#include "model/export_dtype.h"
#include "model/file_layout.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A tensor of the file, and what of its parts is there.
struct GrowingTensor {
  FileTensor file;
  std::map<std::string, at::Tensor> parts;  // in the dtype of the file
};

at::Tensor joined(const GrowingTensor& tensor) {
  const FileTensor& file = tensor.file;
  if (file.is_plain()) return tensor.parts.begin()->second;
  auto whole = at::empty(file.shape, tensor.parts.begin()->second.options());
  auto rows = file.transposed ? whole.t() : whole;
  for (const FilePart& part : file.parts)
    rows.index_copy_(0, at::tensor(row_indices(part.rows), at::kLong), tensor.parts.at(part.name));
  return whole;
}

}  // namespace

struct FolderExport::State {
  State(const fs::path& target, ExistingFolder existing) : folder(target, existing) {}

  ExportFolder folder;
  ModelConfig config;
  ExportDtype dtype;
  std::vector<GrowingTensor> tensors;
  // By the name of a part: its tensor in `tensors`, and its shape.
  std::map<std::string, std::pair<size_t, std::vector<int64_t>>> parts;
  std::optional<SafetensorsWriter> weights;
};

FolderExport::FolderExport(const fs::path& target, const ModelConfig& config,
                           const std::string& dtype, ExistingFolder existing)
    : state_(std::make_unique<State>(target, existing)) {
  state_->dtype = export_dtype(dtype);
  state_->config = config;
  std::vector<TensorDeclaration> declared;
  for (auto& file : hugging_face_tensors(config)) {
    const auto& shape = file.shape;
    declared.push_back(
        {file.name, dtype_named(state_->dtype.stored), {shape.begin(), shape.end()}});
    for (const FilePart& part : file.parts)
      state_->parts.emplace(part.name, std::pair(state_->tensors.size(), part.shape));
    state_->tensors.push_back({std::move(file), {}});
  }
  state_->weights.emplace(state_->folder.path() / "model.safetensors", std::move(declared));
}

FolderExport::~FolderExport() = default;

void FolderExport::write(const std::string& name, const at::Tensor& tensor) {
  const auto part = state_->parts.find(name);
  if (part == state_->parts.end() || tensor.sizes() != at::IntArrayRef(part->second.second)) {
    fail(ErrorKind::kInternal, "export: '", name, "' of shape ", tensor.sizes(),
         " is no tensor of this model");
  }
  GrowingTensor& growing = state_->tensors[part->second.first];
  growing.parts[name] = as_exported(tensor, state_->dtype, name);
  if (growing.parts.size() < growing.file.parts.size()) return;
  const auto whole = joined(growing);
  growing.parts.clear();
  state_->weights->write(growing.file.name,
                         {static_cast<const std::byte*>(whole.const_data_ptr()), whole.nbytes()});
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
