// NF4, FP4, double quantization and LLM.int8() against bitsandbytes on the CPU
// (tests/golden/make_bitsandbytes_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "compress/codebook.h"
#include "compress/llm_int8.h"
#include "kernels/int8_mixed.h"

namespace assay {
namespace {

class Generator {
 public:
  explicit Generator(uint32_t seed) : state_(seed) {}

  float nearly_normal() {
    int64_t sum = -131070;
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      sum += state_ >> 16;
    }
    return static_cast<float>(sum) / 65536.0f;
  }

  at::Tensor matrix(int64_t rows, int64_t cols) {
    auto values = at::empty({rows, cols}, at::kFloat);
    for (int64_t i = 0; i < rows * cols; ++i) values.data_ptr<float>()[i] = nearly_normal();
    return values;
  }

 private:
  uint32_t state_;
};

std::string row_hashes(const at::Tensor& matrix) {
  std::string hashes;
  const auto in_order = matrix.contiguous();
  const auto row_bytes = static_cast<size_t>(in_order.size(1) * in_order.element_size());
  for (int64_t row = 0; row < in_order.size(0); ++row) {
    const std::span bytes(static_cast<const std::byte*>(in_order[row].const_data_ptr()), row_bytes);
    hashes += sha256_hex(bytes).substr(0, 4);
  }
  return hashes;
}

at::Tensor floats(const Json& list) { return torch::tensor(list.get<std::vector<float>>()); }

class BitsandbytesGolden : public testing::Test {
 protected:
  BitsandbytesGolden() {
    Generator generator(77);
    weight_ = generator.matrix(130, 130);
    weight_.view({-1}).narrow(0, 640, 64).zero_();
    x_ = generator.matrix(6, 130) * 4;
    x_[1][3] = 19.0;
    x_[1][70] = -7.5;
    x_[4][3] = -40.0;
  }

  void SetUp() override {
    ASSERT_EQ(row_hashes(weight_), golden_["weight"].get<std::string>());
    ASSERT_EQ(row_hashes(x_), golden_["x"].get<std::string>());
  }

  const Json golden_ =
      parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/bitsandbytes.json"), "golden");
  at::Tensor weight_, x_;
};

// FP4 has two codes for zero, and their CPU code gives either: the file has 0 for both.
TEST_F(BitsandbytesGolden, CodesScalesAndValuesAreTheirs) {
  for (const auto& [name, codebook] : {std::pair{"nf4", Codebook::kNf4}, {"fp4", Codebook::kFp4}}) {
    const Json& expected = golden_[name];
    const auto result = codebook_quantize(weight_, {.codebook = codebook});
    auto codes = result.codes;
    if (codebook == Codebook::kFp4) codes = codes.masked_fill(codes == 8, 0);
    EXPECT_EQ(row_hashes(codes), expected["codes"].get<std::string>());
    EXPECT_EQ(row_hashes(result.values + 0.0), expected["values"].get<std::string>());
    EXPECT_TRUE(at::equal(result.absmax, floats(expected["absmax"])));
    const auto packed = pack_codes(codes, codebook);
    for (int64_t i = 0; i < 8; ++i) {
      EXPECT_EQ(packed[i].item<int64_t>(), expected["first_bytes"][static_cast<size_t>(i)]);
    }
  }
}

// Their map is computed in float32, ours in double and rounded: some entries differ in the last
// bit.
TEST_F(BitsandbytesGolden, DynamicMapIsTheirsToTheLastBit) {
  const auto theirs = golden_["dynamic_map"].get<std::vector<float>>();
  ASSERT_EQ(theirs.size(), 256u);
  for (size_t i = 0; i < 256; ++i) {
    EXPECT_LE(std::abs(dynamic_map()[i] - theirs[i]),
              std::abs(std::nextafter(theirs[i], 2.0f) - theirs[i]));
  }
}

// Their search on the CPU takes the second nearest entry for 2 of 265 scales, which lie 7e-6 and
// 1e-5 beyond the middle of two entries; ours are the nearest (DoubleQuantization.AgreesWith...).
TEST_F(BitsandbytesGolden, NestedScalesAreTheirs) {
  const Json& expected = golden_["nf4_nested"];
  const auto result = codebook_quantize(weight_, {.double_quant = true});
  EXPECT_EQ(row_hashes(result.codes), expected["codes"].get<std::string>());
  const auto difference = (result.nested->codes.to(at::kFloat) - floats(expected["absmax"])).abs();
  EXPECT_EQ((difference > 0).sum().item<int64_t>(), 2);
  EXPECT_EQ(difference.max().item<float>(), 1);
  EXPECT_TRUE(at::allclose(result.nested->absmax, floats(expected["nested_absmax"]), 1e-6, 0));
  EXPECT_NEAR(result.nested->offset, expected["nested_offset"].get<float>(), 2e-7f);
}

// Their product multiplies by 6.200124e-05 for 1 / 127^2 = 6.2000124e-05: 1.8e-5 of the 8-bit part,
// which is at most a few times the largest output.
TEST_F(BitsandbytesGolden, Int8WeightsAndProductAreTheirs) {
  const Json& expected = golden_["int8"];
  const auto weight = llm_int8_quantize(weight_);
  EXPECT_EQ(row_hashes(weight.codes), expected["codes"].get<std::string>());
  EXPECT_TRUE(at::equal(weight.absmax, floats(expected["scb"])));
  const auto packed = kernels::pack_int8_weight(weight.codes.const_data_ptr<int8_t>(),
                                                weight.absmax.const_data_ptr<float>(), 130, 130);
  for (const auto& [name, outliers] : {std::pair{"batch", kernels::OutlierColumns::kBatch},
                                       {"one_by_one", kernels::OutlierColumns::kPerRow}}) {
    auto y = at::empty({6, 130}, at::kFloat);
    kernels::multiply_int8(packed, {.threshold = 6, .outliers = outliers},
                           x_.contiguous().const_data_ptr<float>(), 6, y.data_ptr<float>());
    const auto theirs = floats(expected[name]).view({6, 40});
    const double largest = theirs.abs().max().item<double>();
    EXPECT_LT((y.narrow(1, 0, 40) - theirs).abs().max().item<double>(), 4e-5 * largest) << name;
  }
}

}  // namespace
}  // namespace assay
