#pragma once
// N:M sparsity: of every M consecutive inputs of a row, N are kept. Groups are aligned to column 0.
// (Papers' code counts what is removed; 2:4 and 4:8 read the same both ways, 1:4 does not.)

#include <cstdint>
#include <string>
#include <string_view>

namespace assay {

struct NmPattern {
  int64_t keep = 2;
  int64_t of = 4;

  double sparsity() const { return 1.0 - static_cast<double>(keep) / static_cast<double>(of); }
  bool operator==(const NmPattern&) const = default;
};

// What happens to the last columns of a row whose width is no multiple of M.
enum class NmTail {
  kProportional,  // prune floor((M - N) * tail / M) of them
  kReference,  // prune M - N of them as in a full group; Error(kBadInput) when the tail has fewer
};

// "2:4" -> {2, 4}. Error(kBadInput) unless 0 < N < M <= 32.
NmPattern parse_nm_pattern(std::string_view text);

std::string to_string(NmPattern pattern);  // "2:4"

}  // namespace assay
