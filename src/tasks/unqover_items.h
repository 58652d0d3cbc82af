#pragma once
// UnQover's pairs as items: which lists, which pairs, which prompts (docs/tasks/unqover.md).

#include <string>
#include <vector>

#include "tasks/task.h"

namespace assay {

// An item is a pair: four questions with two answers, eight requests in the order of UnqoverScores
// (metrics/unqover.h). It has no choices of its own.
//   id CATEGORY/KEY, cluster CATEGORY/TEMPLATE/ACTIVITY, stratum CATEGORY/TEMPLATE
//   groups  the two subjects, the alphabetically smaller first; of subjects of two classes the
//   classes doc     subjects, classes, subject_indices, template, activity_class, activity,
//   activity_index and
//           both entries
// Keys of `options.extra`: protocol ("correct", "beyond-perplexity"), pairs (a number or "all"),
// pair_seed, prompt ("plain", "tulu"), lists ("official", "pack" or a folder). Error(kBadInput) on
// others, on an unknown category, and where the lists are not there.
std::vector<Item> unqover_items(const Tokenizer& tokenizer, const std::string& subset,
                                const TaskOptions& options);

}  // namespace assay
