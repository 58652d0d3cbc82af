#include "calibration/gradient_store.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "model/block.h"

namespace assay {

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
    : scratch_(bytes(checkpoint.config(), options), options.place) {
  std::byte* next = scratch_.bytes().data();
  const std::byte* end = next + scratch_.bytes().size();
  losses_ = aggregate_gradients(
      checkpoint, sequences,
      [&](int64_t layer, std::string_view linear, const GradientAggregate& aggregate) {
        const at::Tensor& kept = aggregate.of(norm);
        if (next + kept.nbytes() > end)
          fail(ErrorKind::kInternal, "gradient store: more gradients than the model has weights");
        auto view = at::from_blob(next, kept.sizes(), kept.scalar_type());
        view.copy_(kept);
        scratch_.let_go({next, kept.nbytes()});
        views_[linear_weight_name(layer, linear)] = view;
        next += kept.nbytes();
      },
      options);
}

at::Tensor GradientStore::gradient(int64_t layer, std::string_view linear) const {
  const auto found = views_.find(linear_weight_name(layer, linear));
  if (found == views_.end()) {
    fail(ErrorKind::kInternal, "gradient store: no gradient of layer ", layer, " ", linear);
  }
  scratch_.let_go(scratch_.bytes());
  return found->second;
}

}  // namespace assay
