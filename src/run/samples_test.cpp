#include "run/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <optional>

#include "tasks/tasks.h"

namespace assay {
namespace {

// |mean of the signed numbers|, of rows {number}.
double absolute_mean(std::span<const double> rows) {
  double sum = 0;
  for (const double value : rows) sum += value;
  return std::abs(sum / static_cast<double>(rows.size()));
}

double no_agreement(std::span<const double>, std::span<const double>) { return 0; }

constexpr std::array kOutcomes{
    Outcome{.name = "mean", .statistic = mean_statistic, .is_mean = true},
    Outcome{.name = "signed", .statistic = mean_statistic, .is_mean = true, .between_groups = true},
    Outcome{.name = "size", .num_components = 1, .of_items = absolute_mean},
    Outcome{.name = "agreement", .num_components = 1, .agreement = no_agreement}};

std::vector<Contribution> judge(const Sample&, const Response& response) {
  const double value = response.scores.at(0).log_likelihood;
  if (value > 0) return std::vector<Contribution>(kOutcomes.size(), Unscored{"positive"});
  return {std::vector{value, 1.0}, std::vector{value, 1.0}, std::vector{value}, std::vector{value}};
}

std::optional<int> no_prediction(const Sample&, const Response&) { return std::nullopt; }

Json num_items(std::span<const Item> items, std::span<const Response> responses) {
  return {{"items", items.size()}, {"responses", responses.size()}};
}

// Log-likelihoods -1, -3 and one that cannot be judged. A run by itself has no value signed between
// groups and no agreement.
TEST(TaskResults, EachFormOfOutcome) {
  Task task{};
  task.outcomes = kOutcomes;
  task.judge = judge;
  task.prediction = no_prediction;
  task.details = num_items;
  const std::vector<Item> items(3);
  const std::vector<ItemAnswers> answers{{{-1, 1, false}}, {{-3, 1, false}}, {{1, 1, false}}};
  const Json results = task_results(task, items, answers);
  EXPECT_EQ(results.at("mean,none"), -2.0);
  EXPECT_EQ(results.at("mean_stderr,none"), 1.0);
  EXPECT_EQ(results.at("signed,none"), nullptr);
  EXPECT_EQ(results.at("signed_stderr,none"), "N/A");
  EXPECT_EQ(results.at("size,none"), 2.0);
  EXPECT_EQ(results.at("agreement,none"), nullptr);
  const Json& own = results.at("x_assay");
  EXPECT_EQ(own.at("outcomes").at("size"), (Json{{"scored", 2}, {"unscored", {{"positive", 1}}}}));
  EXPECT_EQ(own.at("details"), (Json{{"items", 3}, {"responses", 3}}));
}

}  // namespace
}  // namespace assay
