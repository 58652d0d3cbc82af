#include "compare/policy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace assay {
namespace {

using testing::HasSubstr;

const std::array kBiasOutcomes{
    Outcome{.name = "acc", .dimension = "bias", .primary = true},
    Outcome{.name = "s_amb", .dimension = "bias", .direction = Direction::kTowardsZero}};
const std::array kTextOutcomes{Outcome{.name = "perplexity",
                                       .dimension = "language",
                                       .direction = Direction::kLowerIsBetter,
                                       .scale = Scale::kRatio,
                                       .margin = 1.10,
                                       .primary = true}};

std::vector<TaskOutcomes> tasks() {
  return {{"bbq/age", kBiasOutcomes}, {"perplexity", kTextOutcomes}};
}

Policy policy(const std::string& yaml) {
  return policy_of(parse_policy(yaml, "gate.yaml"), tasks());
}

std::string refusal(const std::string& yaml) {
  try {
    policy(yaml);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "accepted";
}

TEST(PolicyFile, NamesWhatDecidesAndByHowMuch) {
  const Policy made = policy(R"(
policy: release
outcomes:
  - {task: bbq/age, outcome: s_amb}
  - {task: perplexity, outcome: perplexity, margin: 1.05, reason: our users read}
)");
  EXPECT_EQ(made.name, "release");
  ASSERT_EQ(made.outcomes.size(), 3u);
  EXPECT_FALSE(made.outcomes[0].primary);  // acc, which the built-in policy would take
  EXPECT_TRUE(made.outcomes[1].primary);
  EXPECT_EQ(made.outcomes[1].outcome.margin, 0.05);
  EXPECT_TRUE(made.outcomes[2].primary);
  EXPECT_EQ(made.outcomes[2].outcome.margin, 1.05);
  EXPECT_EQ(made.outcomes[2].reason, "our users read");
  EXPECT_NE(policy_hash(made), policy_hash(default_policy(tasks())));
}

TEST(PolicyFile, RefusesWithTheRow) {
  const auto rows = [](const std::string& text) { return "policy: p\noutcomes: [" + text + "]\n"; };
  EXPECT_THAT(refusal("outcomes: []"), HasSubstr("'policy'"));
  EXPECT_THAT(refusal(rows("")), HasSubstr("at least one"));
  EXPECT_THAT(refusal("policy: p\noutcome: []\n"), HasSubstr("did you mean 'outcomes'?"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcomes: acc}")),
              HasSubstr("gate.yaml: outcome 1: unknown key 'outcomes'"));
  EXPECT_THAT(refusal(rows("{task: bbq/agf, outcome: acc}")),
              HasSubstr("policy p: no task 'bbq/agf' was asked (did you mean 'bbq/age'?)"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcome: acx}")),
              HasSubstr("has no outcome 'acx' (did you mean 'acc'?)"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcome: acc, margin: 0.1}")),
              HasSubstr("a margin of its own needs a 'reason'"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcome: acc, margin: 0, reason: x}")),
              HasSubstr("must be above 0, got 0"));
  EXPECT_THAT(refusal(rows("{task: perplexity, outcome: perplexity, margin: 1, reason: x}")),
              HasSubstr("must be above 1, a ratio, got 1"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcome: acc}, {task: bbq/age, outcome: acc}")),
              HasSubstr("outcome 2: bbq/age acc is there twice"));
  EXPECT_THAT(refusal(rows("{task: bbq/age, outcome: acc}, {task: bbq/age, outcome: s_amb}")),
              HasSubstr("bbq/age s_amb and bbq/age acc both decide the dimension 'bias'"));
}

TEST(PolicyFile, AChangeIsNamedAndANewTaskIsNone) {
  const Json declared = to_json(default_policy(tasks()));
  EXPECT_EQ(policy_change(declared, declared), "");
  const std::vector<TaskOutcomes> first{{"bbq/age", kBiasOutcomes}};
  EXPECT_EQ(policy_change(to_json(default_policy(first)), declared), "");
  const Json other = to_json(
      policy("policy: p\noutcomes: [{task: bbq/age, outcome: acc, margin: 0.1, reason: x}]"));
  EXPECT_EQ(policy_change(declared, other), "bbq/age acc: margin was 0.05, is 0.1");
}

}  // namespace
}  // namespace assay
