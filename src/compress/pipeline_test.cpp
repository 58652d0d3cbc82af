#include "compress/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/thread_pool.h"
#include "calibration/gradients.h"
#include "calibration/hidden_states.h"
#include "calibration/input_hessian.h"
#include "compress/block_journal.h"
#include "compress/compress_block.h"
#include "compress/compress_linear.h"
#include "compress/selection_plain.h"
#include "compress/shared_work.h"
#include "model/block.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

const std::vector<std::vector<int32_t>> kSequences{
    {5, 6, 7, 8, 9, 40, 41}, {9, 10, 100, 200}, {11, 12, 13, 250, 3}};

class Pipeline : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        new fs::path(fs::temp_directory_path() / ("assay_pipeline_" + std::to_string(::getpid())));
    write_tiny_model(*folder_, {.num_hidden_layers = 3});
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder_);
    delete folder_;
  }

  struct Result {
    Tensors tensors;
    CompressionReport report;
  };

  Result run(const Json& settings, const CompressOptions& options = {},
             bool calibrated = true) const {
    CalibrationSet calibration;
    calibration.sequences = kSequences;
    Result result;
    const auto keep = [&](const std::string& name, const at::Tensor& tensor) {
      EXPECT_TRUE(result.tensors.emplace(name, tensor.clone()).second)
          << name << " was written twice";
    };
    result.report = compress(checkpoint_, method_config(settings),
                             calibrated ? &calibration : nullptr, keep, options);
    EXPECT_EQ(result.tensors.size(), checkpoint_.tensors().size());
    EXPECT_EQ(result.report.linears.size(), 21u);  // 3 layers of 7
    EXPECT_EQ(
        result.report.linears.size() + result.report.folded.size() + result.report.copied.size(),
        checkpoint_.tensors().size());
    return result;
  }

  std::string error_of(const Json& settings, const CompressOptions& options = {}) const {
    try {
      run(settings, options, false);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  // The layer `layer` with weights from `tensors`.
  Block block_of(const Tensors& tensors, int64_t layer) const {
    Block block = make_block(checkpoint_, layer, [&](std::string_view linear) {
      return tensors.at(linear_weight_name(layer, linear));
    });
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    block.input_layernorm = tensors.at(prefix + "input_layernorm.weight");
    block.post_attention_layernorm = tensors.at(prefix + "post_attention_layernorm.weight");
    return block;
  }

  static fs::path* folder_;
  Checkpoint checkpoint_ = Checkpoint::open(*folder_);
};

fs::path* Pipeline::folder_ = nullptr;

TEST_F(Pipeline, DataFreeMethodsAreTheirFunctionOnEveryLinearAndNothingElse) {
  const auto rtn = run({{"method", "rtn"}, {"bits", 3}, {"group_size", 24}}, {}, false);
  for (const LinearReport& linear : rtn.report.linears) {
    const auto weight = checkpoint_.tensor(linear.tensor);
    const auto expected = rtn_quantize(weight, {{.bits = 3, .group_size = 24}}).values;
    EXPECT_TRUE(at::equal(rtn.tensors.at(linear.tensor), expected)) << linear.tensor;
    EXPECT_EQ(linear.zeros, (expected == 0).sum().item<int64_t>());
    EXPECT_NEAR(linear.weight_error, ((expected - weight).norm() / weight.norm()).item<double>(),
                1e-6);
    EXPECT_EQ(linear.levels_per_group, 8);
    EXPECT_THAT(
        linear.note,
        testing::HasSubstr("groups of 24 leave one of"));  // 64 = 2 * 24 + 16, 128 = 5 * 24 + 8
  }
  for (const std::string& name : rtn.report.copied) {
    EXPECT_TRUE(at::equal(rtn.tensors.at(name), checkpoint_.tensor(name))) << name;
    EXPECT_THAT(name, testing::AnyOf(testing::HasSubstr("norm"), testing::HasSubstr("embed_tokens"),
                                     testing::HasSubstr("lm_head")));
  }
  const auto dense = run({{"method", "dense"}}, {}, false);
  for (const auto& [name, tensor] : dense.tensors)
    EXPECT_TRUE(at::equal(tensor, checkpoint_.tensor(name)));
  EXPECT_EQ(dense.report.weight_error(), 0);
  EXPECT_EQ(dense.report.bits(), 16);
}

// The pipeline's table written out: scores of block b come from inputs behind the pruned blocks
// before it, all linears of a block from one dense pass, selection by stable sorts.
TEST_F(Pipeline, WandaAgreesWithTheDefinitionWrittenOut) {
  const auto result = run({{"method", "wanda"}, {"sparsity", 0.6}});
  const auto forest = forest_of_sequences(kSequences);
  auto hidden =
      embed(checkpoint_.tensor("model.embed_tokens.weight"), checkpoint_.config(), forest);
  for (int64_t layer = 0; layer < 3; ++layer) {
    std::map<std::string, at::Tensor> input;
    block_inputs(load_block(checkpoint_, layer), checkpoint_.config(), forest, hidden,
                 [&](std::string_view linear, const at::Tensor& x) {
                   input[std::string(linear)] = x.clone();
                 });
    for (const std::string_view linear : block_linear_names()) {
      const std::string name = linear_weight_name(layer, linear);
      const auto weight = checkpoint_.tensor(name);
      const auto norm =
          (input.at(std::string(linear)).to(at::kDouble).square().sum(0) / 3).sqrt().to(at::kFloat);
      const auto keep = plain::keep_largest_per_row(weight.abs() * norm, weight.size(1) * 6 / 10);
      EXPECT_TRUE(at::equal(result.tensors.at(name), weight * keep))
          << name;  // what stays is bit-identical
    }
    hidden = block_forward(block_of(result.tensors, layer), checkpoint_.config(), forest, hidden);
  }
}

// GPTQ's pipeline written out, with one pass a block and (true_sequential) with four: each linear
// is rounded for its inputs in the block as it then is.
TEST_F(Pipeline, GptqAgreesWithTheDefinitionWrittenOut) {
  using Names = std::vector<std::string_view>;
  const Names all(block_linear_names().begin(), block_linear_names().end());
  const std::vector<Names> in_turn{Names(all.begin(), all.begin() + 3),
                                   {all[3]},
                                   Names(all.begin() + 4, all.begin() + 6),
                                   {all[6]}};
  for (const bool true_sequential : {false, true}) {
    SCOPED_TRACE(true_sequential);
    const Json settings{
        {"method", "gptq"}, {"bits", 3}, {"group_size", 16}, {"true_sequential", true_sequential}};
    const auto config = std::get<GptqConfig>(method_config(settings));
    const auto result = run(settings);
    const auto forest = forest_of_sequences(kSequences);
    std::vector<int64_t> rows;
    for (const auto& ids : kSequences) rows.push_back(static_cast<int64_t>(ids.size()));
    auto hidden =
        embed(checkpoint_.tensor("model.embed_tokens.weight"), checkpoint_.config(), forest);
    for (int64_t layer = 0; layer < 3; ++layer) {
      Block block = load_block(checkpoint_, layer);
      for (const Names& together : true_sequential ? in_turn : std::vector<Names>{all}) {
        std::map<std::string, InputHessian> hessians;
        block_inputs(block, checkpoint_.config(), forest, hidden,
                     [&](std::string_view linear, const at::Tensor& x) {
                       hessians[std::string(linear)].add(x, rows);
                     });
        for (const std::string_view linear : together) {
          const std::string name = linear_weight_name(layer, linear);
          const auto weight = checkpoint_.tensor(name);
          const auto hessian = hessians.at(std::string(linear)).hessian();
          const auto order = column_order(hessian.diagonal(), ColumnOrder::kGiven, 16);
          const auto expected = gptq(weight, inverse_factor(hessian, 0.01), order, config).values;
          EXPECT_TRUE(at::equal(result.tensors.at(name), expected)) << name;
          linear_of(block, linear) = Linear(expected);
        }
      }
      hidden = block_forward(block, checkpoint_.config(), forest, hidden);
    }
  }
}

// A mask from one method, rounding or making up by another: zeros stay zeros.
TEST_F(Pipeline, AMaskOfAnotherMethodIsKept) {
  const auto wanda = run({{"method", "wanda"}, {"pattern", "2:4"}});
  for (const char* method : {"rtn", "gptq", "sparsegpt"}) {
    SCOPED_TRACE(method);
    const auto masked = run({{"method", method}, {"mask", "wanda"}, {"pattern", "2:4"}});
    for (const std::string_view linear : block_linear_names()) {
      // Later blocks see other inputs, so their masks differ.
      const std::string name = linear_weight_name(0, linear);
      const auto pruned = wanda.tensors.at(name) == 0;
      EXPECT_TRUE((masked.tensors.at(name).masked_select(pruned) == 0).all().item<bool>()) << name;
      EXPECT_FALSE(at::equal(masked.tensors.at(name), wanda.tensors.at(name))) << name;
    }
    EXPECT_GE(masked.report.sparsity(), 0.5);
  }
  const auto joint = run({{"method", "rtn"}, {"mask", "magnitude"}, {"pattern", "2:4"}}, {}, false);
  const auto& linear = joint.report.linears[0];
  const double sparsity =
      static_cast<double>(linear.zeros) / static_cast<double>(linear.elements());
  EXPECT_NEAR(linear.bits, 1 + 4 * (1 - sparsity) + 20.0 / 64, 1e-9);  // one group of 64 columns
}

TEST_F(Pipeline, BitsByTensor) {
  const auto mixed = run({{"method", "rtn"},
                          {"bits", {{"default", 3}, {"layers.0.*", 8}, {"*.down_proj", 4}}},
                          {"group_size", 32}},
                         {}, false);
  for (const LinearReport& linear : mixed.report.linears) {
    const bool first = linear.tensor.starts_with("model.layers.0.");
    const bool down = linear.tensor.ends_with("down_proj.weight");
    const int64_t bits = first ? 8 : down ? 4 : 3;
    const auto expected =
        rtn_quantize(checkpoint_.tensor(linear.tensor), {{.bits = bits, .group_size = 32}}).values;
    EXPECT_TRUE(at::equal(mixed.tensors.at(linear.tensor), expected)) << linear.tensor;
    EXPECT_EQ(linear.levels_per_group, int64_t{1} << bits);
  }
}

TEST_F(Pipeline, SweepsReportBitsZerosAndWhatTheyCouldNotDo) {
  const auto joint = run({{"method", "sparsegpt"}, {"pattern", "2:4"}, {"bits", 4}});
  for (const LinearReport& linear : joint.report.linears) {
    const double sparsity =
        static_cast<double>(linear.zeros) / static_cast<double>(linear.elements());
    EXPECT_GE(sparsity, 0.5) << linear.tensor;
    EXPECT_NEAR(linear.bits, 1 + 4 * (1 - sparsity) + 20.0 / static_cast<double>(linear.cols),
                1e-9);
    EXPECT_EQ(linear.levels_per_group, 16);
    EXPECT_EQ(linear.group_size, linear.cols);
  }
  const auto act = run({{"method", "gptq"}, {"bits", 4}, {"group_size", 24}, {"desc_act", true}});
  EXPECT_EQ(act.report.linears[0].group_size, 64);        // groups lie scattered over the row
  EXPECT_EQ(act.report.linears[0].levels_per_group, 48);  // 3 groups of 16 levels
  EXPECT_THAT(act.report.linears[0].note, testing::HasSubstr("groups of 24 leave one of 16"));
}

// GBLM is Wanda's walk with one more statistic: the gradients of the dense model.
TEST_F(Pipeline, GblmBlendsInTheGradientsOfTheDenseModel) {
  const Json settings{{"method", "gblm"}, {"sparsity", 0.6}};
  const auto config = std::get<GblmConfig>(method_config(settings));
  const auto result = run(settings);
  std::map<std::string, at::Tensor> gradients;
  aggregate_gradients(
      checkpoint_, kSequences,
      [&](int64_t layer, std::string_view linear, const GradientAggregate& aggregate) {
        gradients[linear_weight_name(layer, linear)] = aggregate.l2.clone();
      });
  auto batches = embed_sequences(checkpoint_.tensor("model.embed_tokens.weight"),
                                 checkpoint_.config(), kSequences, 1000);
  for (int64_t layer = 0; layer < 3; ++layer) {
    const auto norms = block_input_norms(load_block(checkpoint_, layer), checkpoint_.config(),
                                         batches, NormSum::kDouble);
    for (const std::string_view linear : block_linear_names()) {
      const std::string name = linear_weight_name(layer, linear);
      const auto weight = checkpoint_.tensor(name);
      const auto keep = gblm_keep_mask(weight, norms.at(linear), gradients.at(name), 3, config);
      EXPECT_TRUE(at::equal(result.tensors.at(name), weight * keep)) << name;
    }
    pass_through_(block_of(result.tensors, layer), checkpoint_.config(), batches);
  }
  // Without the gradient's weight it is Wanda.
  const auto wanda = run({{"method", "wanda"}, {"sparsity", 0.6}});
  const auto alone = run({{"method", "gblm"}, {"sparsity", 0.6}, {"alpha", 0}});
  for (const auto& [name, tensor] : wanda.tensors) {
    EXPECT_TRUE(at::equal(tensor, alone.tensors.at(name))) << name;
  }
}

TEST_F(Pipeline, OwlPrunesBlocksDifferentlyAndTheWholeAsAsked) {
  for (const char* by : {"wanda", "sparsegpt"}) {
    const auto result = run({{"method", "owl"}, {"by", by}, {"sparsity", 0.6}});
    std::map<int, std::pair<double, double>> of_block;  // zeros, elements
    for (size_t i = 0; i < result.report.linears.size(); ++i) {
      auto& [zeros, elements] = of_block[static_cast<int>(i / 7)];
      zeros += static_cast<double>(result.report.linears[i].zeros);
      elements += static_cast<double>(result.report.linears[i].elements());
    }
    double mean = 0, least = 1, most = 0;
    for (const auto& [block, counts] : of_block) {
      const double sparsity = counts.first / counts.second;
      mean += sparsity / 3;
      least = std::min(least, sparsity);
      most = std::max(most, sparsity);
    }
    EXPECT_NEAR(mean, 0.6, 0.02) << by;           // rows truncate: 64 and 128 columns
    EXPECT_NEAR(most - least, 0.16, 0.03) << by;  // twice lambda
  }
}

TEST_F(Pipeline, DsnotKeepsTheCountsOfTheMaskThatItStartsFrom) {
  for (const char* first : {"wanda", "magnitude", "ria"}) {
    const auto pattern = run({{"method", "dsnot"}, {"first", first}, {"pattern", "2:4"}}).report;
    EXPECT_DOUBLE_EQ(pattern.sparsity(), 0.5) << first;
  }
  const auto wanda = run({{"method", "wanda"}, {"sparsity", 0.5}});
  const auto still = run({{"method", "dsnot"}, {"sparsity", 0.5}, {"max_cycles", 0}});
  for (const auto& [name, tensor] : wanda.tensors) {
    EXPECT_TRUE(at::equal(tensor, still.tensors.at(name))) << name;
  }
}

TEST_F(Pipeline, DataFreeQuantizersAreTheirFunctions) {
  const auto expect = [&](const Json& settings, const auto& values_of, double bits) {
    const auto result = run(settings, {}, false);
    for (const LinearReport& linear : result.report.linears) {
      EXPECT_TRUE(
          at::equal(result.tensors.at(linear.tensor), values_of(checkpoint_.tensor(linear.tensor))))
          << linear.tensor;
    }
    EXPECT_NEAR(result.report.bits(), bits, 1e-9) << settings.dump();
  };
  expect(
      {{"method", "nf4"}}, [](const at::Tensor& w) { return codebook_quantize(w, {}).values; },
      4.5);
  expect(
      {{"method", "fp4"}, {"double_quant", true}},
      [](const at::Tensor& w) {
        return codebook_quantize(w, {.codebook = Codebook::kFp4, .double_quant = true}).values;
      },
      4 + 8.0 / 64 + 32.0 / (256 * 64));
  expect(
      {{"method", "hqq"}, {"bits", 3}, {"group_size", 32}},
      [](const at::Tensor& w) { return hqq_quantize(w, {.bits = 3, .group_size = 32}).values; },
      3 + 32.0 / 32);
  const auto int8 = run({{"method", "llm_int8"}}, {}, false);
  for (const LinearReport& linear : int8.report.linears) {
    EXPECT_TRUE(at::equal(int8.tensors.at(linear.tensor),
                          llm_int8_quantize(checkpoint_.tensor(linear.tensor)).values));
    EXPECT_NEAR(linear.bits, 8 + 32.0 / static_cast<double>(linear.cols), 1e-9);
  }
}

// AWQ and SmoothQuant look at the dense model, and their norms are written with the scales in them.
TEST_F(Pipeline, MethodsThatFoldScalesLookAtTheDenseModel) {
  for (const Json& settings : {Json{{"method", "awq"}, {"bits", 4}, {"group_size", 32}},
                               Json{{"method", "smoothquant"}}}) {
    SCOPED_TRACE(settings.dump());
    const auto result = run(settings);
    auto batches = embed_sequences(checkpoint_.tensor("model.embed_tokens.weight"),
                                   checkpoint_.config(), kSequences, 1000);
    const MethodConfig config = method_config(settings);
    for (int64_t layer = 0; layer < 3; ++layer) {
      const auto weights = block_weights(checkpoint_, layer);
      const auto expected = compress_block(config, weights, checkpoint_.config(), batches);
      for (const auto& [linear, compressed] : expected.linears) {
        const std::string name = linear_weight_name(layer, linear);
        EXPECT_TRUE(at::equal(result.tensors.at(name), compressed.weight)) << name;
      }
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      EXPECT_TRUE(at::equal(result.tensors.at(prefix + "input_layernorm.weight"),
                            expected.input_layernorm));
      pass_through_(dense_block(weights), checkpoint_.config(), batches);
    }
    EXPECT_LT(result.report.weight_error(), 0.15);  // of the folded weights, by 4 or 8 bits
    EXPECT_EQ(result.report.folded.size(), 6u);
  }
}

TEST_F(Pipeline, ResultsDependNeitherOnBatchesNorOnThreads) {
  for (const Json& settings :
       {Json{{"method", "wanda"}, {"pattern", "2:4"}},
        Json{{"method", "sparsegpt"}, {"sparsity", 0.6}},
        Json{{"method", "gptq"}, {"bits", 3}, {"desc_act", true}},
        Json{{"method", "gblm"}, {"sparsity", 0.4}}, Json{{"method", "dsnot"}, {"sparsity", 0.5}},
        Json{{"method", "owl"}, {"by", "ria"}, {"sparsity", 0.5}}}) {
    SCOPED_TRACE(settings.dump());
    const int64_t threads = num_threads();
    set_num_threads(1);
    const auto one = run(settings, {.batch_tokens = 1});
    set_num_threads(2);
    const auto two = run(settings, {.batch_tokens = 1000});
    set_num_threads(threads);
    for (const auto& [name, tensor] : one.tensors)
      EXPECT_TRUE(at::equal(tensor, two.tensors.at(name))) << name;
    EXPECT_EQ(to_json(one.report), to_json(two.report));
  }
}

// The plan with one batch of one sequence in memory at a time, under the largest limit that puts
// everything on disk that can be.
MemoryPlan spilling_plan(const Checkpoint& checkpoint, const Json& settings,
                         CompressOptions& options) {
  const MethodConfig config = method_config(settings);
  const CalibrationSize size = calibration_size(kSequences);
  options.batch_tokens = 1;
  MemoryPlan plan = plan_memory(checkpoint, config, size, options);
  EXPECT_FALSE(plan.spill.states || plan.spill.gradients);
  EXPECT_EQ(plan.spilled_bytes, 0);
  while (!plan.spill.states) {
    options.memory_limit = plan.bytes - 1;
    plan = plan_memory(checkpoint, config, size, options);
    EXPECT_LE(plan.bytes, options.memory_limit);
  }
  return plan;
}

TEST_F(Pipeline, WhatGoesToDiskChangesNoBit) {
  const fs::path folder = folder_->string() + "_spill";
  for (const Json& settings :
       {Json{{"method", "wanda"}, {"sparsity", 0.6}}, Json{{"method", "sparsegpt"}, {"bits", 4}},
        Json{{"method", "gptq"}, {"bits", 3}, {"true_sequential", true}},
        Json{{"method", "gblm"}, {"sparsity", 0.4}}, Json{{"method", "dsnot"}, {"sparsity", 0.5}},
        Json{{"method", "owl"}, {"by", "wanda"}, {"sparsity", 0.5}},
        Json{{"method", "awq"}, {"bits", 3}, {"group_size", 32}, {"search_tokens", 9}},
        Json{{"method", "smoothquant"}}}) {
    SCOPED_TRACE(settings.dump());
    CompressOptions options;
    const MemoryPlan plan = spilling_plan(checkpoint_, settings, options);
    const bool gradients = settings["method"] == "gblm";
    EXPECT_EQ(plan.spill.gradients, gradients);
    // 16 tokens of 64 channels; for GBLM at 4 boundaries too, and a gradient a weight.
    EXPECT_EQ(plan.spilled_bytes,
              4 * 16 * 64 + (gradients ? 4 * 4 * 16 * 64 + 4 * 3 * (12288 + 3 * 8192) : 0));
    const Result in_memory = run(settings, {.batch_tokens = 1});
    options.spill_folder = folder;  // is not there: what was asked for is a file
    try {
      run(settings, options);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      EXPECT_THAT(e.what(), testing::HasSubstr("cannot make a temporary file"));
    }
    fs::create_directories(folder);
    const Result on_disk = run(settings, options);
    EXPECT_TRUE(fs::is_empty(folder));
    fs::remove_all(folder);
    for (const auto& [name, tensor] : in_memory.tensors)
      EXPECT_TRUE(at::equal(tensor, on_disk.tensors.at(name))) << name;
    EXPECT_EQ(to_json(in_memory.report), to_json(on_disk.report));
  }
}

TEST_F(Pipeline, ALimitThatIsTooSmallSaysWhatIsNeeded) {
  const Json settings{{"method", "wanda"}};
  CompressOptions options;
  options.memory_limit = spilling_plan(checkpoint_, settings, options).bytes - 1;
  CalibrationSet calibration;
  calibration.sequences = kSequences;
  try {
    compress(
        checkpoint_, method_config(settings), &calibration,
        [](const std::string&, const at::Tensor&) {}, options);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr("MB are needed while "));
  }
}

