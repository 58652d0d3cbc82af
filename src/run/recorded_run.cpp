#include "run/recorded_run.h"

#include <algorithm>
#include <charconv>
#include <regex>

#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "io/jsonl.h"
#include "run/chat_record.h"
#include "run/describe.h"
#include "run/lm_eval_run.h"
#include "run/samples.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The arm that a results file is named after; empty for any other file.
std::string arm_of(const fs::path& file) {
  static const std::regex pattern(R"(results_(.+)\.json)");
  const std::string name = file.filename();
  std::smatch match;
  return std::regex_match(name, match, pattern) ? match[1].str() : "";
}

// What lies in the folder, by name.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(folder, error); !error && at != fs::end(at); at.increment(error)) {
    entries.push_back(at->path());
  }
  require(!error, folder.string(), ": cannot list the folder: ", error.message());
  std::ranges::sort(entries);
  return entries;
}

// The arms of a study whose root this is: " base rtn-3bit".
std::string arms_below(const fs::path& folder) {
  std::string arms;
  std::error_code error;
  for (const fs::path& entry : entries_of(folder)) {
    const std::string arm = entry.filename();
    if (fs::exists(entry / ("results_" + arm + ".json"), error)) arms += " " + arm;
  }
  return arms;
}

// Results files of folders in this one that are no arms of a study: lm-eval's.
std::vector<fs::path> results_below(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const fs::path& entry : entries_of(folder)) {
    if (!fs::is_directory(entry, error)) continue;
    for (const fs::path& file : entries_of(entry)) {
      const std::string arm = arm_of(file);
      if (!arm.empty() && arm != entry.filename()) files.push_back(file);
    }
  }
  return files;
}

fs::path results_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    require(fs::exists(path, error), path.string(), ": no such file or folder");
    require(!arm_of(path).empty(), path.string(), ": not a results_<arm>.json");
    return path;
  }
  auto files = entries_of(path);
  std::erase_if(files, [](const fs::path& entry) { return arm_of(entry).empty(); });
  if (files.size() == 1) return files.front();
  require(files.empty(), path.string(), ": holds ", files.size(),
          " results files; name one of them");
  if (const auto below = results_below(path); below.size() == 1) return below.front();
  const std::string arms = arms_below(path);
  require(!arms.empty(), path.string(), ": holds no results_<arm>.json");
  fail(ErrorKind::kBadInput, path.string(),
       ": is a whole study; name the folder of one arm:", arms);
}

Contribution contribution(const Json& json, const std::string& where) {
  if (json.is_object()) return Unscored{json_get<std::string>(json, "unscored", where)};
  require(json.is_array(), where, ": expected a list of numbers, got ", json.type_name());
  std::vector<double> components;
  for (const Json& value : json) {
    require(value.is_number(), where, ": expected a number, got ", value.type_name());
    components.push_back(value.get<double>());
  }
  return components;
}

AnsweredItem recorded_item(const Json& line, std::span<const Outcome> outcomes,
                           const std::string& where) {
  const auto own = json_get<Json>(line, "x_assay", where);
  AnsweredItem item;
  item.id = json_get<std::string>(own, "id", where);
  item.cluster = json_get<std::string>(own, "cluster", where);
  item.groups = json_get<std::vector<std::string>>(own, "groups", where);
  const auto target = json_get<std::string>(line, "target", where);
  const auto [end, error] =
      std::from_chars(target.data(), target.data() + target.size(), item.target);
  require(error == std::errc() && end == target.data() + target.size() && item.target >= -1, where,
          ": 'target' must be the number of a choice or -1, got '", target, "'");
  const auto num_choices = json_get<size_t>(own, "num_choices", where);
  const auto arguments = json_get<Json>(line, "arguments", where);
  for (size_t i = 0; i < num_choices; ++i) {
    const auto pair = json_get<Json>(arguments, "gen_args_" + std::to_string(i), where);
    const auto context = json_get<std::string>(pair, "arg_0", where);
    require(i == 0 || context == item.context, where, ": its choices have different prompts");
    item.context = context;
    item.choices.push_back(json_get<std::string>(pair, "arg_1", where));
  }
  if (!json_get<Json>(own, "prediction", where).is_null()) {
    item.prediction = json_get<int>(own, "prediction", where);
    require(*item.prediction >= 0 && static_cast<size_t>(*item.prediction) < num_choices, where,
            ": 'prediction' ", *item.prediction, " of ", num_choices, " choices");
  }
  for (const Json& score : json_get<std::vector<Json>>(own, "scores", where)) {
    require(score.is_array() && score.size() == 3 && score[0].is_number(), where,
            ": a score must be [log-likelihood, tokens, is greedy]");
    if (num_choices == 0 || item.log_likelihoods.size() < num_choices) {
      item.log_likelihoods.push_back(score[0].get<double>());
    }
  }
  const auto contributions = json_get<Json>(own, "contributions", where);
  for (const Outcome& outcome : outcomes) {
    const std::string name(outcome.name);
    item.contributions.push_back(
        contribution(json_get<Json>(contributions, name, where), where + ": " + name));
  }
  return item;
}

