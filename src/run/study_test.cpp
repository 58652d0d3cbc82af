#include "run/study.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kHead = "study: s\nmodel: m\ntasks: [stereoqa]\nvariants:\n";

std::string message_of(const std::string& yaml) {
  try {
    parse_study(yaml, "s.yaml");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(ParseStudy, MultipliesListsOutInOrder) {
  const auto study = parse_study(std::string(kHead) +
                                     "- {method: rtn, bits: [3, 4], group_size: [64, -1]}\n"
                                     "- {method: wanda, pattern: '2:4', control: positive}\n",
                                 "s");
  ASSERT_EQ(study.variants.size(), 5u);
  EXPECT_EQ(study.variants[0].name, "rtn-bits3-group_size64");
  EXPECT_EQ(study.variants[1].name, "rtn-bits3-group_size-1");
  EXPECT_EQ(study.variants[3].settings.dump(), R"({"bits":4,"group_size":-1})");
  EXPECT_EQ(study.variants[4].name, "wanda-pattern2x4");
  EXPECT_EQ(study.variants[4].control, Control::kPositive);
  EXPECT_EQ(study.output, "results/s");
}

TEST(ParseStudy, ReadsTasksWithOptionsAndOneLimitForAll) {
  const auto study = parse_study(
      "study: s\nmodel: {path: m}\nvariants: []\nlimit: 9\ntasks:\n- bbq/Religion\n"
      "- {task: perplexity/xsum, window: 512, limit: 20}\n",
      "s");
  EXPECT_EQ(study.tasks[0].label(), "bbq/Religion");
  EXPECT_EQ(study.tasks[0].limit, 9);
  EXPECT_EQ(study.tasks[1].limit, 20);
  EXPECT_EQ(study.tasks[1].options.dump(), R"({"window":512})");
}

TEST(ParseStudy, ATaskTakesTheStudysChatUnlessItSaysAnother) {
  const auto study = parse_study(
      "study: s\nmodel: m\nvariants: []\napply_chat_template: true\nsystem_instruction: Be brief.\n"
      "chat_template_args: {enable_thinking: false}\ntasks:\n- piqa\n"
      "- {task: dialect, apply_chat_template: false, system_instruction: ''}\n",
      "s");
  EXPECT_TRUE(study.tasks[0].chat.apply_chat_template);
  EXPECT_EQ(study.tasks[0].chat.system_instruction, "Be brief.");
  EXPECT_EQ(study.tasks[0].chat.template_args.dump(), R"({"enable_thinking":false})");
  EXPECT_TRUE(study.tasks[0].options.empty());
  EXPECT_FALSE(study.tasks[1].chat.apply_chat_template);
  EXPECT_EQ(study.tasks[1].chat.system_instruction, "");
  EXPECT_EQ(message_of(std::string(kHead) + "  []\nchat_template_args: 3\n"),
            "s.yaml: 'chat_template_args' must be an object, got 3");
  EXPECT_EQ(message_of(std::string(kHead) + "  []\napply_chat_template: 1\n"),
            "s.yaml: 'apply_chat_template' must be true or false, got 1");
}

TEST(ParseStudy, ReadsCalibration) {
  const std::string head(kHead);
  const auto study = parse_study(
      head + "- {method: wanda}\ncalibration: {data: 'text:a', samples: 4, seeds: [0]}\n", "s");
  EXPECT_EQ(study.calibration->samples, 4);
  EXPECT_EQ(study.calibration->length, 2048);
  EXPECT_EQ(study.calibration->seed, 0u);
  EXPECT_EQ(message_of(head + "- {method: wanda}\ncalibration: {data: 'text:a', seeds: [-1]}\n"),
            "s.yaml: calibration: 'seeds' must be a list of one non-negative integer, got [-1]");
}

TEST(ParseStudy, NamesWhatIsWrong) {
  const std::string head(kHead);
  EXPECT_EQ(message_of(head + "  []\ncalibratoin: 1\n"),
            "s.yaml: unknown key 'calibratoin' (did you mean 'calibration'?)");
  EXPECT_EQ(message_of(head + "- {bits: 3}\n"),
            "s.yaml: variant 1: needs either 'method' or 'path'");
  EXPECT_EQ(message_of(head + "- {method: rtn, bits: []}\n"),
            "s.yaml: variant 1: 'bits' is an empty list");
  EXPECT_EQ(message_of(head + "- {method: rtn}\n- {method: rtn}\n"),
            "s.yaml: variant 2: two variants are called 'rtn'; give one a 'name'");
  EXPECT_EQ(
      message_of(head + "- {method: rtn, name: ../x}\n"),
      "s.yaml: variant 1: '../x' cannot name a variant (letters, digits, . - _; not 'base' or "
      "'journal'); give it another 'name'");
  EXPECT_EQ(message_of(head + "- {method: rtn, control: postive}\n"),
            "s.yaml: variant 1: 'control' must be positive or negative, got 'postive'");
  EXPECT_EQ(message_of("study: s\nmodel: m\nvariants: []\ntasks: []\n"),
            "s.yaml: 'tasks' must be a list with at least one task");
  EXPECT_EQ(message_of("study: s\nmodel: m\nvariants: []\ntasks: [bbq, bbq]\n"),
            "s.yaml: task 2: 'bbq' is asked twice");
}

}  // namespace
}  // namespace assay
