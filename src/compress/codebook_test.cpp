#include "compress/codebook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f, -0.3f, 0.4f, 0.9f, -0.1f}});

constexpr Codebook kBoth[] = {Codebook::kNf4, Codebook::kFp4};

at::Tensor bytes(const std::vector<int>& values) {
  return torch::tensor(values, torch::kInt).to(at::kByte);
}

// One block whose absmax is 1, so that its entries are looked up as they are.
at::Tensor codes_of(const std::vector<float>& entries, Codebook codebook) {
  auto block = torch::zeros({1, 64});
  require(entries.size() < 64, "codes_of: one block");
  block[0][63] = 1.0f;
  block[0].narrow(0, 0, static_cast<int64_t>(entries.size())).copy_(torch::tensor(entries));
  return codebook_quantize(block, {.codebook = codebook})
      .codes[0]
      .narrow(0, 0, static_cast<int64_t>(entries.size()));
}

// One block of eight, absmax 1. NF4: 0.5 lies between the values 12 (0.4407) and 13 (0.5626), whose
// midpoint is 0.50166: 12. FP4: 0.5 is the magnitude with code 5; -1 is 3 with the sign bit: 11.
TEST(Codebook, MatchesHandComputedCase) {
  const auto nf4 = codebook_quantize(kWeight, {.codebook = Codebook::kNf4});
  EXPECT_TRUE(at::equal(nf4.codes, bytes({12, 0, 9, 14, 4, 12, 15, 6}).unsqueeze(0)));
  EXPECT_TRUE(at::equal(nf4.absmax, torch::ones({1})));
  EXPECT_TRUE(at::allclose(nf4.values,
                           torch::tensor({{0.44071f, -1.0f, 0.16093f, 0.722957f, -0.284441f,
                                           0.44071f, 1.0f, -0.09105f}}),
                           0, 5e-7));
  EXPECT_TRUE(at::equal(pack_codes(nf4.codes, Codebook::kNf4),
                        bytes({0xc0, 0x9e, 0x4c, 0xf6}).unsqueeze(1)));
  EXPECT_FALSE(nf4.nested.has_value());

  const auto fp4 = codebook_quantize(kWeight, {.codebook = Codebook::kFp4});
  EXPECT_TRUE(at::equal(fp4.codes, bytes({5, 11, 6, 2, 12, 4, 3, 14}).unsqueeze(0)));
  EXPECT_TRUE(at::equal(pack_codes(fp4.codes, Codebook::kFp4),
                        bytes({0x5b, 0x62, 0xc4, 0x3e}).unsqueeze(1)));
  EXPECT_TRUE(at::allclose(
      fp4.values, torch::tensor({{6.0f, -12.0f, 2.0f, 8.0f, -4.0f, 4.0f, 12.0f, -2.0f}}) / 12, 0,
      1e-7));
}

TEST(Codebook, AnOddLastByteEndsInTheCodeOfZero) {
  const auto codes = bytes({1, 2, 3}).unsqueeze(0);
  EXPECT_TRUE(at::equal(pack_codes(codes, Codebook::kNf4), bytes({0x12, 0x37}).unsqueeze(1)));
  EXPECT_TRUE(at::equal(pack_codes(codes, Codebook::kFp4), bytes({0x12, 0x30}).unsqueeze(1)));
}

// Blocks run across rows: 2 x 40 is a block of 64 and one of 16, and entry [1, 23] closes the
// first.
TEST(Codebook, BlocksRunOverTheFlatMatrixAndTheLastMayBePartial) {
  auto weight = torch::full({2, 40}, 0.25f);
  weight[1][23] = -2.0f;
  const auto result = codebook_quantize(weight, {});
  EXPECT_TRUE(at::equal(result.absmax, torch::tensor({2.0f, 0.25f})));
  EXPECT_EQ(result.codes[1][23].item<int>(), 0);
  EXPECT_EQ(result.codes[1][24].item<int>(), 15);
  EXPECT_EQ(result.codes[0][0].item<int>(), 9);  // 0.125 lies above the midpoint 0.1203
}

