#pragma once
// How far the weights of a checkpoint are from those of the one that it was made of, tensor by
// tensor.

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint.h"

namespace assay {

struct TensorDifference {
  std::string name;
  int64_t weights = 0;
  int64_t changed = 0;        // that differ at all
  double relative_error = 0;  // ||w - base||_F / ||base||_F, 0 where both are 0
  double max_error = 0;       // largest |w - base|
  double cosine = 1;          // of the two as vectors
};

struct WeightDifference {
  std::string base;                       // its description
  std::vector<TensorDifference> tensors;  // in the checkpoint's order
  // Names that one alone has, or that have another shape there.
  std::vector<std::string> not_compared;
};

// Two tensors at a time are decoded on every core. Error(kBadInput) when no tensor is in both.
WeightDifference weight_difference(const Checkpoint& checkpoint, const Checkpoint& base);

Json to_json(const WeightDifference& difference);
// A line for each role with its mean error, and its worst layer.
std::string to_text(const WeightDifference& difference);

}  // namespace assay
