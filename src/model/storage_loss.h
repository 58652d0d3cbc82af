#pragma once
// What storing weights in another type does to them.

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace assay {

struct StorageLoss {
  int64_t tensors = 0, values = 0, bytes = 0;
  int64_t copied = 0;                              // tensors whose bytes stayed
  int64_t changed = 0, zeros = 0, lost_zeros = 0;  // values
  double max_error = 0, squared_error = 0, squares = 0;

  void add(const StorageLoss& other);
  double relative_error() const;  // root of squared_error / squares, 0 of nothing
};

// Of values and what a reader will see of them. Error(kBadInput) names the tensor and a value that
// is not finite in the type.
StorageLoss loss_of(std::span<const float> values, std::span<const float> stored,
                    const std::string& tensor, std::string_view type);

// Called before each tensor with the values that are done and in all.
using ExportProgress = std::function<void(double done, double total, const std::string& tensor)>;

}  // namespace assay
