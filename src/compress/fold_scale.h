#pragma once
// A scale s > 0 per channel between a producer and its consumers: the producer's output is divided
// by s, the consumers' columns are multiplied by s, and the block's output stays what it was. AWQ
// and SmoothQuant differ in how they choose s.

#include <ATen/core/Tensor.h>

namespace assay {

// All: float32, `scale` one entry a channel, positive and finite, else Error(kBadInput). New
// tensors; the arguments stay as they are.

// A norm as producer, or the bias of a linear that is one: weight [channels] / s.
at::Tensor fold_into_norm(const at::Tensor& norm, const at::Tensor& scale);

// A linear as producer: its LAST len(s) output rows / s (the last rows of a fused QKV are V).
at::Tensor fold_into_last_rows(const at::Tensor& weight, const at::Tensor& scale);

// A consumer: W [out, channels], column j * s_j.
at::Tensor scale_columns(const at::Tensor& weight, const at::Tensor& scale);

}  // namespace assay
