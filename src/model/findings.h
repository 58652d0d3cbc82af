#pragma once
// What of a checkpoint contradicts itself: what its config, tokenizer and provenance claim against
// what was counted, and tensors that are unlike the others of their role.

#include <string>
#include <vector>

#include "model/inspect.h"

namespace assay {

// One sentence each, with names and numbers; empty where nothing was found:
//   a NaN or infinity;
//   zeros or an N:M pattern that the provenance claims and the weights do not have;
//   a linear whose root mean square is 30 times that of the median of its role, or a thirtieth;
//   a linear whose mean is above a fifth of its root mean square: codes read with another zero;
//   a linear all of whose weights are zero;
//   token ids without a row in the embedding, BOS or EOS ids outside the vocabulary;
//   a chat template that cannot be rendered, or with which a second BOS would be added.
std::vector<std::string> find_faults(const Inspection& inspection);

}  // namespace assay
