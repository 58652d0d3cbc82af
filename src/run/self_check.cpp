#include "run/self_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

SelfTest passed(std::string name, std::string detail) {
  return {std::move(name), true, std::move(detail)};
}
SelfTest failed(std::string name, std::string detail) {
  return {std::move(name), false, std::move(detail)};
}

bool same_bits(const ScoreResult& a, const ScoreResult& b) {
  return a.log_likelihood == b.log_likelihood && a.num_tokens == b.num_tokens &&
         a.is_greedy == b.is_greedy;
}

// Index of the first result that differs, -1 when none does.
int64_t first_difference(std::span<const ScoreResult> a, std::span<const ScoreResult> b) {
  if (a.size() != b.size()) return 0;
  const auto at = std::ranges::mismatch(a, b, same_bits).in1;
  return at == a.end() ? -1 : at - a.begin();
}

// More distinct values in a group of a row than its bits can say?
bool has_more_levels(const at::Tensor& weight, const LinearClaim& claim) {
  const auto width = weight.size(1);
  for (int64_t begin = 0; begin < width; begin += claim.group_size) {
    const auto group = weight.narrow(1, begin, std::min(claim.group_size, width - begin));
    const auto sorted = std::get<0>(group.sort(1));
    const auto steps = sorted.slice(1, 1).ne(sorted.slice(1, 0, -1)).sum(1);
    if (steps.max().item<int64_t>() + 1 > claim.levels_per_group) return true;
  }
  return false;
}

}  // namespace

SelfTest check_bos(const Encode& encode, bool adds_bos, std::optional<int32_t> bos_id) {
  const std::string name = "one BOS";
  if (adds_bos && !bos_id) return failed(name, "the tokenizer adds BOS but names none");
  const auto request = encode("The quick brown fox", " jumps over the lazy dog");
  if (!bos_id) return passed(name, "the tokenizer has no BOS");
  const auto in_context = std::ranges::count(request.context_ids, *bos_id);
  const auto in_continuation = std::ranges::count(request.continuation_ids, *bos_id);
  const bool leads = !request.context_ids.empty() && request.context_ids.front() == *bos_id;
  const std::string found =
      fmt::format("{} BOS in the context, {} in the continuation", in_context, in_continuation);
  const bool ok = in_continuation == 0 && (adds_bos ? in_context == 1 && leads : in_context == 0);
  return {name, ok, adds_bos ? found + ", one at the start expected" : found + ", none expected"};
}

SelfTest check_boundary(std::span<const Item> items, const Decode& decode) {
  const std::string name = "context and continuation";
  int64_t checked = 0;
  for (const Item& item : items) {
    for (size_t c = 0; c < item.sample.choices.size(); ++c) {
      const ScoreRequest& request = item.requests[c];
      const std::string& choice = item.sample.choices[c];
      auto ids = request.context_ids;
      ids.insert(ids.end(), request.continuation_ids.begin(), request.continuation_ids.end());
      const std::string expected = item.sample.context + choice;
      const std::string where = fmt::format("item '{}', choice {}: ", item.sample.id, c + 1);
      // What stands before the text is BOS (or what stands in for an empty context).
      if (!decode(ids).ends_with(expected))
        return failed(name, where + "the ids do not say its text");
      const auto& continuation = request.continuation_ids;
      if (!decode(continuation).ends_with(choice)) {
        return failed(name, where + "scored ids do not hold the whole choice");
      }
      const std::span<const int32_t> after_first(continuation.begin() + 1, continuation.end());
      if (decode(after_first).size() >= choice.size()) {
        return failed(name, where + "a token of the context is scored");
      }
      ++checked;
    }
  }
  return passed(name, fmt::format("{} choices decode to their text", checked));
}

SelfTest check_invariance(std::span<const ScoreRequest> requests, const Scorer& score) {
  const std::string name = "batch, prefix, order, threads";
  const auto reference = score(requests, 1024, 1);
  const auto differs = [&](std::span<const ScoreResult> results, std::string_view how) {
    const auto at = first_difference(reference, results);
    return at < 0 ? std::string() : fmt::format("request {} differs {}", at, how);
  };
  if (auto found = differs(score(requests, 64, 1), "in batches of 64 rows"); !found.empty())
    return failed(name, found);
  if (auto found = differs(score(requests, 1024, 2), "on two threads"); !found.empty())
    return failed(name, found);

  std::vector<ScoreRequest> backwards(requests.rbegin(), requests.rend());
  auto reversed = score(backwards, 1024, 1);
  std::ranges::reverse(reversed);
  if (auto found = differs(reversed, "in reversed order"); !found.empty())
    return failed(name, found);

  std::vector<ScoreResult> alone;
  for (const auto& request : requests) alone.push_back(score({&request, 1}, 1024, 1).at(0));
  if (auto found = differs(alone, "when scored alone"); !found.empty()) return failed(name, found);
  return passed(name, fmt::format("{} requests, five ways, all bits equal", requests.size()));
}

SelfTest check_finite(const Checkpoint& checkpoint) {
  const std::string name = "NaN scan";
  for (const auto& record : checkpoint.tensors()) {
    const auto tensor = checkpoint.tensor(record.name);
    const auto bad = tensor.isfinite().logical_not().sum().item<int64_t>();
    if (bad > 0)
      return failed(name, fmt::format("{}: {} values are NaN or infinite", record.name, bad));
  }
  return passed(name, fmt::format("{} tensors are finite", checkpoint.tensors().size()));
}

SelfTest check_claims(const Checkpoint& checkpoint, std::span<const LinearClaim> claims) {
  const std::string name = "recounted zeros and levels";
  int64_t zeros_in_all = 0;
  for (const LinearClaim& claim : claims) {
    const auto weight = checkpoint.tensor(claim.tensor);
    const auto zeros = weight.eq(0).sum().item<int64_t>();
    if (zeros != claim.zeros) {
      return failed(name, fmt::format("{}: {} zeros in the file, {} reported", claim.tensor, zeros,
                                      claim.zeros));
    }
    if (claim.levels_per_group > 0 && has_more_levels(weight, claim)) {
      return failed(name, fmt::format("{}: a group of {} holds more than {} levels", claim.tensor,
                                      claim.group_size, claim.levels_per_group));
    }
    zeros_in_all += zeros;
  }
  return passed(name, fmt::format("{} linears, {} zeros", claims.size(), zeros_in_all));
}

void require_passed(std::span<const SelfTest> tests) {
  for (const SelfTest& test : tests) {
    require(test.passed, "self-test '", test.name, "' failed: ", test.detail);
  }
}

void save_self_tests(const std::filesystem::path& path, const std::vector<SelfTest>& tests) {
  Json list = Json::array();
  for (const SelfTest& test : tests) {
    list.push_back({{"name", test.name}, {"passed", test.passed}, {"detail", test.detail}});
  }
  write_file_atomic(path, list.dump(2) + "\n");
}

std::vector<SelfTest> load_self_tests(const std::filesystem::path& path) {
  std::vector<SelfTest> tests;
  for (const Json& test : parse_json(read_file(path), path.string())) {
    tests.push_back({.name = json_get<std::string>(test, "name", path.string()),
                     .passed = json_get<bool>(test, "passed", path.string()),
                     .detail = json_get<std::string>(test, "detail", path.string())});
  }
  return tests;
}

}  // namespace assay