RecordedTask recorded_task(const Json& entry, const RecordedRun& run, const std::string& where) {
  RecordedTask recorded;
  recorded.description = task_description(json_get<Json>(entry, "task", where), where);
  recorded.tokens_hash = json_get<std::string>(entry, "tokens_hash", where);
  const std::string& label = recorded.description.name;
  recorded.outcomes = task_named(label.substr(0, label.find('/'))).outcomes;
  const fs::path samples =
      run.file.parent_path() / ("samples_" + file_label(label) + "_" + run.arm + ".jsonl");
  for (const Json& line : read_jsonl(samples)) {
    const std::string at = samples.string() + ":" + std::to_string(recorded.items.size() + 1);
    recorded.items.push_back(recorded_item(line, recorded.outcomes, at));
  }
  return recorded;
}

// What a message says of a setting.
std::string setting_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "none" : value.dump();
}

void require_same_settings(const RecordedRun& base, const RecordedRun& run) {
  for (const auto& [key, value] : base.settings.items()) {
    const auto other = json_get<Json>(run.settings, key, run.file.string() + ": x_assay.asked");
    require(other == value, key, " differs: ", setting_text(value), " and ", setting_text(other));
  }
}

void require_same_item(const AnsweredItem& base, const AnsweredItem& run, size_t index) {
  const auto same = [&](bool equal, const char* part) {
    require(equal, "item ", index + 1, " (", base.id, ") differs in its ", part);
  };
  require(base.id == run.id, "item ", index + 1, " differs: ", base.id, " and ", run.id);
  same(base.context == run.context, "prompt");
  same(base.choices == run.choices, "choices");
  same(base.target == run.target, "target");
  same(base.cluster == run.cluster, "cluster");
}

void require_same_task(const RecordedTask& base, const RecordedTask& run) {
  const size_t common = std::min(base.items.size(), run.items.size());
  for (size_t i = 0; i < common; ++i) require_same_item(base.items[i], run.items[i], i);
  require(base.items.size() == run.items.size(), base.items.size(), " items and ",
          run.items.size());
  require(base.description.data_hash == run.description.data_hash,
          "the data differ: ", base.description.data_hash, " and ", run.description.data_hash);
  require(base.tokens_hash == run.tokens_hash,
          "the same prompts are other token ids: another tokenizer, or another rule for BOS");
}

}  // namespace

std::string compute_dtype(const Study& study) {
  return study.dtype == "auto" ? "float32" : study.dtype;
}

Json asked_settings(const Plan& plan) {
  Json tasks = Json::array();
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const AskedTask& task = plan.tasks[t];
    tasks.push_back({{"task", to_json(describe_task(task))},
                     {"tokens_hash", "sha256:" + task.hashes.tokens},
                     {"chat", chat_record(plan.study.tasks[t].chat)}});
  }
  return {{"assay_version", version()},
          {"dtype", compute_dtype(plan.study)},
          {"answers", "log-likelihood"},
          {"chat_template", chat_template_hash(plan)},
          {"tasks", std::move(tasks)}};
}

RecordedRun read_recorded_run(const fs::path& path) {
  RecordedRun run;
  run.file = results_file(path);
  run.arm = arm_of(run.file);
  const std::string where = run.file.string() + ": x_assay";
  const Json results = parse_json(read_file(run.file), run.file.string());
  if (!results.contains("x_assay")) return read_lm_eval_run(run.file, results);
  const auto own = json_get<Json>(results, "x_assay", run.file.string());
  run.reference = reference_description(json_get<Json>(own, "reference", where), where);
  run.model = model_description(json_get<Json>(own, "model", where), where);
  run.tokenizer = tokenizer_description(json_get<Json>(own, "tokenizer", where), where);
  run.variant = variant_description(json_get<Json>(own, "variant", where), where);
  run.settings = json_get<Json>(own, "asked", where);
  const auto tasks = json_get<std::vector<Json>>(run.settings, "tasks", where + ".asked");
  run.settings.erase("tasks");
  for (const Json& task : tasks) {
    run.tasks.push_back(recorded_task(task, run, where + ".asked.tasks"));
  }
  require(!run.tasks.empty(), where, ".asked.tasks: no task was asked");
  return run;
}

void require_comparable(const RecordedRun& base, const RecordedRun& run) {
  in_context(run.file.string() + ": not comparable with " + base.file.string(), [&] {
    require_same_settings(base, run);
    for (size_t t = 0; t < std::max(base.tasks.size(), run.tasks.size()); ++t) {
      const auto label = [&](const RecordedRun& of) {
        return t < of.tasks.size() ? of.tasks[t].description.name : "none";
      };
      require(label(base) == label(run), "task ", t + 1, " differs: ", label(base), " and ",
              label(run));
      in_context(label(base), [&] { require_same_task(base.tasks[t], run.tasks[t]); });
    }
  });
}

}  // namespace assay
