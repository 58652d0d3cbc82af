#include "base/python_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

using testing::ElementsAre;

std::vector<uint32_t> first(std::vector<uint32_t> all, size_t count) {
  all.resize(count);
  return all;
}

std::vector<uint32_t> shuffled(uint32_t n) {
  std::vector<uint32_t> x(n);
  std::iota(x.begin(), x.end(), 0u);
  PythonRandom random(42);
  random.shuffle(std::span(x));
  return x;
}

std::vector<uint32_t> sampled(uint32_t n) { return first(PythonRandom(42).sample(n, 10000), 6); }

// Every expected number below is what CPython 3.11's `random` printed.
TEST(PythonRandom, RawOutputs) {
  PythonRandom seed42(42);
  for (const uint32_t expected :
       {2746317213u, 478163327u, 107420369u, 3184935163u, 1181241943u, 1051802512u}) {
    EXPECT_EQ(seed42.next_uint32(), expected);
  }
  PythonRandom seed0(0);
  for (const uint32_t expected : {0xd82c07cdu, 0x629f6fbeu, 0xc2094cacu}) {
    EXPECT_EQ(seed0.next_uint32(), expected);
  }
}

TEST(PythonRandom, SeedOfTwoWords) {
  PythonRandom random(12345678901234567890u);  // seed(12345678901234567890); getrandbits(32) x 3
  for (const uint32_t expected : {2199100970u, 3695432519u, 4002396509u})
    EXPECT_EQ(random.getrandbits(32), expected);
}

TEST(PythonRandom, LaterOutputsAfterTheStateIsRefilled) {
  PythonRandom random(7);  // seed(7); the 2000th getrandbits(32)
  for (int i = 1; i < 2000; ++i) random.next_uint32();
  EXPECT_EQ(random.next_uint32(), 2803521222u);
}

TEST(PythonRandom, Below) {
  PythonRandom random(42);
  for (const uint32_t expected : {1u, 0u, 4u, 3u, 3u, 2u, 1u, 8u}) {
    EXPECT_EQ(random.below(10), expected);
  }
}

TEST(PythonRandom, Randint) {
  PythonRandom random(0);
  for (const int64_t expected : {201979, 220500, 21225, 135746, 268055, 254766}) {
    EXPECT_EQ(random.randint(0, 356316), expected);
  }
}

TEST(PythonRandom, Shuffle) {
  EXPECT_THAT(shuffled(10), ElementsAre(7, 3, 2, 8, 5, 6, 9, 4, 0, 1));
  EXPECT_THAT(first(shuffled(6016), 6), ElementsAre(5917, 452, 831, 741, 2716, 1080));
  EXPECT_THAT(first(shuffled(10000), 6), ElementsAre(3771, 6672, 7261, 760, 3779, 1772));
  EXPECT_THAT(first(shuffled(23679), 6), ElementsAre(12656, 9175, 21, 11065, 17337, 7645));
  EXPECT_THAT(first(shuffled(99442), 6), ElementsAre(36391, 59719, 56903, 59466, 6796, 55262));
  EXPECT_THAT(first(shuffled(178580), 6),
              ElementsAre(112394, 156178, 39157, 170069, 158101, 40479));
}

TEST(PythonRandom, SampleByPoolAndBySet) {
  EXPECT_THAT(PythonRandom(42).sample(20, 10), ElementsAre(3, 0, 8, 7, 16, 2, 11, 1, 10, 17));
  EXPECT_THAT(sampled(38500), ElementsAre(7296, 1639, 18024, 16049, 14628, 9144));
  EXPECT_THAT(sampled(73500), ElementsAre(14592, 3278, 36048, 32098, 29256, 18289));
  EXPECT_THAT(sampled(1154232), ElementsAre(233478, 52451, 576778, 513575, 468106, 292632));
  EXPECT_THAT(sampled(1372000), ElementsAre(1340975, 233478, 52451, 576778, 513575, 468106));
}

TEST(PythonRandom, RefusesWhatItCannotDraw) {
  PythonRandom random(1);
  EXPECT_THROW(random.getrandbits(0), Error);
  EXPECT_THROW(random.getrandbits(33), Error);
  EXPECT_THROW(random.below(0), Error);
  EXPECT_THROW(random.below(uint64_t{1} << 32), Error);
  EXPECT_THROW(random.randint(3, 2), Error);
  EXPECT_THROW(random.sample(3, 4), Error);
}

}  // namespace
}  // namespace assay