// Killed in memory, taken up again with its states in a file: where they lie is no part of what a
// journal belongs to. A disk without room for them leaves finished blocks as they are.
TEST_F(Pipeline, AKilledRunGoesOnWithStatesOnDisk) {
  const Json settings{{"method", "sparsegpt"}, {"sparsity", 0.6}};
  const Result whole = run(settings, {.batch_tokens = 1});
  CompressOptions in_memory, on_disk;
  in_memory.journal = on_disk.journal = folder_->string() + "_blocks";
  in_memory.batch_tokens = 1;
  EXPECT_TRUE(spilling_plan(checkpoint_, settings, on_disk).spill.states);
  struct Killed {};
  const auto dies = [&](const std::string& name, const at::Tensor&) {
    if (name == "model.layers.2.mlp.up_proj.weight") throw Killed();
  };
  CalibrationSet calibration;
  calibration.sequences = kSequences;
  EXPECT_THROW(compress(checkpoint_, method_config(settings), &calibration, dies, in_memory),
               Killed);
  on_disk.spill_folder = "/no/such/folder";
  EXPECT_THROW(compress(checkpoint_, method_config(settings), &calibration, dies, on_disk), Error);
  on_disk.spill_folder.clear();
  std::vector<std::string> stages;
  on_disk.on_progress = [&](double, double, const std::string& stage) { stages.push_back(stage); };
  const Result resumed = run(settings, on_disk);
  for (const auto& [name, tensor] : whole.tensors)
    EXPECT_TRUE(at::equal(tensor, resumed.tensors.at(name))) << name;
  EXPECT_EQ(to_json(whole.report), to_json(resumed.report));
  EXPECT_EQ(stages.at(1), "layer 2 of 3: of an earlier run");
  remove_block_journal(on_disk.journal);
}

