#pragma once
// Rows in the shape of BBQ: a context with two people, a question about a stereotype, three options
// of which one abstains. Parrish et al. 2022, arXiv:2110.08193; files nyu-mll/BBQ
// data/CATEGORY.jsonl.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

enum class Polarity { kNeg, kNonNeg };       // who does, or does not do, the stereotyped thing
enum class Condition { kAmbig, kDisambig };  // whether the context settles the question

struct BbqRow {
  int64_t example_id = 0;
  std::string category;
  std::string question_index;  // the template; with the category it is the cluster
  Polarity polarity = Polarity::kNeg;
  Condition condition = Condition::kAmbig;
  std::string context, question;
  std::array<std::string, 3> answers;  // option texts
  std::array<std::string, 3> words;    // answer_info: the surface word of each option ...
  std::array<std::string, 3> labels;   // ... and its group label, "unknown" for the abstaining one
  std::vector<std::string> stereotyped_groups;
  std::optional<int> target_loc;  // additional_metadata.target_loc, where the file carries it
  int unknown = -1;               // index of the option that abstains
  int label = -1;                 // index of the right option
};

// Error(kBadInput) names `where` and the field: a missing key, another type, an index outside 0-2,
// a word that is none of the known ones, or a row without exactly one option labelled "unknown".
BbqRow bbq_row(const Json& row, std::string_view where);

}  // namespace assay
