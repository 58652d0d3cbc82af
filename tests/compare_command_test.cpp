// `assay compare` on the arms of a finished study: the study's own numbers, and a refusal of arms
// that were asked something else. On a tiny random model, through the program itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "command.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

Ended run_program(const std::string& arguments) {
  return run_command("'" ASSAY_BINARY "' " + arguments + " 2>&1");
}

// One study for all tests; each damages a copy of an arm.
class CompareCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string name = fs::temp_directory_path() / "assay-compare-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_ / "model");
    std::ofstream(root_ / "study.yaml")
        << "study: compared\nmodel: " << (root_ / "model").string() << "\n"
        << "variants:\n"
        << "  - {name: rtn-3bit, method: rtn, bits: 3, group_size: 64}\n"
        << "  - {name: rtn-2bit, method: rtn, bits: 2, group_size: 64, control: positive}\n"
        << "  - {name: permuted, method: permute, seed: 1, control: negative}\n"
        << "tasks:\n  - {task: stereoqa, limit: 96}\n  - {task: dialect, limit: 60}\n"
        << "output: " << (root_ / "out").string() << "\n";
    const Ended study = run_program("run '" + (root_ / "study.yaml").string() + "'");
    ASSERT_EQ(study.exit_code, 0) << study.text;
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  static std::string arm(const std::string& name) {
    return "'" + (root_ / "out" / name).string() + "'";
  }

  // A copy of rtn-3bit in another folder, with one file changed.
  static fs::path changed_arm(const std::string& file,
                              const std::function<void(std::string&)>& change) {
    const fs::path copy = root_ / "changed";
    fs::remove_all(copy);
    fs::copy(root_ / "out/rtn-3bit", copy, fs::copy_options::recursive);
    std::string text = read_file(copy / file);
    change(text);
    write_file_atomic(copy / file, text);
    return copy;
  }

  // What `compare` says of base against such a copy; it must end with exit code 2.
  static std::string refusal(const std::string& file,
                             const std::function<void(std::string&)>& change) {
    const fs::path copy = changed_arm(file, change);
    const Ended ended = run_program("compare " + arm("base") + " '" + copy.string() + "'");
    EXPECT_EQ(ended.exit_code, 2) << ended.text;
    return ended.text;
  }

  static std::function<void(std::string&)> replacing(std::string from, std::string to) {
    return [from, to](std::string& text) {
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text.replace(at, from.size(), to);
    };
  }

  static fs::path root_;
};

fs::path CompareCommand::root_;

TEST_F(CompareCommand, GivesTheNumbersOfTheStudy) {
  const fs::path output = root_ / "compared";
  const Ended ended = run_program(
      "compare " + arm("base") + " " + arm("rtn-3bit") + " --positive_control " + arm("rtn-2bit") +
      " --negative_control " + arm("permuted") + " -o '" + output.string() + "'");
  ASSERT_EQ(ended.exit_code, 0) << ended.text;
  EXPECT_THAT(ended.text, AllOf(HasSubstr("rtn-3bit, dialect: "), HasSubstr("report: ")));
  const Json study = parse_json(read_file(root_ / "out/summary.json"), "study");
  const Json compared = parse_json(read_file(output / "summary.json"), "compared");
  for (const char* part : {"reference", "policy", "model", "base_inspection", "tokenizer", "tasks",
                           "variants", "results", "sentences", "flipped_items", "controls"}) {
    EXPECT_EQ(compared.at(part).dump(), study.at(part).dump()) << part;
  }
  EXPECT_TRUE(fs::exists(output / "report.html"));
}

TEST_F(CompareCommand, WithoutAPositiveControlNothingIsDecided) {
  const Ended ended = run_program("compare " + arm("base") + " " + arm("permuted"));
  ASSERT_EQ(ended.exit_code, 0) << ended.text;
  EXPECT_THAT(ended.text,
              HasSubstr("dialect: undecidable. The study has no positive control. dialect"));
}

TEST_F(CompareCommand, RefusesWhatWasAskedDifferently) {
  const std::string results = "results_rtn-3bit.json";
  const std::string samples = "samples_stereoqa_rtn-3bit.jsonl";
  EXPECT_THAT(refusal(results, replacing("\"dtype\": \"float32\",\n      \"answers\"",
                                         "\"dtype\": \"bfloat16\",\n      \"answers\"")),
              AllOf(HasSubstr("not comparable"), HasSubstr("dtype differs: float32 and bfloat16")));
  EXPECT_THAT(
      refusal(results, replacing("\"chat_template\": null", "\"chat_template\": \"chatml\"")),
      HasSubstr("chat_template differs: none and chatml"));
  EXPECT_THAT(refusal(samples, replacing("Question:", "Query:")),
              HasSubstr(samples + ":1: its choices have different prompts"));
  const auto every_question = [](std::string& text) {
    for (size_t at = 0; (at = text.find("Question:", at)) != std::string::npos;)
      text.replace(at, 9, "Query:");
  };
  EXPECT_THAT(refusal(samples, every_question), HasSubstr("differs in its prompt"));
  EXPECT_THAT(refusal(samples, replacing("\"target\":\"", "\"target\":\"1")),
              HasSubstr("differs in its target"));
  EXPECT_THAT(
      refusal(samples,
              [](std::string& text) { text.resize(text.rfind('\n', text.size() - 2) + 1); }),
      HasSubstr("stereoqa: 96 items and 95"));
  const auto other_hash = [](const std::string& key) {
    return [key](std::string& text) {
      const size_t at = text.find("\"" + key + "\": \"sha256:") + key.size() + 13;
      text[at] = text[at] == '0' ? '1' : '0';
    };
  };
  EXPECT_THAT(refusal(results, other_hash("data_hash")),
              HasSubstr("stereoqa: the data differ: sha256:"));
  EXPECT_THAT(refusal(results, other_hash("tokens_hash")),
              HasSubstr("stereoqa: the same prompts are other token ids"));
}

