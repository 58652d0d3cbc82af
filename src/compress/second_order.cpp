#include "compress/second_order.h"

#include <ATen/ATen.h>

namespace assay {

const InverseFactor& SecondOrder::factor(const std::vector<int64_t>& order,
                                         double damp_percent) const {
  const auto key = std::make_pair(order, damp_percent);
  const auto found = factors_.find(key);
  if (found != factors_.end()) return found->second;
  const auto index = at::tensor(order, at::kLong);
  const auto in_order = hessian_.index_select(0, index).index_select(1, index);
  return factors_.emplace(key, inverse_factor(in_order, damp_percent)).first->second;
}

}  // namespace assay
