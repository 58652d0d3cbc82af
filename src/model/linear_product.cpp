#include "model/linear_product.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kWhere = "assay_provenance.json: product";
constexpr std::array<std::string_view, 2> kOutliers{"per_row", "batch"};  // as the enumerators

}  // namespace

Json to_json(const kernels::LlmInt8Options& options) {
  return {{"kind", "llm_int8"},
          {"threshold", options.threshold},
          {"outliers", kOutliers.at(static_cast<size_t>(options.outliers))}};
}

std::optional<kernels::LlmInt8Options> int8_product(const Json& provenance) {
  if (!provenance.is_object() || !provenance.contains("product")) return std::nullopt;
  const Json& product = provenance["product"];
  const auto kind = json_get<std::string>(product, "kind", kWhere);
  require(kind == "llm_int8", kWhere, ": no product '", kind, "' (known: llm_int8)");
  kernels::LlmInt8Options options;
  options.threshold = static_cast<float>(json_get<double>(product, "threshold", kWhere));
  require(options.threshold >= 0, kWhere, ": threshold must not be negative, got ",
          options.threshold);
  const auto word = json_get<std::string>(product, "outliers", kWhere);
  const auto found = std::ranges::find(kOutliers, word);
  require(found != kOutliers.end(), kWhere, ": no outliers '", word, "'", suggest(word, kOutliers));
  options.outliers = static_cast<kernels::OutlierColumns>(found - kOutliers.begin());
  return options;
}

}  // namespace assay
