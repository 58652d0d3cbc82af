#include "run/lm_eval_run.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "io/jsonl.h"
#include "metrics/perplexity.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

// How a metric's value of one item becomes what the item adds to its outcome.
enum class MetricForm { kNumber, kLogLikelihood, kLogLikelihoodAndLength };

struct Metric {
  std::string name, filter;
  MetricForm form = MetricForm::kNumber;
};

// What lm-eval logged of one item under one filter.
struct Line {
  Json json;
  std::string where;
};

struct TaskLines {
  std::string task;
  std::vector<Line> lines;
};

std::string text_or(const Json& object, const char* key, const std::string& fallback) {
  const Json value = object.is_object() ? object.value(key, Json()) : Json();
  return value.is_string() && !value.get<std::string>().empty() ? value.get<std::string>()
                                                                : fallback;
}

std::string date_of(const fs::path& results) {
  const std::string stem = results.stem().string();  // "results_2026-01-01T00-00-00.123456"
  return stem.substr(std::string_view("results_").size());
}

TaskLines lines_of(const fs::path& results, const std::string& task) {
  const fs::path file =
      results.parent_path() / ("samples_" + task + "_" + date_of(results) + ".jsonl");
  require(fs::exists(file), results.string(), ": the samples of task ", task,
          " are not beside it (", file.filename().string(),
          "); lm-eval writes them with "
          "--log_samples");
  TaskLines read{task, {}};
  for (Json& json : read_jsonl(file)) {
    read.lines.push_back(
        {std::move(json), file.string() + ":" + std::to_string(read.lines.size() + 1)});
  }
  require(!read.lines.empty(), file.string(), ": holds no item");
  return read;
}

bool is_pair_of_numbers(const Json& value) {
  return value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number();
}

// Perplexities are not means of what is logged: the log-likelihood alone, or with what it is
// divided by. Nothing for a metric that is no sum over items.
std::optional<MetricForm> form_of(const std::string& name, const Json& value) {
  constexpr std::array kWithLength{"word_perplexity"sv, "byte_perplexity"sv, "bits_per_byte"sv};
  if (std::ranges::find(kWithLength, name) != kWithLength.end()) {
    return is_pair_of_numbers(value) ? std::optional(MetricForm::kLogLikelihoodAndLength)
                                     : std::nullopt;
  }
  const bool is_number = value.is_number() || value.is_boolean();
  if (name == "perplexity" && is_number) return MetricForm::kLogLikelihood;
  return is_number ? std::optional(MetricForm::kNumber) : std::nullopt;
}

double number_of(const Json& value) {
  return value.is_boolean() ? static_cast<double>(value.get<bool>()) : value.get<double>();
}

Contribution contribution_of(const Metric& metric, const Line& line) {
  const auto value = json_get<Json>(line.json, metric.name, line.where);
  require(form_of(metric.name, value) == metric.form, line.where, ": '", metric.name, "' is ",
          value.dump());
  switch (metric.form) {
    case MetricForm::kLogLikelihoodAndLength:
      return std::vector<double>{-number_of(value[0]), number_of(value[1])};
    case MetricForm::kLogLikelihood:
      return std::vector<double>{-number_of(value), 1};
    case MetricForm::kNumber:
      break;
  }
  const double number = number_of(value);
  if (!std::isfinite(number)) return Unscored{metric.name + " is not finite"};
  return std::vector<double>{number, 1};
}

// The metrics of a task, in the order of its lines; those that are left out go to `warnings`.
std::vector<Metric> metrics_of(const TaskLines& task, std::vector<std::string>& warnings) {
  std::vector<Metric> metrics;
  std::set<std::string> filters;
  for (const auto& [line, where] : task.lines) {
    const auto filter = json_get<std::string>(line, "filter", where);
    if (!filters.insert(filter).second) continue;
    for (const auto& name : json_get<std::vector<std::string>>(line, "metrics", where)) {
      const auto form = form_of(name, json_get<Json>(line, name, where));
      if (form) {
        metrics.push_back({name, filter, *form});
      } else {
        warnings.push_back(name + " of " + task.task + " is no sum over items: left out");
      }
    }
  }
  return metrics;
}

