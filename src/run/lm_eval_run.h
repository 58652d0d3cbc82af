#pragma once
// A run of lm-eval (EleutherAI's lm-evaluation-harness, --output_path with --log_samples) read as a
// run of ours: the same paired comparison for those who never asked a model with assay.

#include <filesystem>

#include "base/json.h"
#include "run/recorded_run.h"

namespace assay {

// `file` is lm-eval's results_<date>.json, `results` its content; the samples files of the same
// date lie beside it. What it becomes:
//   tasks     one a task; those of a group that report the same metrics are one task of the group's
//             name, each item in the group of its own task (mmlu's subjects)
//   items     id TASK/doc_id; prompt, choices, target, log-likelihoods from arguments and
//             filtered_resps; in the cluster of its passage, or BBQ's category and question_index,
//             else its own
//   outcomes  every metric that sums over items: the mean of a number, perplexities from
//             log-likelihood and length; "exact_match,strict-match" where there are several
//             filters. Direction as higher_is_better says. The first is primary, and each task a
//             dimension of its own. chance: the mean of 1 / choices for acc and acc_norm, 0 for
//             exact_match
// Metrics that are no sums over items (f1 of pairs, mcc, ...) are left out and named in the task's
// warnings. Error(kBadInput) names the file and line: no samples, a metric that is missing.
RecordedRun read_lm_eval_run(const std::filesystem::path& file, const Json& results);

}  // namespace assay
