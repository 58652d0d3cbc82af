#pragma once
// One linear, one method: weight in, weight out, with what there is to say about it.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <string_view>

#include "compress/methods.h"
#include "compress/second_order.h"
#include "pack/linear_codes.h"

namespace assay {

// What the method needs to know of the inputs; the rest stays undefined or null.
struct InputStatistics {
  at::Tensor norm;                                  // [in_features] float32
  ChannelMoments moments;                           // of each channel
  std::shared_ptr<const SecondOrder> second_order;  // shared by linears with the same input
  at::Tensor gradient;                              // [out_features, in_features], aggregated
  int64_t num_samples = 0;                          // that the gradient sums over
};

struct LinearInput {
  std::string_view tensor;  // "model.layers.0.self_attn.q_proj.weight"
  at::Tensor weight;        // [out_features, in_features] float32
  InputStatistics input;
  // Not empty: CompressedLinear::codes is wanted, for a file whose other tensors have this dtype.
  std::string codes_dtype = {};
};

struct CompressedLinear {
  at::Tensor
      weight;  // [out_features, in_features] float32: what the compressed layer computes with
  // Bits per weight in the format that the method is for, side data included (docs/adr/0030):
  // values count 16 bits, an unstructured mask one bit a weight, N:M positions ceil(log2 M) bits a
  // kept weight, a group's scale 16 bits and its zero as many as a code.
  double bits = 16;
  int64_t levels_per_group =
      0;                   // distinct values that a group of a row can hold; 0 = not quantized
  int64_t group_size = 0;  // columns of that group
  // What the weight is an approximation of where that is not the given weight: the same in another
  // order, or with scales folded in.
  at::Tensor target;
  // What the weight's values stand for, where they are codes and were asked for.
  LinearCodes codes;
  std::string note;  // what a reader must know: a tail group, a pattern's tail; empty when nothing
};

// Errors as the method's function, not yet naming the tensor.
CompressedLinear compress_linear(const MethodConfig& config, const LinearInput& input);

// "groups of 128 leave one of 64 at the end of each row"
std::string tail_note(int64_t cols, int64_t group_size);

// 16-bit values under a mask with this fraction of zeros: min(16, 16 (1 - sparsity) + 1).
double unstructured_bits(double sparsity);
double nm_bits(NmPattern pattern);
double quantized_bits(int64_t in_features, const QuantizerConfig& config);
// A mask of one bit a weight, and codes of those that stay.
double joint_bits(int64_t in_features, const QuantizerConfig& config, double sparsity);

}  // namespace assay
