#pragma once
// The keys of a GGUF file that say what model it holds.

#include <string>
#include <vector>

#include "io/gguf_writer.h"
#include "model/config.h"

namespace assay {

struct GgufMetadata {
  GgufKeyValues values;              // general.architecture and ARCHITECTURE.*
  std::vector<float> rope_divisors;  // of rope_freqs.weight; empty where there is none
  std::vector<std::string> notes;    // what the keys cannot say
};

// Error(kBadInput) on a model type whose files were not checked, and on a rotary scaling that has
// no keys.
GgufMetadata metadata_of(const ModelConfig& config);

// "135M", "7.2B": a number of weights in two digits or more, as general.size_label has it.
std::string size_label(int64_t num_weights);

}  // namespace assay
