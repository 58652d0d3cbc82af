#include "kernels/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay::kernels {
namespace {

using Floats = std::vector<float>;

Floats random_floats(size_t count, float mean, float deviation, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  Floats values(count);
  for (float& v : values) v = normal(random);
  return values;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// One row of one head.
Floats row_of(Floats x, const KvCacheFormat& format, Isa isa = best_isa()) {
  through_cache_(x.data(), 1, 1, static_cast<int64_t>(x.size()), format, isa);
  return x;
}

// The formulas of the header, a group at a time.
Floats plain_group(const Floats& x, const KvCacheFormat& format) {
  float lo = *std::ranges::min_element(x), hi = *std::ranges::max_element(x);
  float last = static_cast<float>(std::pow(2, format.bits) - 1), first = 0, base = lo;
  if (format.sym) {
    hi = std::max(-lo, hi), lo = -hi, base = 0;
    last = static_cast<float>(std::pow(2, format.bits - 1) - 1), first = -last;
  }
  const float step = (format.sym ? hi : hi - lo) / last;
  Floats values;
  for (const float v : x) {
    const float code = std::nearbyint((v - base) / step);
    values.push_back(code == first ? lo : code == last ? hi : std::fma(code, step, base));
  }
  return values;
}

// By hand, 2 bits: lo = -1, hi = 5, step = 6 / 3 = 2, values -1 1 3 5. (0 + 1) / 2 = 0.5 is half
// way and goes to the even code 0; (2 + 1) / 2 = 1.5 to code 2.
TEST(KvCache, MatchesHandComputedCase) {
  EXPECT_EQ(row_of({-1, 5, 0, 2, 4.5f, 0.5f}, {.bits = 2}), (Floats{-1, 5, -1, 3, 5, 1}));
  // Symmetric, codes -1 0 1: hi = 4, step = 4; 2 / 4 = 0.5 goes to 0, -2.5 / 4 to -1.
  EXPECT_EQ(row_of({4, 2, -2.5f, 0}, {.bits = 2, .sym = true}), (Floats{4, 0, -4, 0}));
  // Groups of 2 in heads of 3: the third channel of each head is a group of its own, and the next
  // head begins a new one.
  Floats two_heads{0, 3, 7, 1, 4, 2};
  through_cache_(two_heads.data(), 1, 2, 3, {.bits = 2, .group_size = 2});
  EXPECT_EQ(two_heads, (Floats{0, 3, 7, 1, 4, 2}));
}

TEST(KvCache, FollowsItsFormulasWithAndWithoutVectors) {
  constexpr int64_t kRows = 9, kHeads = 3;
  for (const int64_t head_dim : {64, 80, 6}) {
    for (const KvCacheFormat& format :
         {KvCacheFormat{.bits = 8}, KvCacheFormat{.bits = 4, .group_size = 32},
          KvCacheFormat{.bits = 4, .sym = true}, KvCacheFormat{.bits = 3, .group_size = 48},
          KvCacheFormat{.bits = 2, .group_size = -1, .sym = true}}) {
      const auto x = random_floats(static_cast<size_t>(kRows * kHeads * head_dim), 0.3f, 2, 1);
      Floats expected;
      const int64_t group_size = format.group_size == -1 ? head_dim : format.group_size;
      for (int64_t head = 0; head < kRows * kHeads; ++head) {
        for (int64_t c = 0; c < head_dim; c += group_size) {
          const auto from = x.begin() + head * head_dim + c;
          const auto group = plain_group({from, from + std::min(group_size, head_dim - c)}, format);
          expected.insert(expected.end(), group.begin(), group.end());
        }
      }
      auto portable = x, vector = x;
      through_cache_(portable.data(), kRows, kHeads, head_dim, format, Isa::kPortable);
      through_cache_(vector.data(), kRows, kHeads, head_dim, format);
      EXPECT_TRUE(same_bits(portable, expected)) << head_dim << ' ' << format.bits;
      EXPECT_TRUE(same_bits(vector, expected)) << head_dim << ' ' << format.bits;
    }
  }
}

TEST(KvCache, HoldsFewLevelsMovesByHalfAStepAndKeepsWhatItGave) {
  for (const bool sym : {false, true}) {
    for (const int64_t bits : {2, 3, 4, 8}) {
      for (const float mean : {0.0f, 40.0f}) {  // 40: keys may lie far from zero
        const KvCacheFormat format{.bits = bits, .sym = sym};
        for (uint64_t seed = 0; seed < 20; ++seed) {
          const auto x = random_floats(64, mean, 3, seed);
          const auto once = row_of(x, format);
          const auto levels = static_cast<size_t>((1 << bits) - (sym ? 1 : 0));
          EXPECT_LE(std::set<float>(once.begin(), once.end()).size(), levels);
          const auto [lo, hi] = std::ranges::minmax(x);
          const float largest = std::max(std::abs(lo), std::abs(hi));
          const float step = sym ? 2 * largest / static_cast<float>(levels - 1)
                                 : (hi - lo) / static_cast<float>(levels - 1);
          for (size_t i = 0; i < x.size(); ++i) {  // half a step, and float32's rounding
            EXPECT_LE(std::abs(once[i] - x[i]), 0.5f * step + 4e-7f * largest);
          }
          EXPECT_TRUE(same_bits(row_of(once, format), once)) << bits << ' ' << sym << ' ' << seed;
        }
      }
    }
  }
}

TEST(KvCache, ARowIsItsOwnWhateverItIsWithAndOnAnyThreads) {
  constexpr int64_t kRows = 300, kHeads = 2, kHeadDim = 40, kWidth = kHeads * kHeadDim;
  const KvCacheFormat format{.bits = 4, .group_size = 16};
  const auto x = random_floats(kRows * kWidth, 0, 1, 3);
  const auto before = num_threads();
  Floats alone = x;
  for (int64_t r = 0; r < kRows; ++r) {
    through_cache_(alone.data() + r * kWidth, 1, kHeads, kHeadDim, format);
  }
  for (const int64_t threads : {1, 3}) {
    set_num_threads(threads);
    Floats together = x;
    through_cache_(together.data(), kRows, kHeads, kHeadDim, format);
    EXPECT_TRUE(same_bits(together, alone)) << threads;
  }
  set_num_threads(before);
}

TEST(KvCache, GroupsWithoutARangeStayAsTheyAre) {
  for (const Isa isa : {Isa::kPortable, best_isa()}) {
    EXPECT_EQ(row_of(Floats(16, 0.7f), {}, isa), Floats(16, 0.7f));
    EXPECT_EQ(row_of(Floats(16, 0), {.sym = true}, isa), Floats(16, 0));
    EXPECT_EQ(row_of({1e-40f, 0, -1e-40f}, {}, isa), Floats(3, -1e-40f));
    EXPECT_EQ(row_of({1e-40f, 0, -1e-40f}, {.sym = true}, isa), Floats(3, 0));
    // Of a zero and a minus zero the sign is the same everywhere.
    const Floats zeros = row_of({-0.0f, 0, -0.0f, 0, 0, -0.0f, 0, 0, -0.0f}, {}, isa);
    EXPECT_TRUE(same_bits(zeros, Floats(9, 0)));
  }
}

TEST(KvCache, RefusesWhatHasNoGrid) {
  const auto error_of = [](Floats x, const KvCacheFormat& format, Isa isa) -> std::string {
    try {
      row_of(std::move(x), format, isa);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "no error";
  };
  for (const Isa isa : {Isa::kPortable, best_isa()}) {
    for (const float poison : {NAN, HUGE_VALF, -HUGE_VALF}) {
      for (const size_t place : {0u, 5u, 17u}) {  // 17: behind the last whole vector
        Floats x(18, 1);
        x[place] = poison;
        EXPECT_THAT(error_of(x, {}, isa), testing::HasSubstr("not finite"));
        EXPECT_THAT(error_of(x, {.sym = true}, isa), testing::HasSubstr("not finite"));
      }
    }
    EXPECT_THAT(error_of({3e38f, -3e38f}, {}, isa), testing::HasSubstr("more than float32"));
  }
  EXPECT_THAT(error_of({1}, {.bits = 9}, best_isa()), testing::HasSubstr("in [2, 8], got 9"));
  EXPECT_THAT(error_of({1}, {.group_size = 0}, best_isa()), testing::HasSubstr("got 0"));
}

}  // namespace
}  // namespace assay::kernels