TEST(Codebook, ABlockOfZerosStaysZero) {
  auto weight = torch::zeros({2, 64});
  weight[1][5] = 3.0f;
  for (const Codebook codebook : kBoth) {
    for (const bool nested : {false, true}) {
      const auto result = codebook_quantize(weight, {.codebook = codebook, .double_quant = nested});
      const int zero = codebook == Codebook::kNf4 ? 7 : 0;
      EXPECT_TRUE((result.codes[0] == zero).all().item<bool>());
      EXPECT_TRUE((result.values[0] == 0).all().item<bool>());
      EXPECT_EQ((result.values[1] != 0).sum().item<int64_t>(), 1);
    }
  }
}

TEST(Codebook, EveryValueIsAFixedPoint) {
  for (const Codebook codebook : kBoth) {
    const auto& table = codebook_values(codebook);
    const auto values = torch::tensor(std::vector<float>(table.begin(), table.end())).unsqueeze(0);
    const auto result = codebook_quantize(values, {.codebook = codebook});
    EXPECT_TRUE(at::equal(result.values, values));
    for (int64_t code = 0; code < 16; ++code) {  // but for minus zero, which is zero
      const bool minus_zero = codebook == Codebook::kFp4 && code == 8;
      EXPECT_EQ(result.codes[0][code].item<int64_t>(), minus_zero ? 0 : code);
    }
  }
}

TEST(Codebook, APowerOfTwoScalesAbsmaxAlone) {
  at::manual_seed(1);
  const auto weight = torch::randn({5, 77});
  for (const Codebook codebook : kBoth) {
    const auto one = codebook_quantize(weight, {.codebook = codebook});
    for (const float factor : {0.125f, 4.0f, 0x1p-100f}) {
      const auto scaled = codebook_quantize(weight * factor, {.codebook = codebook});
      EXPECT_TRUE(at::equal(scaled.codes, one.codes));
      EXPECT_TRUE(at::equal(scaled.absmax, one.absmax * factor));
    }
  }
}

// The reciprocal of a subnormal absmax is infinite; such a block is divided instead.
TEST(Codebook, ABlockOfTinyWeightsHasTheCodesOfItsShape) {
  const auto weight = torch::tensor({{0x1p-140f, -0x1p-139f, 0.0f, 0x1p-139f}});
  EXPECT_TRUE(at::equal(codebook_quantize(weight, {}).codes, bytes({12, 0, 7, 15}).unsqueeze(0)));
}

// A weight on a midpoint takes the lower neighbour, the next float above it the upper one. The last
// midpoint is a float below half the sum of its neighbours: so it stands in bitsandbytes.
TEST(Codebook, Nf4TiesGoToTheLowerIndex) {
  const std::vector<float> ties{
      -0.8480964004993439f,  -0.6106329262256622f,  -0.4599952697753906f,   -0.33967943489551544f,
      -0.23460740596055984f, -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f,
      0.1202552504837513f,   0.2035212516784668f,   0.2920137718319893f,    0.3893125355243683f,
      0.5016634166240692f,   0.6427869200706482f,   0.8614784178118011f};
  const auto& table = codebook_values(Codebook::kNf4);
  std::vector<float> above;
  std::vector<int> lower, upper;
  for (size_t k = 0; k < 15; ++k) {
    EXPECT_NEAR(ties[k], (table[k] + table[k + 1]) / 2, 6e-8f);
    above.push_back(std::nextafter(ties[k], 2.0f));
    lower.push_back(static_cast<int>(k));
    upper.push_back(static_cast<int>(k + 1));
  }
  EXPECT_TRUE(at::equal(codes_of(ties, Codebook::kNf4), bytes(lower)));
  EXPECT_TRUE(at::equal(codes_of(above, Codebook::kNf4), bytes(upper)));
}