TEST_F(CompareCommand, DamagedAndMissingFilesAreNamed) {
  const std::string samples = "samples_dialect_rtn-3bit.jsonl";
  EXPECT_THAT(refusal(samples, [](std::string& text) { text.resize(text.size() / 2); }),
              HasSubstr(samples + ":"));
  EXPECT_THAT(refusal(samples, replacing("\"cluster\"", "\"clutter\"")),
              HasSubstr(samples + ":1: missing key 'cluster'"));
  EXPECT_THAT(refusal("results_rtn-3bit.json", replacing("\"tokens_hash\"", "\"hash\"")),
              HasSubstr("missing key 'tokens_hash'"));
  const Ended whole = run_program("compare '" + (root_ / "out").string() + "' " + arm("rtn-3bit"));
  EXPECT_EQ(whole.exit_code, 2);
  EXPECT_THAT(whole.text, AllOf(HasSubstr("is a whole study; name the folder of one arm:"),
                                HasSubstr("base"), HasSubstr("rtn-3bit")));
  const Ended none = run_program("compare " + arm("base") + " /nonexistent");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.text, HasSubstr("/nonexistent: no such file or folder"));
}

// The study's own verdicts as an exit code; under another policy the same numbers, judged again.
TEST_F(CompareCommand, GateAnswersWithItsExitCode) {
  const std::string out = "'" + (root_ / "out").string() + "'";
  const Ended undecided = run_program("gate " + out + " --junit '" + (root_ / "g.xml").string() +
                                      "' --markdown '" + (root_ / "g.md").string() + "'");
  const Json summary = parse_json(read_file(root_ / "out/summary.json"), "summary");
  bool any_worse = false;
  for (const Json& result : summary["results"]) {
    const auto verdict = result["verdict"].get<std::string>();
    any_worse |= result["variant"] == "rtn-3bit" && result["primary"].get<bool>() &&
                 verdict.ends_with("worse");
  }
  EXPECT_EQ(undecided.exit_code, any_worse ? 1 : 2) << undecided.text;
  EXPECT_THAT(undecided.text, HasSubstr("rtn-3bit: "));
  EXPECT_THAT(undecided.text, HasSubstr("gate: "));
  EXPECT_THAT(read_file(root_ / "g.xml"), HasSubstr("<testsuite name=\"compared/rtn-3bit\""));
  EXPECT_THAT(read_file(root_ / "g.md"), HasSubstr("| rtn-3bit |"));

  // The negative control computes the same function: it passes where a control is seen, and is
  // open where none is.
  const Ended permuted = run_program("gate " + out + " --variant permuted");
  EXPECT_NE(permuted.exit_code, 1) << permuted.text;

  std::ofstream(root_ / "gate.yaml")
      << "policy: wide\noutcomes:\n"
         "  - {task: stereoqa, outcome: acc_disambig, margin: 0.9, reason: a test}\n";
  const std::string policy = " --policy '" + (root_ / "gate.yaml").string() + "'";
  const Ended again = run_program("gate " + out + policy);
  EXPECT_THAT(again.text, HasSubstr("note: the study declared another policy before"));
  EXPECT_THAT(again.text, HasSubstr("stereoqa acc_disambig"));
  EXPECT_EQ(again.exit_code, 2) << again.text;  // a base is never above its floor by so much
  std::ofstream(root_ / "gate.yaml")
      << "policy: x\noutcomes: [{task: stereoqb, outcome: acc_disambig}]\n";
  const Ended wrong = run_program("gate " + out + policy);
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.text, HasSubstr("no task 'stereoqb' was asked (did you mean 'stereoqa'?)"));
}

// The policy that a study file names is hashed before the first item, and stays.
TEST_F(CompareCommand, AStudysPolicyIsDeclaredOnce) {
  std::ofstream(root_ / "gate.yaml")
      << "policy: release\noutcomes: [{task: stereoqa, outcome: acc_disambig}]\n";
  const auto study = [&](const std::string& policy) {
    std::ofstream(root_ / "declared.yaml")
        << "study: declared\nmodel: " << (root_ / "model").string() << "\n"
        << "variants:\n  - {name: rtn-3bit, method: rtn, bits: 3, group_size: 64}\n"
        << "tasks:\n  - {task: stereoqa, limit: 24}\noutput: " << (root_ / "declared").string()
        << "\npolicy: " << policy << "\n";
    return run_program("run '" + (root_ / "declared.yaml").string() + "'");
  };
  const std::string path = (root_ / "gate.yaml").string();
  const Ended first = study(path);
  ASSERT_EQ(first.exit_code, 0) << first.text;
  const Json summary = parse_json(read_file(root_ / "declared/summary.json"), "summary");
  EXPECT_EQ(summary["policy"]["name"], "release");
  const Ended same =
      run_program("gate '" + (root_ / "declared").string() + "' --policy '" + path + "'");
  EXPECT_THAT(same.text, testing::Not(HasSubstr("note:")));
  std::ofstream(root_ / "gate.yaml") << "policy: release\noutcomes: [{task: stereoqa, outcome: "
                                        "acc_disambig, margin: 0.2, reason: x}]\n";
  const Ended other = study(path);
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.text, HasSubstr("stereoqa acc_disambig: margin was 0.05, is 0.2"));
}

}  // namespace
}  // namespace assay