// Killed while block 2 is written, then run again: the same tensors and report, and blocks 0 and 1
// are not computed a second time.
TEST_F(Pipeline, AKilledRunGoesOnBehindTheLastFinishedBlock) {
  for (const Json& settings : {Json{{"method", "gptq"}, {"bits", 3}}, Json{{"method", "rtn"}},
                               Json{{"method", "awq"}, {"bits", 3}, {"group_size", 32}},
                               Json{{"method", "owl"}, {"by", "sparsegpt"}, {"sparsity", 0.5}}}) {
    SCOPED_TRACE(settings.dump());
    const Result whole = run(settings);
    const fs::path journal = folder_->string() + "_blocks";
    fs::remove_all(journal);
    CalibrationSet calibration;
    calibration.sequences = kSequences;
    CompressOptions options;
    options.journal = journal;
    struct Killed {};
    const auto dies = [&](const std::string& name, const at::Tensor&) {
      if (name == "model.layers.2.mlp.up_proj.weight") throw Killed();
    };
    EXPECT_THROW(compress(checkpoint_, method_config(settings), &calibration, dies, options),
                 Killed);
    std::vector<std::string> stages;
    options.on_progress = [&](double, double, const std::string& stage) {
      stages.push_back(stage);
    };
    const Result resumed = run(settings, options);
    for (const auto& [name, tensor] : whole.tensors) {
      EXPECT_TRUE(at::equal(tensor, resumed.tensors.at(name))) << name;
    }
    EXPECT_EQ(to_json(resumed.report), to_json(whole.report));
    EXPECT_EQ(stages[0], "layer 1 of 3: of an earlier run");
    EXPECT_EQ(stages[1], "layer 2 of 3: of an earlier run");
    // Another method finds nothing to take over.
    stages.clear();
    run({{"method", "magnitude"}}, options, false);
    EXPECT_EQ(std::ranges::count(stages, "layer 1 of 3: of an earlier run"), 0);
    remove_block_journal(journal);
    EXPECT_FALSE(fs::exists(journal));
  }
}

