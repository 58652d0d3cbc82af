#include "model/storage_loss.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {

void StorageLoss::add(const StorageLoss& other) {
  tensors += other.tensors;
  values += other.values;
  bytes += other.bytes;
  copied += other.copied;
  changed += other.changed;
  zeros += other.zeros;
  lost_zeros += other.lost_zeros;
  max_error = std::max(max_error, other.max_error);
  squared_error += other.squared_error;
  squares += other.squares;
}

double StorageLoss::relative_error() const {
  return squares > 0 ? std::sqrt(squared_error / squares) : 0.0;
}

StorageLoss loss_of(std::span<const float> values, std::span<const float> stored,
                    const std::string& tensor, std::string_view type) {
  StorageLoss loss;
  loss.values = static_cast<int64_t>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const float x = values[i], y = stored[i];
    require(std::isfinite(y), "tensor '", tensor, "': ", x, " cannot be stored as ", type);
    const double difference = double{y} - double{x};
    loss.changed += x != y ? 1 : 0;
    loss.zeros += x == 0 ? 1 : 0;
    loss.lost_zeros += x == 0 && y != 0 ? 1 : 0;
    loss.max_error = std::max(loss.max_error, std::fabs(difference));
    loss.squared_error += difference * difference;
    loss.squares += double{x} * double{x};
  }
  return loss;
}

}  // namespace assay