bool is_same_metric(const Metric& a, const Metric& b) {
  return a.name == b.name && a.filter == b.filter && a.form == b.form;
}

// --- items

struct Choices {
  std::string context;
  std::vector<std::string> texts;
};

// The options of a multiple-choice item: requests with one context; those behind them without one
// are acc_mutual_info's.
Choices choices_of(const Json& arguments, const std::string& where) {
  Choices choices;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto pair = json_get<Json>(arguments, "gen_args_" + std::to_string(i), where);
    const auto context = json_get<std::string>(pair, "arg_0", where);
    if (i == 0) choices.context = context;
    if (context != choices.context || !pair.contains("arg_1") || !pair["arg_1"].is_string()) break;
    choices.texts.push_back(pair["arg_1"].get<std::string>());
  }
  if (choices.texts.size() < 2) choices.texts.clear();
  return choices;
}

// Pairs of texts: ["-9.92", "False"].
std::vector<double> log_likelihoods_of(const Json& responses, size_t count) {
  std::vector<double> values;
  for (size_t i = 0; i < std::min(count, responses.size()); ++i) {
    const Json& pair = responses[i];
    if (!pair.is_array() || pair.empty()) return {};
    const std::string text = pair[0].is_string() ? pair[0].get<std::string>() : pair[0].dump();
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    values.push_back(value);
  }
  return values;
}

int target_of(const Json& line, size_t num_choices) {
  const std::string text = text_or(line, "target", "");
  int target = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
  const bool is_choice = error == std::errc() && end == text.data() + text.size() && target >= 0 &&
                         static_cast<size_t>(target) < num_choices;
  return is_choice ? target : -1;
}

// Items about one passage, or of one template of BBQ, are not independent.
std::string cluster_of(const Json& doc, const std::string& task, const std::string& id) {
  if (!doc.is_object()) return id;
  if (doc.contains("category") && doc.contains("question_index")) {
    return doc["category"].dump() + " " + doc["question_index"].dump();
  }
  for (const char* key : {"passage", "article", "background"}) {
    if (doc.contains(key) && doc[key].is_string()) {
      return task + " " + sha256_hex(doc[key].get<std::string>()).substr(0, 16);
    }
  }
  return id;
}

AnsweredItem item_of(const std::string& task, const Line& line) {
  const auto& [json, where] = line;
  const Json doc = json_get<Json>(json, "doc", where);
  const auto arguments = json_get<Json>(json, "arguments", where);
  require(arguments.is_object() && !arguments.empty(), where, ": 'arguments' holds no request");
  AnsweredItem item;
  item.id = task + "/" + json_get<Json>(json, "doc_id", where).dump();
  item.cluster = cluster_of(doc, task, item.id);
  item.groups = {task};
  const Choices choices = choices_of(arguments, where);
  item.context = json_get<std::string>(arguments["gen_args_0"], "arg_0", where);
  item.choices = choices.texts;
  item.target = target_of(json, item.choices.size());
  item.log_likelihoods =
      log_likelihoods_of(json_get<Json>(json, "filtered_resps", where), item.choices.size());
  if (item.choices.empty() || item.log_likelihoods.size() != item.choices.size()) {
    item.log_likelihoods.clear();
    return item;
  }
  const auto best = std::ranges::max_element(item.log_likelihoods);
  item.prediction = static_cast<int>(best - item.log_likelihoods.begin());
  return item;
}

