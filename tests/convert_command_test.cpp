// `assay convert` from the outside, on a tiny random model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "command.h"
#include "io/gguf.h"
#include "io/imatrix.h"
#include "model/checkpoint.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class ConvertCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_convert_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    write_tiny_model(folder_ / "tiny",
                     {.hidden_size = 256, .intermediate_size = 512, .num_attention_heads = 8});
  }
  void TearDown() override { fs::remove_all(folder_); }

  Ended run(const std::string& arguments) const {
    return run_command("cd '" + folder_.string() + "' && '" + ASSAY_BINARY + "' convert " +
                       arguments + " 2>&1");
  }

  std::string score(const std::string& model) const {
    const auto ended =
        run_command("cd '" + folder_.string() +
                    "' && echo '{\"id\":1,\"context\":\"The cat\",\"continuation\":\" sat "
                    "there\"}' | '" ASSAY_BINARY "' score " +
                    model + " --input - 2>/dev/null");
    EXPECT_EQ(ended.exit_code, 0) << ended.text;
    return ended.text;
  }

  fs::path folder_;
};

TEST_F(ConvertCommand, ThereAndBackIsTheSameModel) {
  auto done = run("tiny f32.gguf --file_type F32");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("every value is what it was"));
  EXPECT_THAT(done.text, HasSubstr("written to f32.gguf"));
  done = run("f32.gguf back");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("every value is what it was"));
  const auto tiny = Checkpoint::open(folder_ / "tiny"), back = Checkpoint::open(folder_ / "back");
  EXPECT_EQ(back.weights_hash(), tiny.weights_hash());
  EXPECT_EQ(back.config(), tiny.config());
  const auto expected = score("tiny");
  EXPECT_THAT(expected, HasSubstr("log_likelihood"));
  EXPECT_EQ(score("f32.gguf"), expected);
  EXPECT_EQ(score("back"), expected);
}

TEST_F(ConvertCommand, SaysWhatIsLost) {
  auto done = run("tiny x.gguf --file_type Q4_K_M");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("of the values changed, by "));
  EXPECT_THAT(done.text, HasSubstr("Q6_K "));
  done = run("tiny half --save_dtype float16");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("of the values changed"));
  done = run("x.gguf y.gguf --file_type Q4_K_M");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("copied byte for byte"));
  EXPECT_THAT(done.text, HasSubstr("every value is what it was"));
}

TEST_F(ConvertCommand, APrunedModelLosesItsZerosAudibly) {
  ASSERT_EQ(run_command("cd '" + folder_.string() +
                        "' && '" ASSAY_BINARY
                        "' compress tiny --method magnitude --sparsity 0.5 -o pruned 2>&1")
                .exit_code,
            0);
  EXPECT_THAT(run("pruned x.gguf --file_type Q4_1").text,
              HasSubstr("the sparsity of this pruned model is lost"));
  EXPECT_THAT(run("pruned y.gguf --file_type Q8_0").text, Not(HasSubstr("no longer 0")));
}

TEST_F(ConvertCommand, DryRunWritesNothing) {
  const auto done = run("tiny x.gguf --file_type Q4_K_M --dry-run");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("MB in all"));
  EXPECT_THAT(done.text, HasSubstr("the zeros are lost in Q4_K"));
  EXPECT_FALSE(fs::exists(folder_ / "x.gguf"));
  EXPECT_EQ(run("tiny folder --dry-run").exit_code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "folder"));
}

TEST_F(ConvertCommand, ImportanceMatrixAndParts) {
  ImportanceSums sums;
  sums.sum_of_squares.assign(512, 1.0f);
  for (size_t i = 0; i < 512; i += 3) sums.sum_of_squares[i] = 50;
  sums.count = 10;
  write_file_atomic(folder_ / "i.gguf",
                    imatrix_bytes({{"blk.0.ffn_down.weight", sums}}, {"text"}, 1, 10));
  const auto dry = run("tiny x.gguf --file_type Q4_K_S --imatrix i.gguf --dry-run");
  EXPECT_THAT(dry.text, HasSubstr("1 tensors are encoded with the importance matrix"));
  const auto done = run("tiny x.gguf --file_type Q4_K_S --imatrix i.gguf --max_part_size 200KB");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("written to x-00002-of-0000"));
  const auto again = run("tiny x.gguf --file_type Q4_K_S --imatrix i.gguf --max_part_size 200KB");
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.text, HasSubstr("--overwrite"));
  fs::path first;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with("x-00001-of-")) first = entry.path();
  }
  EXPECT_EQ(score(first.filename().string()).find("error"), std::string::npos);
  EXPECT_EQ(open_gguf(first).string("quantize.imatrix.file"), "i.gguf");
}

TEST_F(ConvertCommand, Refusals) {
  const auto refused = [&](const std::string& arguments) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 2) << ended.text;
    return ended.text;
  };
  EXPECT_THAT(refused("tiny x.gguf"), HasSubstr("--file_type (F32, F16,"));
  EXPECT_THAT(refused("tiny x.gguf --file_type Q4_K_X"), HasSubstr("did you mean"));
  EXPECT_THAT(refused("tiny x --format gguf --file_type F16"), HasSubstr("must end in .gguf"));
  EXPECT_THAT(refused("tiny x.gguf --format dense"), HasSubstr("writes a folder"));
  EXPECT_THAT(refused("tiny folder --file_type F16"), HasSubstr("are for --format gguf"));
  ASSERT_EQ(run("tiny x.gguf --file_type F16").exit_code, 0);
  EXPECT_THAT(refused("tiny x.gguf --file_type F16"), HasSubstr("--overwrite"));
  EXPECT_THAT(refused("x.gguf x.gguf --file_type F16 --overwrite"), HasSubstr("the input itself"));
  EXPECT_EQ(run("tiny x.gguf --file_type Q8_0 --overwrite").exit_code, 0);
  EXPECT_THAT(refused("x.gguf tiny --save_dtype float16"), HasSubstr("not empty"));
}

TEST_F(ConvertCommand, HelpTeaches) {
  const auto done = run("--help");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.text, HasSubstr("assay convert my-model my-model.Q4_K_M.gguf"));
  EXPECT_THAT(done.text, HasSubstr("Pruned weights stay 0"));
}

}  // namespace
}  // namespace assay
