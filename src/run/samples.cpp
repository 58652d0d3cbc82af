#include "run/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "io/jsonl.h"

namespace assay {
namespace {

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// lm-eval keeps arguments as {"gen_args_0": {"arg_0": context, "arg_1": continuation}, ...}.
Json arguments_json(const Item& item, const Tokenizer& tokenizer) {
  Json arguments = Json::object();
  for (size_t r = 0; r < item.requests.size(); ++r) {
    const bool is_choice = r < item.sample.choices.size();
    const auto& request = item.requests[r];
    arguments["gen_args_" + std::to_string(r)] = {
        {"arg_0", is_choice ? item.sample.context : tokenizer.decode(request.context_ids)},
        {"arg_1", is_choice ? item.sample.choices[r] : tokenizer.decode(request.continuation_ids)}};
  }
  return arguments;
}

Json contribution_json(const Contribution& contribution) {
  if (const auto* unscored = std::get_if<Unscored>(&contribution)) {
    return {{"unscored", unscored->reason}};
  }
  return std::get<std::vector<double>>(contribution);
}

Json sample_json(int64_t index, const Task& task, const Item& item, const ItemAnswers& answers,
                 const Tokenizer& tokenizer) {
  const Sample& sample = item.sample;
  Json resps = Json::array(), filtered = Json::array(), scores = Json::array();
  for (const auto& answer : answers) {
    const Json pair = {fmt::format("{}", answer.log_likelihood),
                       answer.is_greedy ? "True" : "False"};
    resps.push_back(Json::array({pair}));
    filtered.push_back(pair);
    scores.push_back({answer.log_likelihood, answer.num_tokens, answer.is_greedy});
  }
  const std::string target = std::to_string(sample.target);
  Json line = {{"doc_id", index},
               {"doc", sample.doc},
               {"target", target},
               {"arguments", arguments_json(item, tokenizer)},
               {"resps", resps},
               {"filtered_resps", filtered},
               {"filter", "none"},
               {"doc_hash", sha256_hex(sample.doc.dump())},
               {"prompt_hash", sha256_hex(sample.context)},
               {"target_hash", sha256_hex(target)}};
  const Response response{answers};
  const auto contributions = task.judge(sample, response);
  Json by_outcome = Json::object();
  for (size_t o = 0; o < task.outcomes.size(); ++o) {
    const Outcome& outcome = task.outcomes[o];
    by_outcome[std::string(outcome.name)] = contribution_json(contributions[o]);
    const auto* components = std::get_if<std::vector<double>>(&contributions[o]);
    if (outcome.is_mean && components != nullptr && !components->empty()) {
      line[std::string(outcome.name)] = or_null(outcome.statistic(*components));
    }
  }
  const auto prediction = task.prediction(sample, response);
  line["x_assay"] = {{"id", sample.id},
                     {"cluster", sample.cluster},
                     {"groups", sample.groups},
                     {"num_choices", sample.choices.size()},
                     {"scores", scores},
                     {"prediction", prediction ? Json(*prediction) : Json(nullptr)},
                     {"contributions", by_outcome}};
  return line;
}

struct OutcomeTally {
  std::vector<double> rows;    // components of the scored items
  std::vector<double> values;  // of each item, where the outcome is a mean
  int64_t num_scored = 0;
  std::map<std::string, int64_t> unscored;  // by reason
};

void tally(const Outcome& outcome, const Contribution& contribution, OutcomeTally& into) {
  if (const auto* unscored = std::get_if<Unscored>(&contribution)) {
    ++into.unscored[unscored->reason];
    return;
  }
  const auto& components = std::get<std::vector<double>>(contribution);
  if (components.empty()) return;  // the outcome is not about this item
  ++into.num_scored;
  into.rows.insert(into.rows.end(), components.begin(), components.end());
  if (outcome.is_mean && !outcome.between_groups)
    into.values.push_back(outcome.statistic(components));
}

// Of a mean, items taken as independent: sample standard deviation / sqrt(n). "N/A" as lm-eval
// writes it.
Json naive_standard_error(const std::vector<double>& values) {
  if (values.size() < 2) return "N/A";
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return or_null(std::sqrt(squares / (n - 1) / n));
}

}  // namespace

std::string file_label(const std::string& task_label) {
  std::string label = task_label;
  std::ranges::replace(label, '/', '_');
  return label;
}

void write_samples(const std::filesystem::path& path, const Task& task, std::span<const Item> items,
                   std::span<const ItemAnswers> answers, const Tokenizer& tokenizer) {
  AtomicFile file(path);
  for (size_t i = 0; i < items.size(); ++i) {
    const Json line = sample_json(static_cast<int64_t>(i), task, items[i], answers[i], tokenizer);
    file.write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  file.commit();
}

std::vector<ItemAnswers> read_sample_answers(const std::filesystem::path& path) {
  std::vector<ItemAnswers> all;
  for (const Json& line : read_jsonl(path)) {
    const std::string where = path.string() + ":" + std::to_string(all.size() + 1);
    try {
      ItemAnswers answers;
      for (const Json& score : line.at("x_assay").at("scores")) {
        answers.push_back({.log_likelihood = score.at(0).get<double>(),
                           .num_tokens = score.at(1).get<int64_t>(),
                           .is_greedy = score.at(2).get<bool>()});
      }
      all.push_back(std::move(answers));
    } catch (const nlohmann::json::exception&) {
      fail(ErrorKind::kCorruptFile, where, ": not a sample of assay (no x_assay.scores)");
    }
  }
  return all;
}

Json task_results(const Task& task, std::span<const Item> items,
                  std::span<const ItemAnswers> answers) {
  std::vector<OutcomeTally> tallies(task.outcomes.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const auto contributions = task.judge(items[i].sample, Response{answers[i]});
    for (size_t o = 0; o < tallies.size(); ++o) {
      tally(task.outcomes[o], contributions[o], tallies[o]);
    }
  }
  Json results = Json::object(), counts = Json::object();
  for (size_t o = 0; o < tallies.size(); ++o) {
    const std::string name(task.outcomes[o].name);
    const OutcomeTally& tallied = tallies[o];
    results[name + ",none"] =
        tallied.num_scored == 0 ? Json(nullptr) : or_null(value_of(task.outcomes[o], tallied.rows));
    results[name + "_stderr,none"] = naive_standard_error(tallied.values);
    counts[name] = {{"scored", tallied.num_scored}, {"unscored", tallied.unscored}};
  }
  results["x_assay"] = {{"items", items.size()}, {"outcomes", counts}};
  if (task.details != nullptr) {
    std::vector<Response> responses;
    for (const ItemAnswers& scores : answers) responses.push_back({scores});
    results["x_assay"]["details"] = task.details(items, responses);
  }
  return results;
}

}  // namespace assay