// Every line of an item, one a filter, makes one item.
std::vector<AnsweredItem> items_of(const TaskLines& task, const std::vector<Metric>& metrics) {
  std::map<std::string, size_t> index_of;
  std::vector<AnsweredItem> items;
  for (const Line& line : task.lines) {
    AnsweredItem item = item_of(task.task, line);
    const auto [found, is_new] = index_of.emplace(item.id, items.size());
    if (is_new) {
      item.contributions.assign(metrics.size(), Unscored{"lm-eval logged no answer"});
      items.push_back(std::move(item));
    }
    const auto filter = json_get<std::string>(line.json, "filter", line.where);
    for (size_t m = 0; m < metrics.size(); ++m) {
      if (metrics[m].filter != filter) continue;
      items[found->second].contributions[m] = contribution_of(metrics[m], line);
    }
  }
  return items;
}

// --- outcomes

bool is_higher_better(const Json& results, const std::string& task, const std::string& metric) {
  const Json by_task = results.value("higher_is_better", Json());
  const Json directions = by_task.is_object() ? by_task.value(task, Json()) : Json();
  if (!directions.is_object() || !directions.contains(metric)) return true;
  return directions[metric].is_boolean() ? directions[metric].get<bool>() : true;
}

// The share of right answers of one who knows nothing.
std::optional<double> chance_of(const Metric& metric, std::span<const AnsweredItem> items) {
  if (metric.name == "exact_match") return 0;
  if (metric.name != "acc" && metric.name != "acc_norm") return std::nullopt;
  double sum = 0;
  for (const AnsweredItem& item : items) {
    if (item.choices.empty()) return std::nullopt;
    sum += 1 / static_cast<double>(item.choices.size());
  }
  return sum / static_cast<double>(items.size());
}

Outcome outcome_of(const Metric& metric, const Json& results, const std::string& task,
                   std::span<const AnsweredItem> items) {
  Outcome outcome;
  outcome.direction = is_higher_better(results, task, metric.name) ? Direction::kHigherIsBetter
                                                                   : Direction::kLowerIsBetter;
  outcome.chance = chance_of(metric, items);
  if (metric.form == MetricForm::kNumber) {
    outcome.statistic = mean_statistic;
    outcome.is_mean = true;
    return outcome;
  }
  outcome.direction = Direction::kLowerIsBetter;
  outcome.scale = Scale::kRatio;
  outcome.margin = 1.10;
  outcome.statistic = metric.name == "bits_per_byte" ? bits_per_byte : perplexity;
  return outcome;
}

// Names live as long as the outcomes.
struct OwnedOutcomes {
  std::vector<std::string> names;  // reserved: outcomes point into them
  std::string dimension;
  std::vector<Outcome> outcomes;
};

std::shared_ptr<const OwnedOutcomes> outcomes_of(const std::vector<Metric>& metrics,
                                                 const Json& results, const std::string& name,
                                                 const std::string& leaf,
                                                 std::span<const AnsweredItem> items) {
  auto owned = std::make_shared<OwnedOutcomes>();
  owned->dimension = name;
  owned->names.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    const auto same = std::ranges::count(metrics, metric.name, &Metric::name);
    owned->names.push_back(same == 1 ? metric.name : metric.name + "," + metric.filter);
    Outcome outcome = outcome_of(metric, results, leaf, items);
    outcome.name = owned->names.back();
    outcome.dimension = owned->dimension;
    outcome.primary = owned->outcomes.empty();
    owned->outcomes.push_back(outcome);
  }
  return owned;
}

// --- tasks

// The tasks below a group, groups in it included.
void add_leaves(const Json& groups, const std::string& name, std::vector<std::string>& leaves,
                int depth = 0) {
  require(depth < 16, "group_subtasks: '", name, "' is nested deeper than 16 groups");
  const Json below = groups.value(name, Json::array());
  if (below.empty()) {
    leaves.push_back(name);
    return;
  }
  for (const Json& entry : below) {
    require(entry.is_string(), "group_subtasks: '", name, "' holds ", entry.dump());
    add_leaves(groups, entry.get<std::string>(), leaves, depth + 1);
  }
}

