#pragma once
// Through what kind of cache a checkpoint's keys and values are meant to go: float32, unless its
// provenance says otherwise.

#include <optional>

#include "base/json.h"
#include "kernels/kv_cache.h"
#include "model/config.h"

namespace assay {

// {"bits": 4, "group_size": 64, "sym": false}: what provenance holds under "kv_cache".
Json to_json(const kernels::KvCacheFormat& format);

// The cache that `provenance` (assay_provenance.json, may be null) asks for, nothing for float32.
// Error(kBadInput) on a key or a setting that is missing, unknown or out of range.
std::optional<kernels::KvCacheFormat> kv_cache_format(const Json& provenance);

// Bits of a cached value, its group's side data included: b + 32 / g, two 16-bit ends to a group of
// g; symmetric b + 16 / g. A tail group counts whole. 16 without a format.
double kv_cache_bits(const std::optional<kernels::KvCacheFormat>& format, int64_t head_dim);

// Bytes of the keys and values of `tokens` tokens in all layers, at so many bits a value.
int64_t kv_cache_bytes(const ModelConfig& config, int64_t tokens, double bits);

}  // namespace assay
