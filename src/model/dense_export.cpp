#include "model/dense_export.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/version.h"
#include "io/dtype.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

at::ScalarType type_named(const std::string& dtype) {
  if (dtype == "bfloat16") return at::kBFloat16;
  return dtype == "float16" ? at::kHalf : at::kFloat;
}

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// The source's own provenance, if it has one, with what was converted beside it: products and
// caches that a method asked for stay part of the checkpoint.
Json provenance_of(const Checkpoint& checkpoint, const std::string& dtype) {
  Json provenance = checkpoint.provenance();
  if (!provenance.is_object()) provenance = Json::object();
  if (!provenance.contains("assay_version")) provenance["assay_version"] = version();
  provenance["converted_from"] = {{"description", checkpoint.description()},
                                  {"weights_sha256", checkpoint.weights_hash()},
                                  {"assay_version", version()}};
  provenance["save_dtype"] = dtype;
  return provenance;
}

}  // namespace

int64_t dense_bytes(const Checkpoint& checkpoint, const std::string& dtype) {
  return num_weights(checkpoint.config()) *
         static_cast<int64_t>(c10::elementSize(type_named(dtype)));
}

StorageLoss export_dense(const Checkpoint& checkpoint, const std::filesystem::path& folder,
                         const DenseExportOptions& options, const ExportProgress& on_tensor) {
  FolderExport target(folder, checkpoint.config(), options.dtype, options.existing);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  const auto type = type_named(options.dtype);
  const auto total = static_cast<double>(num_weights(checkpoint.config()));
  StorageLoss loss;
  for (const auto& [name, shape] : all_tensors(checkpoint.config())) {
    if (on_tensor) on_tensor(static_cast<double>(loss.values), total, name);
    const auto values = checkpoint.tensor(name).contiguous();
    const auto stored = values.to(type).to(at::kFloat);
    loss.add(loss_of(values_of(values), values_of(stored), name, options.dtype));
    target.write(name, values);
    loss.tensors += 1;
  }
  loss.bytes = dense_bytes(checkpoint, options.dtype);
  target.commit(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config(),
                provenance_of(checkpoint, options.dtype));
  return loss;
}

}  // namespace assay
