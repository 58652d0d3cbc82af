#include "tasks/limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"

namespace assay {
namespace {

// `clusters` templates with `per` items in each of two strata.
std::vector<Sample> two_strata(int clusters, int per) {
  std::vector<Sample> samples;
  for (int c = 0; c < clusters; ++c) {
    for (const auto* stratum : {"neg", "nonneg"}) {
      for (int i = 0; i < per; ++i) {
        Sample sample;
        sample.cluster = "t" + std::to_string(c);
        sample.stratum = stratum;
        sample.id = sample.cluster + "/" + stratum + "/" + std::to_string(i);
        samples.push_back(sample);
      }
    }
  }
  return samples;
}

std::vector<std::string> ids_of(const std::vector<Sample>& samples) {
  std::vector<std::string> ids;
  for (const auto& sample : samples) ids.push_back(sample.id);
  return ids;
}

TEST(Limit, NoLimitOrALargeOneKeepsAll) {
  const auto all = two_strata(3, 2);
  EXPECT_EQ(ids_of(drawn(all, std::nullopt, 0)), ids_of(all));
  EXPECT_EQ(ids_of(drawn(all, 12, 0)), ids_of(all));
  EXPECT_THROW(drawn(all, 0, 0), Error);
}

TEST(Limit, StrataGetTheirShareFromTheSameClusters) {
  for (const uint64_t seed : {0u, 1u, 2u}) {
    std::map<std::string, std::set<std::string>> clusters;  // by stratum
    const auto kept = drawn(two_strata(10, 3), 8, seed);
    EXPECT_EQ(kept.size(), 8u);
    for (const auto& sample : kept) clusters[sample.stratum].insert(sample.cluster);
    EXPECT_EQ(clusters["neg"].size(),
              4u);  // clusters take turns, so four samples are four clusters
    EXPECT_EQ(clusters["neg"], clusters["nonneg"]);
  }
}

TEST(Limit, IsSeededKeepsTheOrderAndNestsInALargerOne) {
  const auto all = two_strata(10, 3);
  const auto few = ids_of(drawn(all, 10, 7)), more = ids_of(drawn(all, 30, 7));
  EXPECT_EQ(few, ids_of(drawn(all, 10, 7)));
  EXPECT_NE(few, ids_of(drawn(all, 10, 8)));
  EXPECT_TRUE(
      std::ranges::includes(std::set(more.begin(), more.end()), std::set(few.begin(), few.end())));
  const auto order = ids_of(all);
  EXPECT_TRUE(std::ranges::is_sorted(
      few, {}, [&](const auto& id) { return std::ranges::find(order, id) - order.begin(); }));
}

// Strata of 5 and 1 of 6 samples; 3 of them are 2.5 and 0.5: the first takes the tie of the
// remainders.
TEST(Limit, RemaindersGoToTheLargestFraction) {
  std::vector<Sample> samples(6);
  for (size_t i = 0; i < 6; ++i) {
    samples[i].id = samples[i].cluster = std::to_string(i);
    samples[i].stratum = i < 5 ? "a" : "b";
  }
  EXPECT_THAT(ids_of(drawn(samples, 3, 0)), testing::Not(testing::Contains("5")));
  EXPECT_EQ(drawn(samples, 4, 0).size(), 4u);
}

}  // namespace
}  // namespace assay
