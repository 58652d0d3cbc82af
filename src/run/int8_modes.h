#pragma once
// What the choice of outlier columns changes where linears compute as LLM.int8(): those of each
// row, so that an answer is its own, or those of the batch, as published.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/json.h"
#include "infer/score.h"

namespace assay {

struct Int8Modes {
  kernels::OutlierColumns asked = kernels::OutlierColumns::kPerRow;  // how the model computes
  int64_t num_requests = 0;
  // Of log-likelihoods between the two, in nats.
  double mean_change = 0, max_change = 0;
  int64_t greedy_changes = 0;  // requests that are the arg max in one of the two alone
};

// Nothing for a model whose linears set no outliers aside. Errors as score().
std::optional<Int8Modes> compare_int8_modes(const CausalLM& model,
                                            std::span<const ScoreRequest> requests);

Json to_json(const Int8Modes& modes);
Int8Modes int8_modes(const Json& json, std::string_view where);  // the inverse

// "products in 8 bits with the outlier columns of each row; with those of the batch ..."
std::string in_words(const Int8Modes& modes);

}  // namespace assay
