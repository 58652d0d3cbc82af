#pragma once
// The aggregated gradients of a whole model, kept until the blocks that they belong to are pruned:
// they come from the last block to the first and are needed from the first to the last.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scratch_memory.h"
#include "calibration/gradients.h"
#include "io/safetensors.h"

namespace assay {

class GradientStore {
 public:
  // Runs aggregate_gradients and keeps one of its norms, where options.place says for the hidden
  // states too. Errors as there.
  GradientStore(const Checkpoint& checkpoint, const std::vector<std::vector<int32_t>>& sequences,
                GradientNorm norm, const GradientOptions& options = {});

  // What write() left, where it lies: nothing is read before it is asked for. Error(kCorruptFile)
  // where it has no losses.
  explicit GradientStore(SafetensorsFile file);

  // As safetensors, with the losses beside `metadata`. Error(kBadInput) on a full disk.
  void write(const std::filesystem::path& path, std::map<std::string, std::string> metadata) const;

  // [out_features, in_features] float32, float16 with a reference_scale: a view into the store, not
  // to be written to, valid while the store lives. Of a store in a file those asked for before
  // leave memory. Error(kInternal) where there is no such linear.
  at::Tensor gradient(int64_t layer, std::string_view linear) const;

  int64_t num_samples() const { return static_cast<int64_t>(losses_.size()); }
  const std::vector<double>& losses() const { return losses_; }  // of the samples, nats per target

  // Bytes that are kept: 4 a weight of the blocks' linears, 2 with a reference_scale.
  static uint64_t bytes(const ModelConfig& config, const GradientOptions& options);

 private:
  void let_go() const;

  std::optional<ScratchMemory> scratch_;     // this or
  std::optional<SafetensorsFile> file_;      // that holds the bytes
  std::map<std::string, at::Tensor> views_;  // by weight name
  std::vector<double> losses_;
};

}  // namespace assay
