#include "run/int8_modes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <torch/types.h>

#include <filesystem>

#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using kernels::OutlierColumns;

class Int8ModesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "assay-int8-modes-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  // The tiny model with every linear in 8 bits.
  CausalLM int8_model(const LlmInt8Options& options) const {
    const auto checkpoint = Checkpoint::open(root_);
    CausalLM model = load_causal_lm(checkpoint);
    for (size_t layer = 0; layer < model.blocks.size(); ++layer) {
      for (const std::string_view linear : block_linear_names()) {
        const auto name = linear_weight_name(static_cast<int64_t>(layer), linear);
        linear_of(model.blocks[layer], linear) = Linear::llm_int8(checkpoint.tensor(name), options);
      }
    }
    return model;
  }

  fs::path root_;
  const std::vector<ScoreRequest> requests_{{{5, 6, 7}, {8, 9}}, {{40, 41}, {42}}};
};

TEST_F(Int8ModesTest, SaysWhatTheBatchChanges) {
  // A low threshold, so that many columns are outliers somewhere in the batch.
  const auto modes = compare_int8_modes(int8_model({.threshold = 0.5f}), requests_);
  ASSERT_TRUE(modes);
  EXPECT_EQ(modes->num_requests, 2);
  EXPECT_GT(modes->mean_change, 0);
  EXPECT_GE(modes->max_change, modes->mean_change);
  EXPECT_THAT(in_words(*modes), testing::HasSubstr("outlier columns of each row; with those of the "
                                                   "batch, as published, 2 log-likelihoods"));
  const auto read = int8_modes(to_json(*modes), "file");
  EXPECT_EQ(in_words(read), in_words(*modes));
}

TEST_F(Int8ModesTest, NothingChangesWhereNothingStandsOut) {
  const auto modes = compare_int8_modes(int8_model({.threshold = 1e9f}), requests_);
  ASSERT_TRUE(modes);
  EXPECT_EQ(modes->max_change, 0);
  EXPECT_EQ(modes->greedy_changes, 0);
}

TEST_F(Int8ModesTest, NothingToSayWithoutOutliers) {
  EXPECT_FALSE(compare_int8_modes(load_causal_lm(Checkpoint::open(root_)), requests_));
  EXPECT_FALSE(compare_int8_modes(int8_model({.threshold = 0}), requests_));
}

}  // namespace
}  // namespace assay
