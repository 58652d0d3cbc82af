#pragma once
// One task asked of one model, resumable: answers go to the journal as they come and to the samples
// file at the end.

#include <functional>
#include <string>
#include <vector>

#include "run/journal.h"
#include "run/output_folder.h"
#include "tasks/task.h"

namespace assay {

struct AskedTask {
  std::string label;  // "bbq/Religion"
  const Task* task = nullptr;
  std::vector<Item> items;
  ItemHashes hashes;
  ScoreStats cost;  // of all items, as planned
};

// The answers that are on disk for `key`, all of them; nothing when the task is not finished.
std::optional<std::vector<ItemAnswers>> finished_answers(const OutputFolder& output,
                                                         const std::string& variant,
                                                         const AskedTask& asked,
                                                         const std::string& key);

struct AskOptions {
  int64_t batch_tokens = 2048;
  std::function<void(int64_t requests)> on_skipped;   // answered by an earlier run
  std::function<void(int64_t requests)> on_answered;  // now
};

// Asks what no earlier run with the same key has answered, writes the samples file, and returns all
// answers by item.
std::vector<ItemAnswers> ask(const CausalLM& model, const Tokenizer& tokenizer,
                             const OutputFolder& output, const std::string& variant,
                             const AskedTask& asked, const std::string& key,
                             const AskOptions& options);

}  // namespace assay
