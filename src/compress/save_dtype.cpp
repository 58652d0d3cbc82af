#include "compress/save_dtype.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

struct SaveDtype {
  std::string_view name;
  at::ScalarType type;
};
constexpr std::array kSaveDtypes{SaveDtype{"float32", at::kFloat},
                                 SaveDtype{"bfloat16", at::kBFloat16},
                                 SaveDtype{"float16", at::kHalf}};

}  // namespace

at::ScalarType save_type(const std::string& name) {
  const auto found = std::ranges::find(kSaveDtypes, name, &SaveDtype::name);
  if (found != kSaveDtypes.end()) return found->type;
  std::array<std::string_view, kSaveDtypes.size()> known{};
  std::ranges::transform(kSaveDtypes, known.begin(), &SaveDtype::name);
  fail(ErrorKind::kBadInput, "no save_dtype '", name, "'", suggest(name, known));
}

at::Tensor as_stored(const at::Tensor& tensor, at::ScalarType type, const std::string& name) {
  if (type == at::kFloat) return tensor;
  const auto stored = tensor.to(type).to(at::kFloat);
  const auto [low, high] = stored.aminmax();  // both are NaN when one value is
  require(std::isfinite(low.item<float>()) && std::isfinite(high.item<float>()), name,
          ": a value does not fit ", type);
  return stored;
}

}  // namespace assay