// What is compared as one task: a group that is in no other, or a task that is in none.
std::map<std::string, std::vector<std::string>> leaves_by_task(const Json& results,
                                                               const std::string& where) {
  const Json groups = results.value("group_subtasks", Json::object());
  require(groups.is_object(), where, ": 'group_subtasks' must be an object");
  std::set<std::string> below;
  for (const auto& [group, entries] : groups.items()) {
    for (const Json& entry : entries) {
      require(entry.is_string(), where, ": group_subtasks: '", group.c_str(), "' holds ",
              entry.dump());
      below.insert(entry.get<std::string>());
    }
  }
  std::map<std::string, std::vector<std::string>> tasks;
  for (const auto& [group, entries] : groups.items()) {
    if (!below.contains(group)) add_leaves(groups, group, tasks[group]);
  }
  std::set<std::string> in_groups;
  for (const auto& [name, leaves] : tasks) in_groups.insert(leaves.begin(), leaves.end());
  const Json configs = json_get<Json>(results, "configs", where);
  for (const auto& [task, config] : configs.items()) {
    if (!in_groups.contains(task)) tasks[task] = {task};
  }
  require(!tasks.empty(), where, ": names no task");
  return tasks;
}

// Leaves of one group as one task, where they report the same metrics.
void add_task(const std::string& name, const std::vector<TaskLines>& leaves, const Json& results,
              RecordedRun& run) {
  RecordedTask task;
  const auto metrics = metrics_of(leaves.front(), task.description.warnings);
  for (const TaskLines& leaf : leaves) {
    std::vector<std::string> unused;
    if (std::ranges::equal(metrics_of(leaf, unused), metrics, is_same_metric)) continue;
    for (const TaskLines& alone : leaves) add_task(alone.task, {alone}, results, run);
    return;
  }
  require(!metrics.empty(), name, ": lm-eval logged no metric that is a sum over items");
  for (const TaskLines& leaf : leaves)
    std::ranges::move(items_of(leaf, metrics), std::back_inserter(task.items));
  const auto owned = outcomes_of(metrics, results, name, leaves.front().task, task.items);
  task.outcomes = owned->outcomes;
  task.owner = owned;
  task.description.name = name;
  task.description.description = "as lm-eval asked it";
  task.description.source = "lm-eval " + text_or(results, "lm_eval_version", "");
  run.tasks.push_back(std::move(task));
}

}  // namespace

RecordedRun read_lm_eval_run(const fs::path& file, const Json& results) {
  const std::string where = file.string();
  require(results.contains("configs") && results.contains("results"), where,
          ": neither assay's results nor lm-eval's ('configs' and 'results')");
  const Json config = results.value("config", Json::object());
  RecordedRun run;
  run.file = file;
  run.arm = text_or(results, "model_name", "lm-eval run");
  run.model.name = run.arm;
  run.model.architecture = text_or(results, "model_source", "not recorded");
  const Json parameters = config.value("model_num_parameters", Json());
  if (parameters.is_number_integer()) run.model.parameters = parameters.get<int64_t>();
  run.model.weights_hash = text_or(config, "model_sha", "not recorded");
  run.reference.text = run.arm + ", as lm-eval " + text_or(results, "lm_eval_version", "") +
                       " loaded it (" + text_or(config, "model_dtype", "dtype not recorded") + ")";
  run.tokenizer.name = "not recorded";
  run.tokenizer.hash = "not recorded";
  run.variant.name = run.arm;
  run.variant.method = "asked by lm-eval";
  run.variant.settings = {{"model_args", text_or(config, "model_args", "")}};
  run.variant.weights_hash = run.model.weights_hash;
  run.settings = {{"asked by", "lm-eval"},
                  {"chat_template", text_or(results, "chat_template_sha", "")},
                  {"system_instruction", text_or(results, "system_instruction_sha", "")}};
  for (const auto& [name, leaves] : leaves_by_task(results, where)) {
    std::vector<TaskLines> lines;
    for (const std::string& leaf : leaves) lines.push_back(lines_of(file, leaf));
    add_task(name, lines, results, run);
  }
  return run;
}

}  // namespace assay
