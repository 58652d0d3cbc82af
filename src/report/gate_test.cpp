#include "report/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::report {
namespace {

using testing::HasSubstr;
using testing::Not;

void add_variant(View& view, const std::string& name, const std::string& control,
                 const std::vector<Verdict>& verdicts) {
  Variant variant;
  variant.name = name;
  variant.control = control;
  view.variants.push_back(variant);
  for (size_t i = 0; i < verdicts.size(); ++i) {
    Result result;
    result.variant = name;
    result.task = "task" + std::to_string(i);
    result.outcome = "acc";
    result.dimension = "a<b & \"c\"";
    result.primary = true;
    result.verdict = verdicts[i];
    result.reason = verdicts[i] == Verdict::kNonInferior ? "" : "because";
    result.difference = {-0.07, -0.103, -0.037};
    result.margin = 0.05;
    view.results.push_back(result);
  }
}

View some_view() {
  View view;
  view.study = "demo";
  add_variant(view, "good", "", {Verdict::kNonInferior, Verdict::kNonInferior});
  add_variant(view, "open", "", {Verdict::kNonInferior, Verdict::kUndecidable});
  add_variant(view, "bad", "", {Verdict::kUndecidable, Verdict::kMuchWorse});
  add_variant(view, "broken", "positive", {Verdict::kMuchWorse});
  add_variant(view, "silent", "", {});
  return view;
}

GateAnswer answer_for(const std::vector<std::string>& names) {
  const View view = some_view();
  return gate(view, names).answer;
}

TEST(Gate, TheWorstAnswerOfTheJudgedCounts) {
  EXPECT_EQ(answer_for({"good"}), GateAnswer::kPass);
  EXPECT_EQ(answer_for({"good", "open"}), GateAnswer::kUndecided);
  EXPECT_EQ(answer_for({"good", "open", "bad"}), GateAnswer::kFail);
  EXPECT_EQ(answer_for({"silent"}), GateAnswer::kUndecided);
  EXPECT_EQ(answer_for({}), GateAnswer::kFail);
}

TEST(Gate, LeavesControlsOutUnlessNamed) {
  const View view = some_view();
  const Gate all = gate(view, {});
  ASSERT_EQ(all.variants.size(), 4u);
  for (const GatedVariant& variant : all.variants) EXPECT_NE(variant.name, "broken");
  EXPECT_EQ(answer_for({"broken"}), GateAnswer::kFail);
}

TEST(Gate, RefusesNothingToJudge) {
  const auto refusal = [](const View& view, const std::vector<std::string>& names) -> std::string {
    try {
      gate(view, names);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(some_view(), {"goof"}), "no variant 'goof' (did you mean 'good'?)");
  View controls;
  add_variant(controls, "broken", "positive", {Verdict::kMuchWorse});
  EXPECT_EQ(refusal(controls, {}), "there is no variant to judge beside the controls");
}

TEST(Gate, TextNamesWhatDidNotPass) {
  const View view = some_view();
  const std::string text = gate_text(gate(view, {}));
  EXPECT_THAT(text, HasSubstr("good: pass\nopen: undecided\n"));
  EXPECT_THAT(text, HasSubstr("task1 acc: −0.070 [−0.103, −0.037], margin 0.050: much worse"));
  EXPECT_THAT(text, HasSubstr("silent: undecided\n  no outcome of this study decides\n"));
}

TEST(Gate, JUnitCountsAndEscapes) {
  const View view = some_view();
  const std::string xml = gate_junit(view, gate(view, {}));
  EXPECT_THAT(xml, HasSubstr("<testsuites name=\"assay gate\" tests=\"6\" failures=\"1\" "
                             "errors=\"2\">"));
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"demo/bad\" tests=\"2\" failures=\"1\" "
                             "errors=\"1\">"));
  EXPECT_THAT(xml, HasSubstr("name=\"a&lt;b &amp; &quot;c&quot;: task0 acc\"/>"));
  EXPECT_THAT(xml, HasSubstr("<failure type=\"much worse\" message=\"−0.070 [−0.103, −0.037], "
                             "margin 0.050: much worse (because)\"/>"));
  EXPECT_THAT(xml, HasSubstr("<error type=\"undecidable\""));
}

TEST(Gate, MarkdownPutsWhatFailedFirst) {
  const View view = some_view();
  const std::string text = gate_markdown(view, gate(view, std::vector<std::string>{"bad"}));
  EXPECT_THAT(text, HasSubstr("## assay gate: fail"));
  EXPECT_LT(text.find("task1 acc"), text.find("task0 acc"));
  EXPECT_THAT(text, HasSubstr("a&lt;b &amp; \"c\""));
  EXPECT_THAT(text, Not(HasSubstr("a<b")));
}

}  // namespace
}  // namespace assay::report