// Gradients come before the first block: killed behind them or behind a block, they are read.
TEST_F(Pipeline, AKilledRunDoesNotComputeItsGradientsAgain) {
  const fs::path journal = folder_->string() + "_gradients";
  for (const Json& settings :
       {Json{{"method", "gblm"}}, Json{{"method", "gblm"}, {"parity", "half_gradient"}}}) {
    const Result whole = run(settings);
    CalibrationSet calibration;
    calibration.sequences = kSequences;
    CompressOptions options;
    options.journal = journal;
    struct Killed {};
    for (const std::string dies_at :
         {"model.layers.0.mlp.up_proj.weight", "model.layers.2.mlp.up_proj.weight"}) {
      SCOPED_TRACE(settings.dump() + dies_at);
      fs::remove_all(journal);
      const auto dies = [&](const std::string& name, const at::Tensor&) {
        if (name == dies_at) throw Killed();
      };
      EXPECT_THROW(compress(checkpoint_, method_config(settings), &calibration, dies, options),
                   Killed);
      std::set<std::string> stages;
      CompressOptions resuming = options;
      resuming.on_progress = [&](double, double, const std::string& stage) {
        stages.insert(stage);
      };
      const Result resumed = run(settings, resuming);
      for (const auto& [name, tensor] : whole.tensors)
        EXPECT_TRUE(at::equal(tensor, resumed.tensors.at(name))) << name;
      EXPECT_TRUE(stages.contains("gradients: there"));
      EXPECT_FALSE(stages.contains("gradients, loss"));
    }
    // Those of other settings are not taken.
    std::set<std::string> stages;
    options.on_progress = [&](double, double, const std::string& stage) { stages.insert(stage); };
    run({{"method", "gblm"}, {"gradient_norm", "l1"}}, options);
    EXPECT_TRUE(stages.contains("gradients, loss"));
  }
  remove_block_journal(journal);
}

