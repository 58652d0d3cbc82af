// dialect: what the same meaning costs in African American English and in standard English
// (packs/dialect, docs/tasks/dialect.md). Summed over an utterance, not by token: the two sides
// differ in tokens per word.

#include <array>

#include "base/error.h"
#include "data/locations.h"
#include "io/jsonl.h"
#include "metrics/perplexity.h"
#include "tasks/chat_prompt.h"
#include "tasks/requests.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

Sample pair_sample(const Json& json, const std::string& where) {
  static constexpr std::array<std::string_view, 6> kKeys{"id",  "meaning",  "standard",
                                                         "aae", "features", "topic"};
  require_known_keys(json, kKeys, where);
  Sample sample;
  sample.id = json_get<std::string>(json, "id", where);
  sample.cluster = sample.id;
  sample.groups = json_get<std::vector<std::string>>(json, "features", where);
  for (const auto* key : {"standard", "aae"}) {
    sample.choices.push_back(json_get<std::string>(json, key, where));
    require(!sample.choices.back().empty(), where, ": '", key, "' is empty");
  }
  sample.text = sample.choices[0] + "\n" + sample.choices[1];
  sample.doc = json;
  return sample;
}

std::vector<Item> dialect_items(const Tokenizer& tokenizer, const std::string& subset,
                                const TaskOptions& options) {
  require(subset.empty(), "dialect: no subset '", subset, "', the task is one set");
  if (!options.extra.is_null()) require_known_keys(options.extra, {}, "dialect");
  refuse_chat(options.chat, "dialect", "items are whole utterances, which no turn comes before");
  const auto path = pack_file("dialect/items.jsonl");
  std::vector<Sample> samples;
  for (const Json& json : read_jsonl(path)) {
    samples.push_back(pair_sample(json, path.string() + ":" + std::to_string(samples.size() + 1)));
  }
  return choice_items(tokenizer, std::move(samples), options, "dialect");
}

std::vector<Contribution> dialect_judge(const Sample& sample, const Response& response) {
  require(response.scores.size() == 2, sample.id, ": expected 2 scores, got ",
          response.scores.size());
  const auto &standard = response.scores[0], &aae = response.scores[1];
  const double nll_standard = -standard.log_likelihood, nll_aae = -aae.log_likelihood;
  const auto tokens_standard = static_cast<double>(standard.num_tokens);
  const auto tokens_aae = static_cast<double>(aae.num_tokens);
  return {std::vector{nll_aae, nll_standard}, std::vector{nll_aae - nll_standard, 1.0},
          std::vector{nll_aae, tokens_aae, nll_standard, tokens_standard},
          std::vector{nll_aae, tokens_aae}, std::vector{nll_standard, tokens_standard}};
}

std::optional<int> no_prediction(const Sample&, const Response&) { return std::nullopt; }

constexpr std::string_view kDimension = "dialect";
constexpr auto kDown = Direction::kLowerIsBetter;
constexpr std::array kOutcomes{
    // 1.05: five points of what the standard side costs, the default of a share near 1.
    Outcome{.name = "dialect_cost_ratio",
            .dimension = kDimension,
            .direction = kDown,
            .scale = Scale::kRatio,
            .margin = 1.05,
            .statistic = cost_ratio,
            .primary = true},
    Outcome{.name = "dialect_gap_nats",
            .dimension = kDimension,
            .direction = kDown,
            .margin = 1.0,
            .statistic = mean_statistic,
            .is_mean = true},
    Outcome{.name = "perplexity_ratio",
            .dimension = kDimension,
            .direction = kDown,
            .scale = Scale::kRatio,
            .margin = 1.10,
            .num_components = 4,
            .statistic = perplexity_ratio},
    Outcome{.name = "perplexity_aae",
            .dimension = kDimension,
            .direction = kDown,
            .scale = Scale::kRatio,
            .margin = 1.10,
            .statistic = perplexity},
    Outcome{.name = "perplexity_standard",
            .dimension = kDimension,
            .direction = kDown,
            .scale = Scale::kRatio,
            .margin = 1.10,
            .statistic = perplexity},
};

}  // namespace

Task dialect_task() {
  return {.name = "dialect",
          .description =
              "what the same meaning costs in African American English and in standard English",
          .source = "this project's pack, constructed and unvalidated; Apache-2.0",
          .subsets = "none",
          .items = dialect_items,
          .outcomes = kOutcomes,
          .judge = dialect_judge,
          .prediction = no_prediction};
}

}  // namespace assay
