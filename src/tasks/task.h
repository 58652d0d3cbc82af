#pragma once
// An evaluation: data + prompt + question + judge + metrics. Adding one is one file, its test and
// one line in tasks/tasks.cpp.

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/sample.h"
#include "infer/score.h"
#include "metrics/outcome.h"
#include "tasks/chat_settings.h"

namespace assay {

// What a study file may set for a task; the task's reader refuses what it does not know.
struct TaskOptions {
  std::optional<int64_t> limit;  // items, drawn by tasks/limit.h with `seed`
  uint64_t seed = 0;
  std::optional<int64_t>
      max_positions;  // of the model: windows must fit; a plan checks every request
  ChatSettings chat;
  Json extra;  // the task's own keys: {"path": ..., "window": 512, "protocol": "gptq"}
};

// One item with the answers of one run.
struct Response {
  std::vector<ScoreResult> scores;  // one per request of the item
};

struct Item {
  Sample sample;
  std::vector<ScoreRequest> requests;  // for choices: one per choice, then what the task adds
};

struct Task {
  std::string_view name;  // "bbq", "stereoqa", "perplexity"; a study writes NAME or NAME/SUBSET
  std::string_view description;  // one line
  std::string_view source;       // paper, licence
  std::string_view subsets;      // what may stand behind the slash, for `assay ls tasks`
  // Reads the data and turns it into items with token ids. `subset` is what stands behind the
  // slash.
  std::vector<Item> (*items)(const Tokenizer& tokenizer, const std::string& subset,
                             const TaskOptions& options);
  std::span<const Outcome> outcomes;
  // What one item adds to each outcome, in the order of `outcomes`.
  std::vector<Contribution> (*judge)(const Sample& sample, const Response& response);
  // For flips: the index of the chosen option, or nothing where the task has no choice.
  std::optional<int> (*prediction)(const Sample& sample, const Response& response);
  // What a run reports beyond its outcomes, for its results file: tables by group. Null: nothing.
  Json (*details)(std::span<const Item> items, std::span<const Response> responses) = nullptr;
};

// SHA-256 over what was asked, for refusing runs that are not comparable. Items in order.
struct ItemHashes {
  std::string data;    // ids, clusters, prompts, choices, targets
  std::string tokens;  // token ids of every request
};
ItemHashes item_hashes(std::span<const Item> items);

std::span<const Task> all_tasks();
const Task& task_named(std::string_view name);  // Error(kBadInput) names the nearest

}  // namespace assay
