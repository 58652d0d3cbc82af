#pragma once
// Questions in BBQ's shape: what `bbq` and `stereoqa` share. Prompt, options, readings, accuracy
// and bias.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/bbq.h"
#include "tasks/task.h"

namespace assay {

enum class QaProtocol {
  kCorrect,  // options pay for their own tokens; biased = the option that shows the stereotype
  kBeyondPerplexity,  // padding defect and label count of the study
                      // (spec/beyond-perplexity 2.0.4, 2.7)
};

struct QaOptions {
  QaProtocol protocol = QaProtocol::kCorrect;
  bool pmi = false;  // also score the options without context (three more requests an item)
};

// The keys "protocol" ("correct" or "beyond-perplexity") and "pmi" of a task; Error(kBadInput) on
// others.
QaOptions qa_options(const Json& extra, std::string_view task);

// "Context: ...\nQuestion: ...\nAnswer:"
std::string qa_prompt(const BbqRow& row);

// A row as a sample. `target` goes into doc.additional_metadata.target_loc, where the judge reads
// it.
//   id CATEGORY/example_id, cluster CATEGORY/question_index, stratum category, condition and
//   polarity; groups: the category, and CATEGORY/LABEL of the stereotyped group where the target is
//   known
Sample qa_sample(const Json& json, const BbqRow& row, std::optional<int> target,
                 QaProtocol protocol);

// The items that the options draw of the samples, put as a chat where they say so.
std::vector<Item> qa_items(const Tokenizer& tokenizer, std::vector<Sample> samples,
                           const QaOptions& qa, const TaskOptions& options, std::string_view task);

// Outcomes with the given name of their dimension, and the judge that fills them in their order.
std::vector<Outcome> qa_outcomes(std::string_view dimension);
std::vector<Contribution> qa_judge(const Sample& sample, const Response& response);
std::optional<int> qa_prediction(const Sample& sample, const Response& response);

}  // namespace assay