// The states behind block 0 are gone by then, so everything is computed again.
TEST_F(Pipeline, ADamagedJournalIsNotTrusted) {
  const fs::path journal = folder_->string() + "_damaged";
  CompressOptions options;
  options.journal = journal;
  const Result first = run({{"method", "wanda"}}, options);
  fs::resize_file(journal / "block-00001.safetensors", 100);
  std::vector<std::string> stages;
  options.on_progress = [&](double, double, const std::string& stage) { stages.push_back(stage); };
  const Result again = run({{"method", "wanda"}}, options);
  EXPECT_EQ(stages[0], "layer 1 of 3: statistics gathered");
  for (const auto& [name, tensor] : first.tensors) {
    EXPECT_TRUE(at::equal(tensor, again.tensors.at(name))) << name;
  }
  remove_block_journal(journal);
}

// What a block computes with these tensors.
at::Tensor output_of_block(const Checkpoint& checkpoint, const Tensors& tensors, int64_t layer) {
  BlockWeights weights = block_weights(checkpoint, layer);  // for head norms and window
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  weights.input_layernorm = tensors.at(prefix + "input_layernorm.weight");
  weights.post_attention_layernorm = tensors.at(prefix + "post_attention_layernorm.weight");
  for (auto& [linear, weight] : weights.linears)
    weight = tensors.at(linear_weight_name(layer, linear));
  for (auto& [linear, bias] : weights.biases) bias = tensors.at(linear_bias_name(layer, linear));
  at::manual_seed(17);
  return block_forward(dense_block(weights), checkpoint.config(),
                       forest_of_sequences({std::vector<int32_t>(20, 0)}),
                       torch::randn({20, checkpoint.config().hidden_size}));
}

