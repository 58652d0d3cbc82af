// `assay compress` from the outside, on a tiny random model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "command.h"
#include "compress/methods.h"
#include "compress/rtn.h"
#include "model/block.h"
#include "model/checkpoint.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CompressCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_compress_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    write_tiny_model(folder_ / "tiny");
    std::ofstream ids(folder_ / "ids.jsonl");
    for (int row = 0; row < 4; ++row) {
      ids << '[' << row + 3;
      for (int i = 1; i < 24; ++i) ids << ", " << (row * 37 + i * 11) % 320;
      ids << "]\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  Ended run(const std::string& arguments) const {
    return run_command("cd '" + folder_.string() + "' && '" + ASSAY_BINARY + "' compress " +
                       arguments + " 2>&1");
  }

  fs::path folder_;
};

TEST_F(CompressCommand, WritesWhatTheMethodComputesAndSaysSo) {
  const auto done = run("tiny --method rtn --bits 3 --group_size 48 -o out");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("rtn 3-bit g48: 14 linears"));
  EXPECT_THAT(done.text, HasSubstr("groups of 48 leave one of"));
  const auto before = Checkpoint::open(folder_ / "tiny"), after = Checkpoint::open(folder_ / "out");
  EXPECT_EQ(after.config(), before.config());
  for (const TensorRecord& record : before.tensors()) {
    const auto weight = before.tensor(record.name);
    const bool compressed = record.name.find("_proj") != std::string::npos;
    const auto expected =
        compressed ? rtn_quantize(weight, {{.bits = 3, .group_size = 48}}).values : weight;
    EXPECT_TRUE(at::equal(after.tensor(record.name), expected)) << record.name;
  }
  const Json provenance = after.provenance();
  EXPECT_EQ(provenance["method"]["bits"], 3);
  EXPECT_EQ(provenance["source"]["weights_sha256"], before.weights_hash());
  EXPECT_EQ(provenance["report"]["linears"].size(), 14u);
}

TEST_F(CompressCommand, WritesPackedFoldersAndTakesThemAsBase) {
  auto done = run("tiny --method rtn --bits 4 --group_size 32 --sym --export gptq -o packed");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  const auto packed = Checkpoint::open(folder_ / "packed");
  EXPECT_EQ(packed.description(), "packed: decoded GPTQ-4bit-g32");
  EXPECT_EQ(packed.provenance()["export"], "gptq");
  EXPECT_TRUE(fs::exists(folder_ / "packed" / "quantize_config.json"));
  done = run("packed --method magnitude --pattern 2:4 --export compressed-tensors -o sparse");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  const auto sparse = Checkpoint::open(folder_ / "sparse");
  EXPECT_EQ(sparse.description(), "sparse: decoded CT-F16-24bitmask");
  EXPECT_EQ(sparse.provenance()["source"]["weights_sha256"], packed.weights_hash());
  done = run("tiny --method rtn --export gptq -o never");
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.text, HasSubstr("format gptq cannot hold zero points of 0"));
  EXPECT_FALSE(fs::exists(folder_ / "never"));
}

TEST_F(CompressCommand, EveryMethodRunsAndItsResultLoads) {
  for (const Method& method : methods()) {
    SCOPED_TRACE(method.name);
    const std::string name(method.name);
    std::string arguments = "tiny --method " + name + " -o " + name;
    if (needs_of(method_config({{"method", method.name}})).calibration()) {
      arguments += " --calibration ids:ids.jsonl --samples 4 --journal always";
    }
    const auto done = run(arguments);
    ASSERT_EQ(done.exit_code, 0) << done.text;
    EXPECT_FALSE(fs::exists(folder_ / (name + ".blocks")));
    const auto made = Checkpoint::open(folder_ / name);
    EXPECT_EQ(made.provenance()["method"]["method"], name);
    const bool is_int8 = name == "llm_int8" || name == "smoothquant";
    EXPECT_EQ(made.provenance().contains("product"), is_int8);
    EXPECT_EQ(made.provenance().contains("kv_cache"), name == "kv_cache");
    load_causal_lm(made);
  }
}

TEST_F(CompressCommand, FlagsAreTheSettingsOfTheMethods) {
  const auto done = run(
      "tiny --method gptq --mask wanda --pattern 2:4 --bits 3 --group_size 16 --no-sym --desc_act "
      "--calibration ids:ids.jsonl --samples 4 -o out");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("gptq 2:4 3-bit g16 desc_act mask wanda"));
  const auto foreign = run("tiny --method awq --damp_percent 0.1 -o other");
  EXPECT_EQ(foreign.exit_code, 2);
  EXPECT_THAT(foreign.text, HasSubstr("damp_percent"));
}