// Thresholds on the magnitude, strict on both sides of zero.
TEST(Codebook, Fp4TiesGoTowardsZero) {
  const std::vector<float> ties{0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                0.4166667f,  0.583333f,  0.8333333f};
  std::vector<float> above, below, minus_ties;
  for (const float t : ties) {
    above.push_back(std::nextafter(t, 2.0f));
    minus_ties.push_back(-t);
    below.push_back(std::nextafter(-t, -2.0f));
  }
  EXPECT_TRUE(at::equal(codes_of(ties, Codebook::kFp4), bytes({0, 1, 6, 7, 4, 5, 2})));
  EXPECT_TRUE(at::equal(codes_of(above, Codebook::kFp4), bytes({1, 6, 7, 4, 5, 2, 3})));
  EXPECT_TRUE(at::equal(codes_of(minus_ties, Codebook::kFp4), bytes({8, 9, 14, 15, 12, 13, 10})));
  EXPECT_TRUE(at::equal(codes_of(below, Codebook::kFp4), bytes({9, 14, 15, 12, 13, 10, 11})));
}

// The definition: the nearest of 16 values, all 16 tried in double.
TEST(Codebook, AgreesWithTheDefinitionInTensorOperations) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({33, 96});
    for (const Codebook codebook : kBoth) {
      for (const int64_t size : {32, 64, 4096}) {
        const auto result = codebook_quantize(weight, {.codebook = codebook, .block_size = size});
        const auto& table = codebook_values(codebook);
        const auto values = torch::tensor(std::vector<float>(table.begin(), table.end()));
        std::vector<at::Tensor> expected, largest;
        for (const auto& block : weight.reshape({-1}).split(size)) {
          const auto absmax = block.abs().max();
          const auto scaled = (block * (1 / absmax)).to(at::kDouble);
          const auto nearest =
              (scaled.unsqueeze(1) - values.to(at::kDouble)).abs().argmin(1);  // [block]
          expected.push_back(values.index({nearest}) * absmax);
          largest.push_back(absmax);
        }
        EXPECT_TRUE(at::equal(result.values, at::cat(expected).view({33, 96})));
        EXPECT_TRUE(at::equal(result.absmax, at::stack(largest)));
      }
    }
  }
}

TEST(DynamicMap, HasTheFactsOfItsFormat) {
  const auto& map = dynamic_map();
  EXPECT_TRUE(std::ranges::is_sorted(map));
  EXPECT_EQ(std::ranges::adjacent_find(map), map.end());  // all different
  EXPECT_EQ(map[127], 0.0f);
  EXPECT_FLOAT_EQ(map[128], 5.5e-7f);
  EXPECT_EQ(map[255], 1.0f);
  EXPECT_EQ(map[0], -0.99296875f);
  EXPECT_EQ(map[254], 0.99296875f);
  for (size_t i = 0; i < 127; ++i) EXPECT_EQ(map[i], -map[254 - i]);
}

// Scales 1 and 3: offset 2, centred -1 and 1, of which the map holds -0.99296875 and 1.
TEST(DoubleQuantization, MatchesHandComputedCase) {
  const auto nested = nest_absmax(torch::tensor({1.0f, 3.0f}));
  EXPECT_EQ(nested.offset, 2.0f);
  EXPECT_TRUE(at::equal(nested.absmax, torch::ones({1})));
  EXPECT_TRUE(at::equal(nested.codes, bytes({0, 255})));
  EXPECT_TRUE(at::equal(unnest_absmax(nested), torch::tensor({1.00703125f, 3.0f})));
}

TEST(DoubleQuantization, EqualScalesAreExact) {
  const auto nested = nest_absmax(torch::full({300}, 0.75f));
  EXPECT_TRUE((nested.codes == 127).all().item<bool>());
  EXPECT_TRUE(at::equal(unnest_absmax(nested), torch::full({300}, 0.75f)));
}

// 700 scales are groups of 256, 256 and 188; the definition tries all 256 values of the map.
TEST(DoubleQuantization, AgreesWithTheDefinitionInTensorOperations) {
  at::manual_seed(2);
  const auto absmax = torch::rand({700}) + 0.1;
  const auto nested = nest_absmax(absmax);
  const auto& table = dynamic_map();
  const auto map = torch::tensor(std::vector<float>(table.begin(), table.end()));
  EXPECT_NEAR(nested.offset, absmax.to(at::kDouble).mean().item<double>(), 1e-7);
  std::vector<at::Tensor> expected, scales;
  for (const auto& group : (absmax - nested.offset).split(256)) {
    scales.push_back(group.abs().max());
    const auto scaled = (group * (1 / scales.back())).to(at::kDouble);
    expected.push_back((scaled.unsqueeze(1) - map.to(at::kDouble)).abs().argmin(1));
  }
  EXPECT_TRUE(at::equal(nested.absmax, at::stack(scales)));
  EXPECT_TRUE(at::equal(nested.codes, at::cat(expected).to(at::kByte)));
}

