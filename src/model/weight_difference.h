#pragma once
// How far the weights of a checkpoint are from those of the one that it was made of, tensor by
// tensor. inspect() (model/inspect.h) counts it while it has them decoded.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint.h"

namespace assay {

struct TensorDifference {
  std::string name;
  int64_t weights = 0;
  int64_t changed = 0;       // that differ at all
  double error_squares = 0;  // sum of (w - base)^2
  double base_squares = 0;   // sum of base^2
  double max_error = 0;      // largest |w - base|
  double cosine = 1;         // of the two as vectors
};

// ||w - base||_F / ||base||_F: 0 where nothing changed, infinite where the base is all 0.
double relative_error(double error_squares, double base_squares);
double relative_error(const TensorDifference& difference);

// Both of one shape, float32.
TensorDifference tensor_difference(const std::string& name, const at::Tensor& tensor,
                                   const at::Tensor& base);

struct WeightDifference {
  std::string base;                       // its description
  std::vector<TensorDifference> tensors;  // in the checkpoint's order
  // Names that one alone has, or that have another shape there.
  std::vector<std::string> not_compared;
};

// Names that one of the two alone has, or that have another shape there: the checkpoint's in its
// order, then the base's.
std::vector<std::string> not_comparable(const Checkpoint& checkpoint, const Checkpoint& base);

Json to_json(const WeightDifference& difference);
// A line for each role with its mean error, and its worst layer.
std::string to_text(const WeightDifference& difference);

}  // namespace assay
