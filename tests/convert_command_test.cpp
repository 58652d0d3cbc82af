// `assay convert` from the outside, on a tiny random model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "command.h"
#include "io/gguf.h"
#include "io/imatrix.h"
#include "model/checkpoint.h"
#include "model/tensor_names.h"
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

// What a method makes, stored in one format, and the formats that hold the same codes.
struct PackedChain {
  const char *flags, *first;
  std::vector<const char*> others;
};

class ConvertPacked : public ConvertCommand, public testing::WithParamInterface<PackedChain> {
 protected:
  void compress_into(const std::string& flags) const {
    const auto done =
        run_command("cd '" + folder_.string() + "' && '" + ASSAY_BINARY +
                    "' compress tiny -o packed --save_dtype float32 " + flags + " 2>&1");
    ASSERT_EQ(done.exit_code, 0) << done.text;
  }

  // Every tensor, or those of blocks alone.
  void expect_same_values(const std::string& a, const std::string& b,
                          bool linears_alone = false) const {
    const auto first = Checkpoint::open(folder_ / a), second = Checkpoint::open(folder_ / b);
    for (const auto& record : first.tensors()) {
      if (linears_alone && !is_block_linear(record.name)) continue;
      EXPECT_TRUE(at::equal(first.tensor(record.name), second.tensor(record.name)))
          << a << ", " << b << ": " << record.name;
    }
  }
};

TEST_P(ConvertPacked, CarriesCodesFromFormatToFormat) {
  const auto& [flags, first, others] = GetParam();
  compress_into(std::string(flags) + " --export " + first);
  const std::string hash = Checkpoint::open(folder_ / "packed").weights_hash();
  std::string last = "packed";
  for (const char* format : others) {
    const std::string next = std::string("as_") + format;
    const auto done = run(last + " " + next + " --format " + format);
    ASSERT_EQ(done.exit_code, 0) << done.text;
    EXPECT_THAT(done.text, HasSubstr("every value is what it was"));
    expect_same_values("packed", next);
    last = next;
  }
  const auto back = run(last + " back --format " + first);
  ASSERT_EQ(back.exit_code, 0) << back.text;
  EXPECT_EQ(Checkpoint::open(folder_ / "back").weights_hash(), hash) << back.text;
  const Json provenance = Checkpoint::open(folder_ / "back").provenance();
  EXPECT_TRUE(provenance.contains("method"));
  EXPECT_TRUE(provenance["converted_from"].contains("weights_sha256"));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, ConvertPacked,
    testing::Values(PackedChain{"--method rtn --bits 4 --group_size 64 --sym",
                                "gptq",
                                {"awq", "awq_gemv", "gptq_v2", "compressed-tensors"}},
                    PackedChain{"--method rtn --bits 4 --group_size 32", "awq", {"gptq_v2"}},
                    PackedChain{"--method rtn --bits 8 --group_size 128 --sym",
                                "gptq",
                                {"compressed-tensors", "gptq_v2"}},
                    PackedChain{"--method rtn --bits 3 --group_size 32", "gptq_v2", {}},
                    PackedChain{"--method nf4 --double_quant", "bnb", {}},
                    PackedChain{"--method llm_int8", "bnb", {}},
                    PackedChain{"--method dense", "fp8_tensor", {"fp8_channel"}},
                    PackedChain{"--method magnitude --pattern 2:4", "compressed-tensors", {}}));

// The steps of such codes are those of GGUF's blocks.
TEST_F(ConvertPacked, SymmetricCodesAreBlocksOfGguf) {
  for (const char* bits : {"4", "8"}) {
    SCOPED_TRACE(bits);
    fs::remove_all(folder_ / "packed");
    fs::remove_all(folder_ / "back");
    fs::remove(folder_ / "x.gguf");
    compress_into("--method rtn --group_size 64 --sym --export gptq --bits " + std::string(bits));
    const std::string type = std::string("Q") + bits + "_0";
    const auto done = run("packed x.gguf --file_type " + type);
    ASSERT_EQ(done.exit_code, 0) << done.text;
    expect_same_values("packed", "x.gguf", true);
    const auto back = run("x.gguf back --format gptq");
    ASSERT_EQ(back.exit_code, 0) << back.text;
    EXPECT_THAT(back.text, HasSubstr("every value is what it was"));
    EXPECT_THAT(back.text, HasSubstr("GPTQ-" + std::string(bits) + "bit-g32"));
    expect_same_values("x.gguf", "back");
  }
}

TEST_F(ConvertPacked, SaysWhatAFormatCannotHold) {
  const auto refused = [&](const std::string& arguments) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 2) << ended.text;
    return ended.text;
  };
  EXPECT_THAT(refused("tiny x --format gptq"),
              HasSubstr("'model.layers.0.mlp.down_proj.weight' (F32) has no codes of it"));
  EXPECT_THAT(refused("tiny x --format compressed-tensors"), HasSubstr("has no codes of it"));
  compress_into("--method rtn --bits 3 --group_size 32 --export gptq_v2");
  EXPECT_THAT(refused("packed x --format awq"), HasSubstr("AWQ files hold 4 bits, not 3"));
  EXPECT_THAT(refused("packed x --format bnb"), HasSubstr("format bnb cannot hold"));
  EXPECT_THAT(refused("packed x --format gtpq"), HasSubstr("gtpq"));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
  // FP8 rounds what is there, and says by how much.
  const auto rounded = run("packed x --format fp8");
  ASSERT_EQ(rounded.exit_code, 0) << rounded.text;
  EXPECT_THAT(rounded.text, HasSubstr("of the values changed"));
  // A file that is computed in 8-bit products elsewhere is not, there.
  fs::remove_all(folder_ / "packed");
  compress_into("--method llm_int8 --export bnb");
  const auto without = run("packed y --format compressed-tensors");
  ASSERT_EQ(without.exit_code, 0) << without.text;
  EXPECT_THAT(without.text, HasSubstr("the format cannot say 8-bit products"));
}

TEST_F(ConvertCommand, HelpTeaches) {
  const auto done = run("--help");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.text, HasSubstr("assay convert my-model my-model.Q4_K_M.gguf"));
  EXPECT_THAT(done.text, HasSubstr("Pruned weights stay 0"));
}

}  // namespace
}  // namespace assay
