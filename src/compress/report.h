#pragma once
// What a compression did, layer by layer. A linear that a method left as it was is listed with its
// reason.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace assay {

struct LinearReport {
  std::string tensor;            // "model.layers.0.self_attn.q_proj.weight"
  int64_t rows = 0, cols = 0;    // out_features, in_features
  int64_t zeros = 0;             // of the stored weight, those that were zero before included
  double bits = 0;               // effective bits per weight (docs/adr/0030)
  double weight_error = 0;       // ||W - W'||_F / ||W||_F, 0 for a zero matrix
  int64_t levels_per_group = 0;  // distinct values of a group of a row at most; 0 = not quantized
  int64_t group_size = 0;
  std::string note;

  int64_t elements() const { return rows * cols; }
};

// Of a result whose keys and values are cached in few bits: all layers, as many tokens as the model
// takes.
struct CacheReport {
  double bits = 0;  // of a cached value, ends of groups included (model/kv_cache.h)
  int64_t tokens = 0;
  int64_t bytes = 0, dense_bytes = 0;  // of the cache, and of one of 16-bit values
  std::string note;
};

struct CompressionReport {
  std::vector<LinearReport> linears;  // in the order of the layers
  std::vector<std::string> folded;    // norms into which scales of the linears went
  std::vector<std::string>
      copied;  // tensors that the method does not touch: embeddings, norms, head
  std::optional<CacheReport> kv_cache;

  int64_t elements() const;
  double sparsity() const;                             // zeros / elements over all linears
  double bits() const;                                 // mean over weights
  std::map<std::string, int64_t> note_counts() const;  // of linears, for each note that they have
  double weight_error() const;  // root of the mean of squared errors, weighted by elements
};

Json to_json(const CompressionReport& report);
// Error(kCorruptFile) where it is not what to_json wrote.
CompressionReport compression_report(const Json& json);

}  // namespace assay