// Half the widest gap of the map is 0.9 / 128, so a scale moves by at most that times the largest
// distance of a scale from the mean.
TEST(DoubleQuantization, MovesScalesByAtMostHalfAGapAndNoCode) {
  at::manual_seed(3);
  const auto weight = torch::randn({64, 640});
  for (const Codebook codebook : kBoth) {
    const auto plain = codebook_quantize(weight, {.codebook = codebook});
    const auto result = codebook_quantize(weight, {.codebook = codebook, .double_quant = true});
    EXPECT_TRUE(at::equal(result.codes, plain.codes));
    const auto moved = (result.absmax - plain.absmax).abs().max().item<double>();
    const auto reach = result.nested->absmax.max().item<double>();
    EXPECT_LE(moved, reach * 0.9 / 128 * (1 + 1e-5));
    EXPECT_GT(moved, 0);
    EXPECT_TRUE(at::equal(result.absmax, unnest_absmax(*result.nested)));
  }
}

TEST(Codebook, CountsItsBits) {
  EXPECT_EQ(codebook_bits({}), 4.5);
  EXPECT_EQ(codebook_bits({.double_quant = true}), 4.126953125);  // 4 + 8/64 + 32/16384
  EXPECT_EQ(codebook_bits({.block_size = 128}), 4.25);
}

TEST(Codebook, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const auto weight = torch::randn({300, 517});
  const int64_t threads = num_threads();
  for (const Codebook codebook : kBoth) {
    const CodebookConfig config{.codebook = codebook, .double_quant = true};
    set_num_threads(1);
    const auto one = codebook_quantize(weight, config);
    set_num_threads(2);
    const auto two = codebook_quantize(weight, config);
    EXPECT_TRUE(at::equal(one.values, two.values));
    EXPECT_TRUE(at::equal(one.nested->codes, two.nested->codes));
  }
  set_num_threads(threads);
}

TEST(Codebook, TakesHalfPrecisionAndStridedWeights) {
  at::manual_seed(5);
  const auto half = torch::randn({48, 40}).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(codebook_quantize(half, {}).values,
                        codebook_quantize(half.to(at::kFloat), {}).values));
  EXPECT_TRUE(at::equal(codebook_quantize(half.t(), {}).values,
                        codebook_quantize(half.t().contiguous(), {}).values));
}

TEST(Codebook, RefusesWhatItCannotQuantize) {
  EXPECT_THAT([] { codebook_quantize(kWeight, {.block_size = 48}); },
              ThrowsMessage<Error>(HasSubstr("power of two in [32, 4096], got 48")));
  EXPECT_THROW(codebook_quantize(kWeight, {.block_size = 16}), Error);
  EXPECT_THROW(codebook_quantize(kWeight, {.block_size = 8192}), Error);
  EXPECT_THAT(
      [] {
        codebook_quantize(torch::full({1, 4}, NAN), {});
      },
      ThrowsMessage<Error>(HasSubstr("not finite")));
  EXPECT_THAT(
      [] {
        codebook_quantize(torch::full({1, 4}, 1e300, torch::kDouble), {});
      },
      ThrowsMessage<Error>(HasSubstr("not finite")));
  EXPECT_THROW(codebook_quantize(torch::ones({4}), {}), Error);
  EXPECT_THROW(codebook_quantize(torch::ones({1, 4}, torch::kInt), {}), Error);
  EXPECT_THAT([] { codebook_dequantize(bytes({16}).unsqueeze(0), torch::ones({1}), {}); },
              ThrowsMessage<Error>(HasSubstr("below 16, got 16")));
  EXPECT_THROW(codebook_dequantize(bytes({1}).unsqueeze(0), torch::ones({2}), {}), Error);
  EXPECT_THROW(nest_absmax(torch::ones({2, 2})), Error);
  EXPECT_THROW(unnest_absmax({bytes({1}), torch::ones({2}), 0}), Error);
}

}  // namespace
}  // namespace assay
