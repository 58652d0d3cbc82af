#pragma once
// `limit`: a part of a task that stands for the whole.

#include <cstdint>
#include <optional>
#include <vector>

#include "data/sample.h"

namespace assay {

// At most `limit` of the samples, in their order; all without a limit or with fewer samples than
// it. Drawn without chance from `seed` and the samples' own names, so the draw depends on nothing
// else that is on the machine:
// - every stratum gives its share by size, remainders going to the largest fractions (of equals the
// first stratum);
// - within a stratum clusters take turns, one sample a turn, in the order of SHA-256(seed,
// cluster); within a cluster
//   samples come in the order of SHA-256(seed, id). Strata that hold the same clusters so draw from
//   the same ones: a template gives both polarities and both conditions or nothing, and the
//   clusters are as many as the limit allows, which is what the width of an interval depends on.
// Error(kBadInput) when limit < 1.
std::vector<Sample> drawn(std::vector<Sample> samples, std::optional<int64_t> limit, uint64_t seed);

}  // namespace assay
