#include "run/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "model/tiny_model.h"
#include "run/chat_record.h"
#include "run/inspect_arm.h"
#include "run/recorded_run.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class PlanTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "assay-plan-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_ / "model");
    write_tiny_model(root_ / "short", {.max_position_embeddings = 24});
  }
  void TearDown() override { fs::remove_all(root_); }

  // A study of stereoqa; `rest` gives its variants and what else a test needs.
  Plan plan(const std::string& rest, const std::string& model = "model",
            int64_t memory_limit = 0) const {
    return make_plan(parse_study("study: planned\nmodel: " + (root_ / model).string() +
                                     "\noutput: " + (root_ / "out").string() + "\n" + rest,
                                 "study.yaml"),
                     memory_limit);
  }
  std::string refusal(const std::string& rest, const std::string& model = "model") const {
    try {
      plan(rest, model);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "planned";
  }

  fs::path root_;
};

// The results tell how the questions were put, in lm-eval's keys.
TEST_F(PlanTest, PutsQuestionsAsAChat) {
  const std::string study =
      "variants: []\ntasks: [{task: stereoqa, limit: 4}]\napply_chat_template: true\n"
      "system_instruction: Be brief.\n";
  EXPECT_THAT(refusal(study), HasSubstr("the tokenizer has no chat template"));
  Json config = tiny_tokenizer_config();
  const std::string chat_template =
      "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}";
  config["chat_template"] = chat_template;
  std::ofstream(root_ / "model" / "tokenizer_config.json") << config.dump();
  const Plan planned = plan(study);
  for (const Item& item : planned.tasks[0].items) {
    EXPECT_TRUE(item.sample.context.starts_with("<|im_start|>Be brief.<|im_start|>Context: "));
  }
  const Json keys = lm_eval_chat_keys(planned);
  EXPECT_EQ(keys["system_instruction"], "Be brief.");
  EXPECT_EQ(keys["system_instruction_sha"], sha256_hex("Be brief."));
  EXPECT_EQ(keys["chat_template"], chat_template);
  EXPECT_EQ(keys["chat_template_sha"], sha256_hex(chat_template));
  EXPECT_EQ(keys["fewshot_as_multiturn"], false);
  const Json asked = asked_settings(planned);
  EXPECT_EQ(asked["chat_template"], "sha256:" + sha256_hex(chat_template));
  EXPECT_EQ(asked["tasks"][0]["chat"]["system_instruction"], "Be brief.");

  const Plan plain = plan("variants: []\ntasks: [{task: stereoqa, limit: 4}]\n");
  EXPECT_TRUE(lm_eval_chat_keys(plain)["chat_template"].is_null());
  EXPECT_TRUE(asked_settings(plain)["tasks"][0]["chat"].is_null());
}

TEST_F(PlanTest, AMemoryLimitIsThatOfEveryCompression) {
  const std::string study =
      "variants: [{method: rtn, bits: 3, group_size: 64, name: rounded}]\n"
      "tasks: [{task: stereoqa, limit: 4}]\n";
  const Plan planned = plan(study, "model", 500'000'000);
  const CompressOptions options = compress_options(planned, planned.variants[0], "out/rounded");
  EXPECT_EQ(options.memory_limit, 500'000'000);
  EXPECT_EQ(options.spill_folder, "out");
  try {
    plan(study, "model", 1'000'000);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::StartsWith("variant 'rounded': memory_limit: 1 MB is not"));
  }
}

TEST_F(PlanTest, CountsWorkAndWritesNothing) {
  const Plan planned = plan(
      "variants: [{method: rtn, bits: 3, group_size: 64}]\ntasks: [{task: stereoqa, limit: 32}]\n");
  ASSERT_EQ(planned.tasks.size(), 1u);
  EXPECT_EQ(planned.tasks[0].items.size(), 32u);
  EXPECT_EQ(planned.tasks[0].cost.num_requests, 96);
  EXPECT_LT(planned.cost.rows_per_variant, planned.tasks[0].cost.request_tokens);
  // Base and one variant are asked, the variant is compressed; its file is read with the base's.
  EXPECT_GT(planned.variants[0].compress_gflop, 0);
  EXPECT_DOUBLE_EQ(planned.cost.total_gflop, 2 * planned.cost.ask_gflop +
                                                 planned.variants[0].compress_gflop +
                                                 3 * inspect_gflop(planned, nullptr));
  EXPECT_GT(inspect_gflop(planned, nullptr), 0);
  EXPECT_FALSE(planned.calibration);
  EXPECT_THAT(plan_text(planned, 100), AllOf(HasSubstr("rtn"), HasSubstr("stereoqa")));
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(PlanTest, NamesWhatCannotBeDone) {
  const std::string tasks = "tasks: [{task: stereoqa, limit: 32}]\n";
  EXPECT_THAT(refusal("variants: [{method: rtm}]\n" + tasks), HasSubstr("did you mean 'rtn'?"));
  EXPECT_THAT(refusal("variants: [{method: wanda, sparsity: 0.5}]\n" + tasks),
              HasSubstr("method wanda needs calibration text"));
  EXPECT_THAT(refusal("variants: []\ntasks: [sterioqa]\n"), HasSubstr("did you mean 'stereoqa'?"));
  EXPECT_THAT(refusal("variants: []\ntasks: [perplexity/xsun]\n"),
              HasSubstr("did you mean 'xsum'?"));
  EXPECT_THAT(refusal("variants: []\n" + tasks, "absent"), HasSubstr("absent"));
}

TEST_F(PlanTest, RefusesAPromptThatTheModelCannotHold) {
  EXPECT_THAT(refusal("variants: []\ntasks: [{task: stereoqa, limit: 32}]\n", "short"),
              AllOf(HasSubstr("task 'stereoqa': item "), HasSubstr("the model has 24")));
}

TEST_F(PlanTest, SaysWhatIsComputedOnceAndCountsItOnce) {
  std::ofstream(root_ / "text.txt") << std::string(4000, 'a');
  const std::string calibration = "calibration: {data: \"text:" + (root_ / "text.txt").string() +
                                  "\", samples: 2, length: 16, seeds: [0]}\n";
  const Plan planned = plan(calibration +
                            "variants:\n"
                            "  - {name: first, method: gblm, sparsity: 0.5}\n"
                            "  - {name: rounded, method: rtn, bits: 4, group_size: 64}\n"
                            "  - {name: second, method: gblm, sparsity: 0.5, alpha: 10}\n"
                            "  - {name: third, method: sparsegpt, sparsity: 0.5}\n"
                            "tasks: [{task: stereoqa, limit: 32}]\n");
  EXPECT_GT(planned.variants[0].compress_gflop, 1.5 * planned.variants[2].compress_gflop);
  EXPECT_GT(planned.variants[2].compress_gflop, 0);
  const std::string text = plan_text(planned, 100);
  EXPECT_THAT(text,
              HasSubstr("computed once:\n    input norms of the first block, for first, second\n"
                        "    gradients (L2 over samples), for first, second\n"));
  EXPECT_THAT(text, HasSubstr("computed for each: statistics behind the first block"));
}

}  // namespace
}  // namespace assay
