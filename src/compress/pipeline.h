#pragma once
// A model through a method, block by block: one block's weights and the calibration's hidden states
// are in memory.
//
//   for each block: (1) statistics of its linears, dense, on hidden states behind the compressed
//   blocks before it
//                   (2) compress and write each linear   (3) hidden states pass through the
//                   compressed block
//
// Data-free methods need (2) alone. Hidden states pass through a float32 cache, whatever cache the
// result asks for. Embeddings, norms and the head are copied (permuted by the
// control `permute`).

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "compress/methods.h"
#include "compress/plan.h"
#include "compress/report.h"
#include "data/calibration_text.h"
#include "model/checkpoint.h"

namespace assay {

// Takes every tensor of the new checkpoint once, when it is finished: float32, with values that
// `save_dtype` holds.
using TensorSink = std::function<void(const std::string& name, const at::Tensor& tensor)>;

// `calibration` may be null where the method needs none. Errors name layer and linear: a weight or
// an activation that is not finite, a shape that the method refuses. Error(kBadInput) when
// calibration is missing or save_dtype unknown.
CompressionReport compress(const Checkpoint& checkpoint, const MethodConfig& config,
                           const CalibrationSet* calibration, const TensorSink& write,
                           const CompressOptions& options);

// assay_provenance.json of the result: method with every setting, source and hash of its weights,
// calibration, the report layer by layer, version; `product` and `kv_cache` where the result does
// not compute in float32 or not through a float32 cache. Those of the checkpoint stay: the product
// where the method keeps the weights, the cache unless the settings name another.
Json compression_provenance(const Checkpoint& checkpoint, const MethodConfig& config,
                            const CalibrationSet* calibration, const CompressOptions& options,
                            const CompressionReport& report);

}  // namespace assay