// Methods move weights and fold scales; biases and head norms stay, but for those of a linear that
// a scale is folded into, and the block computes nearly what it did.
TEST_F(Pipeline, EveryMethodLeavesBiasesAndHeadNormsTheirPlace) {
  const fs::path folder = folder_->string() + "_families";
  const std::vector<TinyModelOptions> families{
      {.num_hidden_layers = 3, .num_key_value_heads = 4, .attention_bias = true, .mlp_bias = true},
      {.num_hidden_layers = 3, .model_type = "qwen2"},
      {.num_hidden_layers = 3, .model_type = "qwen3", .attention_bias = true},
      {.num_hidden_layers = 3, .model_type = "mistral", .sliding_window = 3}};
  for (const TinyModelOptions& options : families) {
    fs::remove_all(folder);
    write_tiny_model(folder, options);
    checkpoint_ = Checkpoint::open(folder);
    const auto dense = run({{"method", "dense"}}, {}, false).tensors;
    for (const Json& settings :
         {Json{{"method", "rtn"}, {"bits", 8}}, Json{{"method", "gptq"}, {"bits", 8}},
          Json{{"method", "wanda"}, {"sparsity", 0.02}},
          Json{{"method", "sparsegpt"}, {"sparsity", 0.02}},
          Json{{"method", "gblm"}, {"sparsity", 0.02}},
          Json{{"method", "awq"}, {"bits", 8}, {"group_size", 32}}, Json{{"method", "smoothquant"}},
          Json{{"method", "permute"}, {"units", "mlp"}}}) {
      SCOPED_TRACE(options.model_type + " " + settings.dump());
      const auto compressed = run(settings).tensors;
      for (const auto& [name, tensor] : dense) {
        const bool is_folded = settings["method"] == "awq" &&
                               (name.ends_with("v_proj.bias") || name.ends_with("up_proj.bias"));
        const bool is_moved =
            settings["method"] == "permute" && name.find(".mlp.") != std::string::npos;
        const bool is_kept = name.ends_with(".bias") || name.ends_with("q_norm.weight") ||
                             name.ends_with("k_norm.weight");
        if (!is_kept || is_folded || is_moved) continue;
        EXPECT_TRUE(at::equal(tensor, compressed.at(name))) << name;
      }
      for (int64_t layer = 0; layer < 3; ++layer) {
        const auto before = output_of_block(checkpoint_, dense, layer),
                   after = output_of_block(checkpoint_, compressed, layer);
        EXPECT_LT(((after - before).norm() / before.norm()).item<double>(), 0.03) << layer;
      }
    }
  }
  fs::remove_all(folder);
}

