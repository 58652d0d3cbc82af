#pragma once
// What must hold on this model and this machine before any answer is believed. Each check takes
// what it checks as an argument, so that a test can put a faulty one in its place.

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "infer/score.h"
#include "model/checkpoint.h"
#include "tasks/task.h"

namespace assay {

struct SelfTest {
  std::string name;
  bool passed = false;
  std::string detail;
};

using Encode = std::function<ScoreRequest(std::string_view context, std::string_view continuation)>;
using Decode = std::function<std::string(std::span<const int32_t> ids)>;
// Results of `requests` on `threads` threads, in batches of `batch_tokens` rows.
using Scorer = std::function<std::vector<ScoreResult>(std::span<const ScoreRequest> requests,
                                                      int64_t batch_tokens, int64_t threads)>;

// A request begins with exactly one BOS where the tokenizer adds one, and with none where it does
// not.
SelfTest check_bos(const Encode& encode, bool adds_bos, std::optional<int32_t> bos_id);

// Context and continuation of an item's choices, decoded, are the item's text; the continuation's
// ids say the whole choice, and begin inside or before it by at most one token.
SelfTest check_boundary(std::span<const Item> items, const Decode& decode);

// The same requests scored alone, together, in another order, in batches of 64 and 1024 rows, on 1
// and 2 threads: all bits equal.
SelfTest check_invariance(std::span<const ScoreRequest> requests, const Scorer& score);

// No NaN or infinity in any tensor of the checkpoint.
SelfTest check_finite(const Checkpoint& checkpoint);

// What a compression says of a linear, to be recounted in the file.
struct LinearClaim {
  std::string tensor;  // "model.layers.0.self_attn.q_proj.weight"
  int64_t zeros = 0;
  int64_t levels_per_group =
      0;                   // distinct values that a group of a row can hold at most, 0 = no claim
  int64_t group_size = 0;  // of that claim
};
SelfTest check_claims(const Checkpoint& checkpoint, std::span<const LinearClaim> claims);

// Error(kBadInput) naming the first that failed.
void require_passed(std::span<const SelfTest> tests);

// Self-tests of an earlier run into the same folder, so that a resumed study reports them too.
void save_self_tests(const std::filesystem::path& path, const std::vector<SelfTest>& tests);
std::vector<SelfTest> load_self_tests(const std::filesystem::path& path);

}  // namespace assay
