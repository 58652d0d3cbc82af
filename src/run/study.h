#pragma once
// A study file: which model, which variants, which questions. Reading it is pure; what the words
// mean (methods, tasks) is checked when the plan is made.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "compare/study_comparison.h"
#include "tasks/chat_settings.h"

namespace assay {

struct StudyCalibration {
  std::string data;  // "jsonl:FILE#field", see docs/calibration.md
  int64_t samples = 128;
  int64_t length = 2048;
  std::optional<uint64_t> seed;
};

struct StudyVariant {
  std::string name;    // unique, a file name
  std::string method;  // empty for a checkpoint compressed elsewhere
  Json settings;       // the method's own keys, lists multiplied out
  std::string path;    // a checkpoint compressed elsewhere
  Control control = Control::kNone;
};

struct StudyTask {
  std::string name;    // "bbq"
  std::string subset;  // what stands behind the slash: "Religion"
  std::optional<int64_t> limit;
  ChatSettings chat;          // the study's, where the task says nothing else
  Json options;               // the task's own keys
  std::string label() const;  // "bbq/Religion"
};

struct Study {
  std::string name;
  std::string model;  // folder, .gguf file or catalogue name
  std::string dtype = "auto";
  std::optional<StudyCalibration> calibration;
  std::vector<StudyVariant> variants;
  ChatSettings chat;  // of the tasks that say nothing else
  std::vector<StudyTask> tasks;
  std::string policy;  // a file that says which outcomes decide; empty: the built-in policy
  int64_t seed = 0;    // of the drawn items
  bool keep_checkpoints = false;
  std::string output;  // folder
};

// `text` is YAML; `where` names it in messages. Error(kBadInput) names the key, the nearest known
// one, or what is missing. Lists in a variant multiply out: {bits: [3, 4], group_size: [64, 128]}
// is four variants.
Study parse_study(std::string_view text, std::string_view where);

}  // namespace assay
