#pragma once
// Rotary positions: the frequencies that a config asks for, stretched beyond the length that the
// model was trained with or not. Formulas and their float32 steps are those of transformers'
// modeling_rope_utils.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "kernels/elementwise.h"

namespace assay {

// In the words of rope_parameters (transformers 5) and rope_scaling (4).
struct RopeScaling {
  std::string rope_type = "default";  // or "linear", "llama3", "yarn", "longrope"
  double factor = 1;
  int64_t original_max_position_embeddings = 0;      // llama3, yarn, longrope
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  // yarn: 0 = 0.1 ln(factor) + 1; longrope: 0 = sqrt(1 + ln(factor) / ln(original length))
  double attention_factor = 0;
  bool truncate = true;  // yarn: whole dimensions as bounds
  // longrope: what each frequency is divided by, in texts up to the original length and beyond.
  std::vector<double> short_factor = {}, long_factor = {};

  bool operator==(const RopeScaling&) const = default;
};

// `rope` is the object; a length that it does not give is max_position_embeddings. Error(kBadInput)
// on another type, with the nearest, or a number that makes no scaling.
RopeScaling rope_scaling_from_json(const Json& rope, int64_t max_position_embeddings);
// null for the default
Json to_json(const RopeScaling& scaling);

// Turns of a position, one for each pair of elements, and what cosine and sine are multiplied by.
struct RotaryFrequencies {
  std::vector<float> inverse;  // [head_dim / 2]
  float magnitude = 1;
};
// Of `width` elements of a head. longrope gives those of texts up to the original length.
RotaryFrequencies rotary_frequencies(int64_t width, double theta, const RopeScaling& scaling);

// Plain frequencies over scaled ones, [width / 2]: the tensor rope_freqs.weight of GGUF files.
std::vector<float> divisors_of_scaling(int64_t width, double theta, const RopeScaling& scaling);

// A GGUF file stores what Llama 3.x divides its frequencies by (rope_freqs.weight) and not how that
// was found: the published scaling that gives these numbers. Error(kBadInput) where none does.
RopeScaling scaling_of_divisors(std::span<const float> divisors, double theta);

}  // namespace assay
