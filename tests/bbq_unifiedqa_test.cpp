// Our bias scores on the published predictions of UnifiedQA against a second implementation of
// BBQ's official definition (tests/golden/bbq_unifiedqa.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "base/file.h"
#include "data/bbq_target.h"
#include "data/locations.h"
#include "io/jsonl.h"
#include "tasks/qa_bias.h"

namespace assay {
namespace {

std::string clean(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '}') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (out.ends_with('.')) out.pop_back();
  out.erase(out.find_last_not_of(' ') + 1);
  return out.erase(0, out.find_first_not_of(' '));
}

// The option that a prediction spells.
std::optional<size_t> pick_of(const BbqRow& row, const std::string& prediction) {
  const auto found = std::ranges::find(row.answers, clean(prediction), clean);
  if (found == row.answers.end()) return std::nullopt;
  return static_cast<size_t>(found - row.answers.begin());
}

// Outcome values of the rows answered by `model`, as a run computes them.
std::map<std::string, double> values_of(const std::vector<Json>& rows, const std::string& model,
                                        int& num_unmatched) {
  const auto outcomes = qa_outcomes("d");
  std::vector<std::vector<double>> sums;
  for (const auto& outcome : outcomes) sums.emplace_back(outcome.num_components, 0.0);
  for (const Json& json : rows) {
    const BbqRow row = bbq_row(json, "row");
    const Sample sample = qa_sample(json, row, rebuilt_target(row), QaProtocol::kCorrect);
    const auto pick = pick_of(row, json.at(model).get<std::string>());
    num_unmatched += pick ? 0 : 1;
    if (!pick) continue;
    Response response;
    for (size_t i = 0; i < 3; ++i) response.scores.push_back({i == *pick ? -1.0 : -9.0, 1, false});
    const auto contributions = qa_judge(sample, response);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const auto& components = std::get<std::vector<double>>(contributions[i]);
      for (size_t j = 0; j < components.size(); ++j) sums[i][j] += components[j];
    }
  }
  std::map<std::string, double> values;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    values[std::string(outcomes[i].name)] = outcomes[i].statistic(sums[i]);
  }
  return values;
}

TEST(BbqUnifiedQa, BiasScoresEqualTheOfficialDefinition) {
  const auto folder = official_data_folder() / "bbq" / "unifiedqa";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no UnifiedQA predictions in " << folder;
  const Json golden = parse_json(
      read_file(std::filesystem::path(ASSAY_SOURCE_DIR) / "tests/golden/bbq_unifiedqa.json"),
      "golden");
  for (const auto& [category, formats] : golden.items()) {
    const auto rows = read_jsonl(folder / ("preds_" + category + ".jsonl"));
    for (const auto& [format, expected] : formats.items()) {
      SCOPED_TRACE(category + " " + format);
      int num_unmatched = 0;
      const auto values = values_of(rows, "unifiedqa-t5-11b_pred_" + format, num_unmatched);
      EXPECT_EQ(num_unmatched, expected.at("unmatched"));
      EXPECT_NEAR(values.at("s_amb"), expected.at("ambig").at("s"), 1e-12);
      EXPECT_NEAR(values.at("s_dis"), expected.at("disambig").at("s"), 1e-12);
      EXPECT_NEAR(values.at("acc_ambig"), expected.at("ambig").at("acc"), 1e-12);
      EXPECT_NEAR(values.at("acc_disambig"), expected.at("disambig").at("acc"), 1e-12);
    }
  }
}

}  // namespace
}  // namespace assay