TEST_F(Pipeline, AJournalThatTheDiskHasNoRoomForIsRefused) {
  const fs::path folder = folder_->string() + "_room";
  const BlockJournal journal(folder, "identity");
  journal.require_room(1);
  try {
    journal.require_room(int64_t{1} << 60);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr("may take 1152921504607 MB more"));
  }
  remove_block_journal(folder);
}

TEST_F(Pipeline, ReportCountsWhatWasWritten) {
  const auto nm = run({{"method", "magnitude"}, {"pattern", "2:4"}}, {}, false).report;
  EXPECT_DOUBLE_EQ(nm.sparsity(), 0.5);
  EXPECT_DOUBLE_EQ(nm.bits(),
                   9);  // half of 16, and two bits of position for each weight that stays
  const auto half = run({{"method", "magnitude"}, {"exact_count", true}}, {}, false).report;
  EXPECT_DOUBLE_EQ(half.sparsity(), 0.5);
  EXPECT_DOUBLE_EQ(half.bits(), 9);  // half of 16, and a bit of mask for each weight
  EXPECT_LT(half.weight_error(), nm.weight_error());
  EXPECT_GT(half.weight_error(), 0.2);
}

TEST_F(Pipeline, StoredDtypeIsWhatIsReportedAndPropagated) {
  const auto result =
      run({{"method", "rtn"}, {"bits", 4}, {"group_size", 64}}, {.save_dtype = "bfloat16"}, false);
  for (const auto& [name, tensor] : result.tensors) {
    EXPECT_TRUE(at::equal(tensor, tensor.to(at::kBFloat16).to(at::kFloat))) << name;
  }
  EXPECT_THAT(error_of({{"method", "dense"}}, {.save_dtype = "bloat16"}),
              testing::HasSubstr("no save_dtype 'bloat16' (did you mean 'bfloat16'?)"));
}

// Behind every block the permuted model holds the old hidden states in the new order.
TEST_F(Pipeline, PermutationKeepsTheFunction) {
  const auto result = run({{"method", "permute"}, {"units", "both"}, {"seed", 3}}, {}, false);
  const auto order = seeded_order(64, 3, 0);
  const auto forest = forest_of_sequences(kSequences);
  auto old_hidden =
      embed(checkpoint_.tensor("model.embed_tokens.weight"), checkpoint_.config(), forest);
  auto new_hidden =
      embed(result.tensors.at("model.embed_tokens.weight"), checkpoint_.config(), forest);
  for (int64_t layer = 0; layer < 3; ++layer) {
    old_hidden =
        block_forward(load_block(checkpoint_, layer), checkpoint_.config(), forest, old_hidden);
    new_hidden =
        block_forward(block_of(result.tensors, layer), checkpoint_.config(), forest, new_hidden);
    EXPECT_TRUE(at::allclose(new_hidden, old_hidden.index_select(1, order), 1e-4, 1e-5)) << layer;
    EXPECT_FALSE(at::equal(new_hidden, old_hidden)) << layer;
  }
}

