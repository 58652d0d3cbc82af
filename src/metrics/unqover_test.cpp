#include "metrics/unqover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json.h"
#include "base/python_random.h"
#include "data/locations.h"
#include "data/unqover.h"

namespace assay {
namespace {

// The toy check of spec/beyond-perplexity 2.9.4:
//   e1: q0 (-2.0, -3.0), q1 (-2.5, -2.25); e2: q0 (-3.5, -1.75), q1 (-2.0, -3.0)
//   B(x1) = (-2 - 1.75) / 2 - (-2.5 - 3) / 2 = 0.875; B(x2) = (-3 - 3.5) / 2 - (-2.25 - 2) / 2 =
//   -1.125 C = (0.875 + 1.125) / 2 = 1 delta = (|-2 + 1.75| + |-3 + 3.5| + |-2.5 + 3| + |-2.25 +
//   2|) / 4 = 1.5 / 4 epsilon = (|-2 + 2.25| + |-3 + 2.5| + |-3.5 + 3| + |-1.75 + 2|) / 4 = 1.5 / 4
constexpr UnqoverScores kToy{-2.0, -3.0, -2.5, -2.25, -3.5, -1.75, -2.0, -3.0};

TEST(UnqoverScores, ToyCheck) {
  EXPECT_DOUBLE_EQ(subject_bias(kToy, 0), 0.875);
  EXPECT_DOUBLE_EQ(subject_bias(kToy, 1), -1.125);
  EXPECT_DOUBLE_EQ(comparative_bias(kToy), 1.0);
  EXPECT_DOUBLE_EQ(positional_error(kToy), 0.375);
  EXPECT_DOUBLE_EQ(attribute_error(kToy), 0.375);
  EXPECT_THROW(subject_bias(kToy, 2), Error);
}

// Exchanging the subjects exchanges the entries: C changes sign, the errors stay.
TEST(UnqoverScores, ExchangedSubjects) {
  UnqoverScores exchanged;
  for (size_t i = 0; i < 8; ++i) exchanged[i] = kToy[(i + 4) % 8];
  EXPECT_DOUBLE_EQ(comparative_bias(exchanged), -1.0);
  EXPECT_DOUBLE_EQ(positional_error(exchanged), 0.375);
  EXPECT_DOUBLE_EQ(attribute_error(exchanged), 0.375);
}

// A model that always takes the first person, or likes a name whatever is asked, has no
// comparative bias; the errors say what it does.
TEST(UnqoverScores, PositionAndNamesCancel) {
  constexpr UnqoverScores kFirst{-1, -3, -1, -3, -1, -3, -1, -3};
  EXPECT_DOUBLE_EQ(comparative_bias(kFirst), 0);
  EXPECT_DOUBLE_EQ(positional_error(kFirst), 2);
  EXPECT_DOUBLE_EQ(attribute_error(kFirst), 2);
  constexpr UnqoverScores kName{-1, -3, -1, -3, -3, -1, -3, -1};
  EXPECT_DOUBLE_EQ(comparative_bias(kName), 0);
  EXPECT_DOUBLE_EQ(positional_error(kName), 0);
  EXPECT_DOUBLE_EQ(attribute_error(kName), 2);
}

// ln 3 apart are odds of 3 to 1. The shares of a question sum to 1, far apart ones do not overflow.
TEST(UnqoverScores, TwoWayShares) {
  const auto shares = two_way_shares({std::log(3.0) - 5, -5, -7, -7, 0, -2000, -2000, 0});
  EXPECT_NEAR(shares[0], 0.75, 1e-15);
  EXPECT_NEAR(shares[1], 0.25, 1e-15);
  EXPECT_DOUBLE_EQ(shares[2], 0.5);
  EXPECT_THAT(std::vector(shares.begin() + 4, shares.end()), testing::ElementsAre(1, 0, 0, 1));
}

// Subjects 0, 1, 2; activities 0, 1. Signed for the first:
//   (0,1) a0: 0.4 and -0.2 (two templates); (0,2) a0: 0.1; (1,2) a1: 0.3
// gamma(0,a0) = (0.4 - 0.2 + 0.1) / 3 = 0.1, eta 1/3; gamma(1,a0) = -0.1, eta 0; gamma(2,a0) =
// -0.1, eta -1; gamma(1,a1) = 0.3, eta 1; gamma(2,a1) = -0.3, eta -1. mu = (0.1 + 0.3 + 0.3) / 3;
// eta = (1/3 + (0 + 1) / 2 + (1 + 1) / 2) / 3 = 11/18.
const std::vector<double> kRows{0, 1, 0, 0, 0.4, 0, 1, 0, 1, -0.2,
                                0, 2, 0, 0, 0.1, 1, 2, 1, 0, 0.3};

TEST(UnqoverTable, ByHand) {
  const auto table = bias_table(kRows);
  ASSERT_EQ(table.num_subjects, 3u);
  ASSERT_EQ(table.num_activities, 2u);
  EXPECT_NEAR(table.subjects[1].gamma, (-0.4 + 0.2 + 0.3) / 3, 1e-15);
  EXPECT_NEAR(table.subjects[1].eta, 1.0 / 3, 1e-15);
  EXPECT_NEAR(table.cells[0].gamma, 0.1, 1e-15);
  EXPECT_EQ(table.cells[1].num_pairs, 0);
  EXPECT_NEAR(unqover_mu(kRows), 0.7 / 3, 1e-15);
  EXPECT_NEAR(unqover_eta(kRows), 11.0 / 18, 1e-15);
  EXPECT_TRUE(std::isnan(unqover_mu({})));
  EXPECT_THROW(unqover_mu(std::vector{1.0, 2.0}), Error);
}

// Cells of 3, 2, 2, 1 and 1 pairs: expected sizes 1/2, 1/2, 1/2, 1, 1 (of 3 signs: 3 in 1 of 4
// cases, else 1). By subjects: 1/2, (1/2 + 1) / 2, (1 + 1) / 2: here cells of subject 0: {3}, 1:
// {2, 1}, 2: {1, 1}.
TEST(UnqoverTable, EtaByChanceByHand) {
  EXPECT_NEAR(unqover_eta_by_chance(kRows), (0.5 + 0.75 + 1.0) / 3, 1e-15);
}

// The closed form is the mean over drawn signs.
TEST(UnqoverTable, EtaByChanceIsTheMeanOverDraws) {
  std::vector<double> rows;
  PythonRandom random(3);
  for (int i = 0; i < 400; ++i) {
    const double first = random.below(4), second = 4 + random.below(3), activity = random.below(5);
    rows.insert(rows.end(), {first, second, activity, 0, 1});
  }
  double sum = 0;
  constexpr int kDraws = 2000;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (size_t i = 4; i < rows.size(); i += kUnqoverRow) rows[i] = random.below(2) == 0 ? 1 : -1;
    sum += unqover_eta(rows);
  }
  // Standard error of the mean: below 0.03 / sqrt(2000).
  EXPECT_NEAR(sum / kDraws, unqover_eta_by_chance(rows), 0.003);
}

// gamma(x) over three subjects: 0.1, 1/30, -0.2 / 2 and twice of it: correlation 1; signs turned:
// -1.
TEST(UnqoverAgreement, ByHand) {
  auto twice = kRows, turned = kRows, none = kRows;
  for (size_t i = 4; i < kRows.size(); i += kUnqoverRow) {
    twice[i] *= 2;
    turned[i] *= -1;
    none[i] = 0;
  }
  EXPECT_NEAR(subject_agreement(kRows, twice), 1, 1e-15);
  EXPECT_NEAR(cell_agreement(kRows, turned), -1, 1e-15);
  EXPECT_TRUE(std::isnan(subject_agreement(kRows, none)));
}

// Two templates that agree on x1 > x2 > x3: the halves correlate perfectly.
TEST(UnqoverReliability, ByHand) {
  const std::vector<double> same{0, 1, 0, 0, 0.4, 1, 2, 0, 0, 0.1,
                                 0, 1, 0, 1, 0.4, 1, 2, 0, 1, 0.1};
  EXPECT_NEAR(subject_reliability(same), 1, 1e-15);
  EXPECT_NEAR(cell_reliability(same), 1, 1e-15);
  // x2 and x3 the other way round in the second template: gammas 0.4, -0.15, -0.1 (deviations 7,
  // -4, -3 times 0.05) and 0.4, -0.4, 0.4 (1, -2, 1 times 4/15): r = 12 / sqrt(74 * 6), 2r / (1 +
  // r) = 0.7257.
  auto half = same;
  half[19] = -0.4;
  EXPECT_NEAR(subject_reliability(half), 2 / (1 + std::sqrt(74.0 * 6) / 12), 1e-15);
  EXPECT_TRUE(
      std::isnan(subject_reliability(std::vector<double>(kRows.begin(), kRows.begin() + 5))));
}

const Json& golden() {
  static const Json json =
      Json::parse(std::ifstream(ASSAY_SOURCE_DIR "/tests/golden/unqover.json"));
  return json;
}

// The made-up score of make_unqover_golden.py.
double made_up_score(uint64_t pair, uint64_t slot) {
  return -static_cast<double>(((pair * 8 + slot) * 2654435761u % (uint64_t{1} << 32)) >> 22) / 256;
}

// 0 for the first list's subjects, 1 for the second's.
std::vector<size_t> gender_of(const UnqoverCategory& category) {
  std::vector<size_t> gender(category.subjects.size(), 1);
  std::fill_n(gender.begin(), category.num_first, size_t{0});
  return gender;
}

struct Scored {
  UnqoverCategory category;
  std::vector<double> rows;
  double delta = 0, epsilon = 0;  // means over the pairs
};

Scored scored_sample(const std::string& name) {
  Scored scored{read_unqover(official_data_folder() / "unqover/word_lists", name), {}, 0, 0};
  const auto drawn = unqover_sample(scored.category, 10000, 42);
  for (const uint32_t index : drawn) {
    const auto pair = unqover_pair(scored.category, index);
    UnqoverScores s{};
    for (size_t i = 0; i < s.size(); ++i) s[i] = made_up_score(index, i);
    for (const double value :
         {static_cast<double>(pair.subjects[0]), static_cast<double>(pair.subjects[1]),
          static_cast<double>(pair.activity_index), static_cast<double>(pair.template_index),
          comparative_bias(s)}) {
      scored.rows.push_back(value);
    }
    scored.delta += positional_error(s) / 10000;
    scored.epsilon += attribute_error(s) / 10000;
  }
  return scored;
}

// gamma, eta, mu, delta and epsilon of made-up scores as the authors' programs compute them.
TEST(UnqoverGolden, MeasuresOfTheAuthorsPrograms) {
  if (!std::filesystem::exists(official_data_folder() / "unqover"))
    GTEST_SKIP() << "no data folder unqover";
  for (const auto& [name, expected] : golden().at("metrics").items()) {
    SCOPED_TRACE(name);
    const Scored scored = scored_sample(name);
    EXPECT_NEAR(unqover_mu(scored.rows), expected.at("mu").get<double>(), 1e-12);
    EXPECT_NEAR(unqover_eta(scored.rows), expected.at("eta").get<double>(), 1e-12);
    EXPECT_NEAR(scored.delta, expected.at("delta").get<double>(), 5.1e-5);  // printed: 4 decimals
    EXPECT_NEAR(scored.epsilon, expected.at("epsilon").get<double>(), 5.1e-5);
    const auto table = bias_table(scored.rows);
    for (size_t x = 0; x < table.num_subjects; ++x) {
      const auto key = lowered(scored.category.subjects[x].name);
      EXPECT_NEAR(table.subjects[x].gamma, expected.at("subjects").at(key + "_gamma").get<double>(),
                  1e-12);
      EXPECT_NEAR(table.subjects[x].eta, expected.at("subjects").at(key + "_eta").get<double>(),
                  1e-12);
    }
  }
}

// Names pooled by gender: gamma(female, a) and eta(female, a), as get_subj_bias groups by
// gender_act.
TEST(UnqoverGolden, NamesPooledByGender) {
  if (!std::filesystem::exists(official_data_folder() / "unqover"))
    GTEST_SKIP() << "no data folder unqover";
  const Scored scored = scored_sample("gender_occupation");
  const auto table = bias_table(pooled_rows(scored.rows, gender_of(scored.category)));
  const auto& expected = golden().at("metrics").at("gender_occupation").at("female");
  ASSERT_EQ(table.num_activities, expected.size());
  for (size_t a = 0; a < table.num_activities; ++a) {
    EXPECT_NEAR(table.cells[a].gamma, expected.at(a).at(0).get<double>(), 1e-12);
    EXPECT_NEAR(table.cells[a].eta, expected.at(a).at(1).get<double>(), 1e-12);
    EXPECT_NEAR(table.cells[table.num_activities + a].gamma, -table.cells[a].gamma, 1e-12);
  }
}

// Random signs on exactly the published samples (spec/beyond-perplexity 2.9.5).
TEST(UnqoverGolden, EtaByChanceOfThePublishedSamples) {
  if (!std::filesystem::exists(official_data_folder() / "unqover"))
    GTEST_SKIP() << "no data folder unqover";
  EXPECT_NEAR(unqover_eta_by_chance(scored_sample("religion").rows), 0.133, 5e-4);
  EXPECT_NEAR(unqover_eta_by_chance(scored_sample("ethnicity").rows), 0.157, 5e-4);
  EXPECT_NEAR(unqover_eta_by_chance(scored_sample("country").rows), 0.431, 5e-4);
  EXPECT_NEAR(unqover_eta_by_chance(scored_sample("gender_occupation").rows), 0.625, 5e-4);
}

}  // namespace
}  // namespace assay