// A cache in few bits leaves weights and their product as they are, and what is compressed after it
// keeps it. The tiny model has 2 layers, 2 key heads of 16 and 512 positions: 65536 values.
TEST_F(CompressCommand, TheCacheIsPartOfTheCheckpoint) {
  ASSERT_EQ(run("tiny --method llm_int8 -o int8").exit_code, 0);
  const auto done = run("int8 --method kv_cache --bits 4 --group_size 12 -o both");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  // Groups of 12 and 4 with two ends each: 4 + 4 * 16 / 16 bits.
  EXPECT_THAT(done.text, HasSubstr("kv_cache 4-bit g12: 14 linears"));
  EXPECT_THAT(done.text, HasSubstr("KV cache: 8.000 bits a value, 0.1 MB at 512 tokens (0.1 MB"));
  EXPECT_THAT(done.text, HasSubstr("in the KV cache groups of 12 leave one of 4 at the end"));
  const auto int8 = Checkpoint::open(folder_ / "int8"), both = Checkpoint::open(folder_ / "both");
  EXPECT_EQ(both.weights_hash(), int8.weights_hash());
  EXPECT_EQ(both.provenance()["product"], int8.provenance()["product"]);
  const Json cache{{"bits", 4}, {"group_size", 12}, {"sym", false}};
  EXPECT_EQ(both.provenance()["kv_cache"], cache);
  const Json said = both.provenance()["report"]["kv_cache"];
  EXPECT_EQ(said["bits"], 8);
  EXPECT_EQ(said["bytes"], 65536);
  EXPECT_EQ(said["dense_bytes"], 131072);
  EXPECT_EQ(load_causal_lm(both).kv_cache, (kernels::KvCacheFormat{.bits = 4, .group_size = 12}));

  ASSERT_EQ(run("both --method rtn --group_size 64 -o rtn").exit_code, 0);
  const Json kept = Checkpoint::open(folder_ / "rtn").provenance();
  EXPECT_EQ(kept["kv_cache"], cache);
  EXPECT_FALSE(kept.contains("product"));
  ASSERT_EQ(run("both --method dense --kv_bits 16 -o float32").exit_code, 0);
  const Json dropped = Checkpoint::open(folder_ / "float32").provenance();
  EXPECT_FALSE(dropped.contains("kv_cache"));
  EXPECT_TRUE(dropped.contains("product"));
}

// Statistics of weights are gathered through a float32 cache: kv_bits changes no weight.
TEST_F(CompressCommand, TheCacheBesideAMethodChangesNoWeight) {
  const std::string common =
      "tiny --method gptq --group_size 16 --calibration ids:ids.jsonl --samples 4";
  ASSERT_EQ(run(common + " -o plain").exit_code, 0);
  const auto done = run(common + " --kv_bits 8 --kv_group_size 16 --kv_sym -o cached");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("gptq 4-bit g16, kv 8-bit g16 sym: 14 linears"));
  ASSERT_EQ(run("cached --method gptq --group_size 16 --calibration ids:ids.jsonl --samples 4 "
                "-o of_cached")
                .exit_code,
            0);
  ASSERT_EQ(run("plain --method gptq --group_size 16 --calibration ids:ids.jsonl --samples 4 "
                "-o of_plain")
                .exit_code,
            0);
  const auto hash = [&](const char* name) {
    return Checkpoint::open(folder_ / name).weights_hash();
  };
  EXPECT_EQ(hash("cached"), hash("plain"));
  EXPECT_EQ(hash("of_cached"), hash("of_plain"));
  EXPECT_EQ(Checkpoint::open(folder_ / "cached").provenance()["kv_cache"],
            (Json{{"bits", 8}, {"group_size", 16}, {"sym", true}}));
}

TEST_F(CompressCommand, CalibratedResultsAreTheSameBytesForAnyThreadsAndBatches) {
  const std::string common =
      "tiny --method wanda --pattern 2:4 --calibration ids:ids.jsonl --samples 4";
  ASSERT_EQ(run(common + " --threads 1 --batch_tokens 1 -o one").exit_code, 0);
  ASSERT_EQ(run(common + " --threads 2 -o two").exit_code, 0);
  EXPECT_EQ(read_file(folder_ / "one/model.safetensors"),
            read_file(folder_ / "two/model.safetensors"));
  EXPECT_EQ(read_file(folder_ / "one/assay_provenance.json"),
            read_file(folder_ / "two/assay_provenance.json"));
  const Json calibration = Checkpoint::open(folder_ / "one").provenance()["calibration"];
  EXPECT_EQ(calibration["tokens"], 96);
  EXPECT_EQ(calibration["source"], "ids:ids.jsonl");
}

TEST_F(CompressCommand, TurnsAGgufFileIntoAFolder) {
  write_tiny_gguf(folder_ / "tiny.gguf");
  ASSERT_EQ(run("tiny.gguf --method dense -o out").exit_code, 0);
  const auto before = Checkpoint::open(folder_ / "tiny"), after = Checkpoint::open(folder_ / "out");
  for (const TensorRecord& record : before.tensors()) {
    EXPECT_TRUE(at::equal(after.tensor(record.name), before.tensor(record.name))) << record.name;
  }
  const std::string text = "the hat and the cat 12";
  EXPECT_EQ(after.tokenizer().encode(text).ids, before.tokenizer().encode(text).ids);
}