TEST_F(Pipeline, SaysWhatItWillDoAndHowFarItIs) {
  const auto config = method_config({{"method", "wanda"}});
  const CalibrationSize size{.sequences = 3, .tokens = 21, .longest = 7};
  const auto plan = plan_compression(checkpoint_, config, size, {});
  // Per layer q and o 64 x 64, k and v 32 x 64, gate, up and down 64 x 128.
  EXPECT_EQ(plan.linear_elements, 3 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128));
  EXPECT_EQ(plan.num_linears, 21);
  EXPECT_EQ(plan.calibration_tokens, 21);
  EXPECT_GT(plan.memory.bytes, 21 * 64 * 4);
  EXPECT_EQ(plan_compression(checkpoint_, method_config({{"method", "rtn"}}), size, {})
                .calibration_tokens,
            0);

  double last = 0, total = 0;
  CompressOptions options;
  options.on_progress = [&](double done, double all, const std::string&) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  };
  run({{"method", "wanda"}}, options);
  EXPECT_NEAR(last, total, 1e-6 * total);
}

TEST_F(Pipeline, BitsForATensorThatIsNotThereAreAnError) {
  EXPECT_THAT(error_of({{"method", "rtn"}, {"bits", {{"default", 3}, {"layer.0.*", 8}}}}),
              testing::HasSubstr("bits: 'layer.0.*' fits no linear of this model"));
}

TEST_F(Pipeline, MissingCalibrationIsAnError) {
  EXPECT_EQ(error_of({{"method", "wanda"}}), "method wanda needs calibration text");
}

// Eigenvalues 4 and -2: no damping up to 1 makes it positive definite, and a layer that is only
// rounded is never silent, whatever damping was asked for.
TEST(CompressLinear, SaysThatTheHessianCouldNotBeFactored) {
  const auto hessian = torch::tensor({{1.0f, 3.0f}, {3.0f, 1.0f}});
  InputStatistics statistics;
  statistics.second_order = std::make_shared<SecondOrder>(hessian);
  const LinearInput input{"model.layers.0.mlp.up_proj.weight", torch::tensor({{0.5f, -1.0f}}),
                          statistics};
  for (const double damp : {0.01, 1.0}) {
    for (const char* method : {"gptq", "sparsegpt"}) {
      const auto config = method_config({{"method", method}, {"damp_percent", damp}});
      EXPECT_THAT(compress_linear(config, input).note,
                  testing::HasSubstr("could not be factored with any damping"))
          << method << ' ' << damp;
    }
  }
}

TEST(EffectiveBits, MatchHandComputedCases) {
  EXPECT_DOUBLE_EQ(unstructured_bits(0.5), 9);   // 8 + 1
  EXPECT_DOUBLE_EQ(unstructured_bits(0.0), 16);  // no mask is kept where it saves nothing
  EXPECT_DOUBLE_EQ(nm_bits({4, 8}), 9.5);        // 8 + 3 / 2
  EXPECT_DOUBLE_EQ(nm_bits({1, 4}), 4.5);        // 4 + 2 / 4
  EXPECT_DOUBLE_EQ(quantized_bits(128, {.bits = 4, .group_size = 128}), 4 + 20.0 / 128);
  EXPECT_DOUBLE_EQ(quantized_bits(576, {.bits = 4, .group_size = 128, .sym = true}),
                   4 + 5 * 16.0 / 576);
  EXPECT_DOUBLE_EQ(quantized_bits(576, {.bits = 3, .group_size = -1}), 3 + 19.0 / 576);
}

// Variants that share what looks at the dense model come out as they do alone, to the bit.
TEST_F(Pipeline, SharingChangesNothing) {
  const std::vector<Json> variants{{{"method", "gptq"}, {"bits", 4}, {"group_size", 16}},
                                   {{"method", "gptq"}, {"bits", 3}, {"group_size", 16}},
                                   {{"method", "sparsegpt"}, {"sparsity", 0.5}},
                                   {{"method", "wanda"}, {"sparsity", 0.5}},
                                   {{"method", "gblm"}, {"sparsity", 0.5}},
                                   {{"method", "gblm"}, {"pattern", "2:4"}},
                                   {{"method", "owl"}, {"sparsity", 0.5}},
                                   {{"method", "owl"}, {"sparsity", 0.4}}};
  std::vector<MethodConfig> configs;
  for (const Json& settings : variants) configs.push_back(method_config(settings));
  SharedWork shared(configs);
  CompressOptions together;
  together.shared = &shared;
  for (const Json& settings : variants) {
    double done = 0, all = 0;
    together.on_progress = [&](double now, double total, const std::string&) {
      EXPECT_GE(now, done);
      done = now;
      all = total;
    };
    const auto alone = run(settings), one_of_many = run(settings, together);
    for (const auto& [name, tensor] : alone.tensors)
      EXPECT_TRUE(at::equal(tensor, one_of_many.tensors.at(name))) << settings << " " << name;
    EXPECT_NEAR(done, all, 1e-9 * all);
  }
}

}  // namespace
}  // namespace assay
