#include "kernels/subtract_products.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace assay::kernels {
namespace {

TEST(SubtractProducts, MatchesHandComputedCase) {
  // Lane l holds l; e_0 = l, e_1 = 1 in every lane: l - 2 l - 3.
  std::array<float, kLanes> w{};
  std::array<float, 2 * kLanes> e{};
  for (size_t l = 0; l < w.size(); ++l) {
    w[l] = e[l] = static_cast<float>(l);
    e[w.size() + l] = 1;
  }
  const std::array<float, 2> f{2, 3};
  subtract_products(w.data(), e.data(), f.data(), 2);
  for (size_t l = 0; l < w.size(); ++l) EXPECT_EQ(w[l], -static_cast<float>(l) - 3);
}

TEST(SubtractProducts, SameBitsWithEveryInstructionSet) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto draw = [&](size_t count) {
    std::vector<float> values(count);
    for (float& v : values) v = normal(random);
    return values;
  };
  for (const size_t count : {0u, 1u, 5u, 128u}) {
    const auto start = draw(kLanes), e = draw(count * kLanes), f = draw(count);
    auto expected = start;
    subtract_products(expected.data(), e.data(), f.data(), static_cast<int64_t>(count),
                      Isa::kPortable);
    for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
      if (!has_isa(isa)) continue;
      auto w = start;
      subtract_products(w.data(), e.data(), f.data(), static_cast<int64_t>(count), isa);
      EXPECT_EQ(w, expected) << isa_name(isa) << ", " << count;
    }
  }
}

}  // namespace
}  // namespace assay::kernels