TEST_F(CompressCommand, DryRunPrintsThePlanAndWritesNothing) {
  const auto done =
      run("tiny --method wanda --calibration ids:ids.jsonl --samples 2 -o out --dry-run");
  ASSERT_EQ(done.exit_code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr("14 linears of 2 layers"));
  EXPECT_THAT(done.text, HasSubstr("2 sequences, 48 tokens"));
  EXPECT_THAT(done.text, HasSubstr(" the program, "));
  EXPECT_THAT(done.text, HasSubstr("on disk      nothing but the result\n"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

// 64 sequences of 512 tokens: 8 MB of hidden states, of which one batch is 0.5 MB.
class SpillingCompressCommand : public CompressCommand {
 protected:
  void SetUp() override {
    CompressCommand::SetUp();
    std::ofstream ids(folder_ / "long.jsonl");
    for (int row = 0; row < 64; ++row) {
      ids << '[' << row + 3;
      for (int i = 1; i < 512; ++i) ids << ", " << (row * 37 + i * 11) % 320;
      ids << "]\n";
    }
  }
  std::string arguments_ =
      "tiny --method wanda --calibration ids:long.jsonl --samples 64 --memory_limit 150MB -o out";
};

TEST_F(SpillingCompressCommand, HiddenStatesGoToDiskAboveTheLimitAndChangeNothing) {
  const auto planned = run(arguments_ + " --dry-run");
  ASSERT_EQ(planned.exit_code, 0) << planned.text;
  EXPECT_THAT(planned.text, HasSubstr("8 MB of hidden states in a temporary file"));
  const auto done = run(arguments_);
  ASSERT_EQ(done.exit_code, 0) << done.text;
  const auto in_memory =
      run("tiny --method wanda --calibration ids:long.jsonl --samples 64 -o memory");
  ASSERT_EQ(in_memory.exit_code, 0) << in_memory.text;
  for (const char* file : {"model.safetensors", "assay_provenance.json"})
    EXPECT_EQ(read_file(folder_ / "out" / file), read_file(folder_ / "memory" / file)) << file;
}

// The largest file may have 4 MB: room for the checkpoint, none for the states.
TEST_F(SpillingCompressCommand, AFullDiskIsOneLineAndFinishedBlocksStay) {
  fs::create_directories(folder_ / "out.blocks");
  const auto refused =
      run_command("trap '' XFSZ; ulimit -f 8192; cd '" + folder_.string() + "' && '" +
                  ASSAY_BINARY + "' compress " + arguments_ + " --journal always 2>&1");
  EXPECT_EQ(refused.exit_code, 2) << refused.text;
  EXPECT_THAT(refused.text, HasSubstr("no room for 8388608 bytes of temporary data"));
  EXPECT_EQ(std::ranges::count(refused.text, '\n'), 1) << refused.text;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_TRUE(fs::exists(folder_ / "out.blocks"));
}

TEST_F(CompressCommand, BadInputIsOneLineExitTwoAndNothingIsWritten) {
  const auto refused = [&](const std::string& arguments, const std::string& message) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments << '\n' << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(message));
    EXPECT_EQ(std::ranges::count(outcome.text, '\n'), 1) << outcome.text;
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  };
  refused("tiny --method wandaa -o out", "did you mean 'wanda'?");
  refused("tiny --method rtn --sparsity 0.5 -o out", "sparsity");
  refused("tiny --method rtn --kv_bits 9 -o out", "kv_bits must be in [2, 8], or 16");
  refused("tiny --method wanda -o out", "needs --calibration SOURCE");
  refused("tiny --method magnitude --pattern 2:4 --sparsity 0.6 -o out",
          "pattern 2:4 implies sparsity 0.5, got 0.6");
  refused("tiny --method wanda --calibration ids:ids.jsonl --samples 9 -o out",
          "holds 4 sequences, 9 are asked for");
  refused("tiny --method rtn --calibration ids:ids.jsonl -o out", "takes no calibration text");
  refused("nowhere --method rtn -o out", "nowhere");
  refused("tiny --method rtn --memory_limit 1.5MiB -o out", "memory_limit: 2 MB is not enough");
  refused("tiny --method rtn --memory_limit 8Gig -o out", "'8Gig' is not a size of memory (8GiB");
}

TEST_F(CompressCommand, ATargetThatIsNotEmptyIsKeptUnlessReplaced) {
  ASSERT_EQ(run("tiny --method dense -o out").exit_code, 0);
  const auto refused = run("tiny --method rtn --group_size 64 -o out");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.text, HasSubstr("out"));
  EXPECT_EQ(Checkpoint::open(folder_ / "out").provenance()["method"]["method"], "dense");
  ASSERT_EQ(run("tiny --method rtn --group_size 64 -o out --overwrite").exit_code, 0);
  EXPECT_EQ(Checkpoint::open(folder_ / "out").provenance()["method"]["method"], "rtn");
}

}  // namespace
}  // namespace assay
