#include "run/int8_modes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/block.h"

namespace assay {
namespace {

using kernels::OutlierColumns;

std::vector<ScoreResult> scores_with(CausalLM model, OutlierColumns outliers,
                                     std::span<const ScoreRequest> requests) {
  for (Block& block : model.blocks) {
    for (const std::string_view name : linear_names_of(block, model.config)) {
      Linear& linear = linear_of(block, name);
      linear = linear.with_outliers(outliers);
    }
  }
  return score(model, requests, {});
}

}  // namespace

std::optional<Int8Modes> compare_int8_modes(const CausalLM& model,
                                            std::span<const ScoreRequest> requests) {
  if (model.blocks.empty() || requests.empty()) return std::nullopt;
  const auto options = model.blocks.front().q_proj.int8_options();
  if (!options || options->threshold == 0) return std::nullopt;
  const auto of_rows = scores_with(model, OutlierColumns::kPerRow, requests);
  const auto of_batch = scores_with(model, OutlierColumns::kBatch, requests);
  Int8Modes modes{.asked = options->outliers,
                  .num_requests = static_cast<int64_t>(requests.size())};
  for (size_t i = 0; i < requests.size(); ++i) {
    const double change = std::abs(of_rows[i].log_likelihood - of_batch[i].log_likelihood);
    modes.mean_change += change / static_cast<double>(requests.size());
    modes.max_change = std::max(modes.max_change, change);
    if (of_rows[i].is_greedy != of_batch[i].is_greedy) ++modes.greedy_changes;
  }
  return modes;
}

Json to_json(const Int8Modes& modes) {
  return {{"outliers", modes.asked == OutlierColumns::kBatch ? "batch" : "per_row"},
          {"num_requests", modes.num_requests},
          {"mean_change", modes.mean_change},
          {"max_change", modes.max_change},
          {"greedy_changes", modes.greedy_changes}};
}

Int8Modes int8_modes(const Json& json, std::string_view where) {
  const bool batch = json_get<std::string>(json, "outliers", where) == "batch";
  return {.asked = batch ? OutlierColumns::kBatch : OutlierColumns::kPerRow,
          .num_requests = json_get<int64_t>(json, "num_requests", where),
          .mean_change = json_get<double>(json, "mean_change", where),
          .max_change = json_get<double>(json, "max_change", where),
          .greedy_changes = json_get<int64_t>(json, "greedy_changes", where)};
}

std::string in_words(const Int8Modes& modes) {
  const bool batch = modes.asked == OutlierColumns::kBatch;
  return fmt::format(
      "products in 8 bits with the outlier columns of {}; with those of {}, {} log-likelihoods "
      "change by {:.3g} nats in the mean and {:.3g} at most, and {} of them change between the "
      "most likely answer and another",
      batch ? "the batch, as published" : "each row",
      batch ? "each row" : "the batch, as published", modes.num_requests, modes.mean_change,
      modes.max_change, modes.greedy_changes);
}

}  // namespace assay
