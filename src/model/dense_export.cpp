#include "model/dense_export.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "io/dtype.h"
#include "model/conversion.h"
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
                converted_provenance(checkpoint, options.dtype));
  return loss;
}

}  // namespace assay
