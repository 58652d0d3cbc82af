#pragma once
// Finished answers on disk: samples_<task>_<variant>.jsonl and results_<variant>.json in lm-eval's
// shape, so that its readers work on them; what lm-eval has no place for stands under x_assay.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "run/journal.h"
#include "tasks/task.h"

namespace assay {

// "bbq/Religion" -> "bbq_Religion", as in file names.
std::string file_label(const std::string& task_label);

// One line per item: doc_id, doc, target, arguments, resps, filtered_resps, doc_hash, prompt_hash,
// target_hash, one key per outcome that is a mean (its value for this item), and x_assay: {id,
// cluster, groups, num_choices (the first arguments are the choices), scores: [[log-likelihood,
// tokens, greedy], ...], prediction, contributions: {outcome: [components] or {"unscored":
// reason}}}.
void write_samples(const std::filesystem::path& path, const Task& task, std::span<const Item> items,
                   std::span<const ItemAnswers> answers, const Tokenizer& tokenizer);

// The answers of a samples file, by item. Error(kCorruptFile) names file and line.
std::vector<ItemAnswers> read_sample_answers(const std::filesystem::path& path);

// The entry of one task in results_<variant>.json: each outcome's value over the scored items, its
// naive standard error where it is a mean (lm-eval's; clusters are honoured in the comparison),
// counts of items and of unscored ones, and the task's own details.
Json task_results(const Task& task, std::span<const Item> items,
                  std::span<const ItemAnswers> answers);

}  // namespace assay
