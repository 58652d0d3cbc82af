#include "calibration/gradient_store.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "io/safetensors_writer.h"
#include "model/block.h"

namespace assay {
namespace {

constexpr const char* kLosses = "losses";  // of the samples, in a file's metadata

}  // namespace

uint64_t GradientStore::bytes(const ModelConfig& config, const GradientOptions& options) {
  const int64_t of_block =
      config.hidden_size *
      (config.head_dim * (2 * config.num_attention_heads + 2 * config.num_key_value_heads) +
       3 * config.intermediate_size);
  const uint64_t element = options.reference_scale ? sizeof(at::Half) : sizeof(float);
  return element * static_cast<uint64_t>(of_block * config.num_hidden_layers);
}

GradientStore::GradientStore(const Checkpoint& checkpoint,
                             const std::vector<std::vector<int32_t>>& sequences, GradientNorm norm,
                             const GradientOptions& options)
    : scratch_(std::in_place, bytes(checkpoint.config(), options), options.place) {
  std::byte* next = scratch_->bytes().data();
  const std::byte* end = next + scratch_->bytes().size();
  losses_ = aggregate_gradients(
      checkpoint, sequences,
      [&](int64_t layer, std::string_view linear, const GradientAggregate& aggregate) {
        const at::Tensor& kept = aggregate.of(norm);
        if (next + kept.nbytes() > end)
          fail(ErrorKind::kInternal, "gradient store: more gradients than the model has weights");
        auto view = at::from_blob(next, kept.sizes(), kept.scalar_type());
        view.copy_(kept);
        scratch_->let_go({next, kept.nbytes()});
        views_[linear_weight_name(layer, linear)] = view;
        next += kept.nbytes();
      },
      options);
}

GradientStore::GradientStore(SafetensorsFile file) : file_(std::move(file)) {
  const auto losses = file_->header.metadata.find(kLosses);
  if (losses == file_->header.metadata.end()) fail(ErrorKind::kCorruptFile, "no ", kLosses);
  losses_ = parse_intact_json(losses->second, kLosses).get<std::vector<double>>();
  for (const SafetensorsTensor& stored : file_->header.tensors) {
    // torch knows no view of what cannot be written; gradient() says that nobody does.
    auto* data = const_cast<std::byte*>(file_->bytes(stored).data());
    const std::vector<int64_t> shape(stored.shape.begin(), stored.shape.end());
    views_[stored.name] =
        at::from_blob(data, shape, stored.dtype == dtype_named("F16") ? at::kHalf : at::kFloat);
  }
}

void GradientStore::write(const std::filesystem::path& path,
                          std::map<std::string, std::string> metadata) const {
  metadata[kLosses] = Json(losses_).dump();
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, view] : views_) {
    declared.push_back({name,
                        dtype_named(view.scalar_type() == at::kHalf ? "F16" : "F32"),
                        {view.sizes().begin(), view.sizes().end()}});
  }
  SafetensorsWriter writer(path, std::move(declared), metadata);
  for (const auto& [name, view] : views_) {
    writer.write(name, {static_cast<const std::byte*>(view.const_data_ptr()), view.nbytes()});
    let_go();
  }
  writer.commit();
}

at::Tensor GradientStore::gradient(int64_t layer, std::string_view linear) const {
  const auto found = views_.find(linear_weight_name(layer, linear));
  if (found == views_.end()) {
    fail(ErrorKind::kInternal, "gradient store: no gradient of layer ", layer, " ", linear);
  }
  let_go();
  return found->second;
}

void GradientStore::let_go() const {
  if (scratch_) return scratch_->let_go(scratch_->bytes());
  file_->mapping->let_go(file_->mapping->bytes());
}

}  // namespace assay
