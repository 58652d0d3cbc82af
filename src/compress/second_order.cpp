#include "compress/second_order.h"

#include <ATen/ATen.h>

namespace assay {

const InverseFactor& SecondOrder::factor(const std::vector<int64_t>& order,
                                         double damp_percent) const {
  const auto key = std::make_pair(order, damp_percent);
  const auto found = factors_.find(key);
  if (found != factors_.end()) return found->second;
  return factors_.emplace(key, inverse_factor(hessian_, damp_percent, order)).first->second;
}

}  // namespace assay
