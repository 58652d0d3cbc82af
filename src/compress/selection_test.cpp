#include "compress/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/selection_plain.h"

namespace assay {
namespace {

at::Tensor mask(std::initializer_list<std::initializer_list<int>> rows) {
  std::vector<at::Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(at::tensor(std::vector<int>(row), at::kInt));
  return at::stack(tensors).to(at::kBool);
}

std::string error_of(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(CountToPrune, TruncatesTheProductInDouble) {
  EXPECT_EQ(count_to_prune(100, 0.29), 28);  // 0.29 * 100 = 28.999999999999996
  EXPECT_EQ(count_to_prune(576, 0.5), 288);
  EXPECT_EQ(count_to_prune(576, 0.0), 0);
  EXPECT_EQ(count_to_prune(576, 1.0), 576);
  EXPECT_THAT(error_of([] { count_to_prune(4, 1.5); }),
              testing::HasSubstr("must be in [0, 1], got 1.5"));
  EXPECT_THAT(error_of([] { count_to_prune(4, NAN); }),
              testing::HasSubstr("must be in [0, 1], got nan"));
}

// Three ties of 2 in the first row: columns 0 and 2 go before column 3. -0 and +0 tie: column 0
// goes first.
TEST(KeepLargestPerRow, BreaksTiesByColumn) {
  const auto metric = torch::tensor({{2.0f, 9.0f, 2.0f, 2.0f}, {0.0f, -0.0f, 5.0f, 0.0f}});
  EXPECT_TRUE(at::equal(keep_largest_per_row(metric, 2), mask({{0, 1, 0, 1}, {0, 0, 1, 1}})));
}

// Ties at 1 sit at flat indices 1, 2 and 4; two entries go: 0 (index 5), then index 1.
TEST(KeepLargestOfMatrix, BreaksTiesByFlatIndex) {
  const auto metric = torch::tensor({{3.0f, 1.0f, 1.0f}, {7.0f, 1.0f, 0.0f}});
  EXPECT_TRUE(at::equal(keep_largest_of_matrix(metric, 2), mask({{1, 0, 1}, {1, 1, 0}})));
}

// Ascending: 0 1 1 1 3 7; rank 1 is a 1, so all three ones go with it.
TEST(KeepAboveRank, PrunesAllTies) {
  const auto metric = torch::tensor({{3.0f, 1.0f, 1.0f}, {7.0f, 1.0f, 0.0f}});
  EXPECT_TRUE(at::equal(keep_above_rank(metric, 1), mask({{1, 0, 0}, {1, 0, 0}})));
}

// Groups of 4 keep 2; the tail of 3 columns loses floor(2 * 3 / 4) = 1, or 2 by the reference rule.
TEST(KeepNOfM, TailIsProportionalUnlessTheReferenceIsAsked) {
  const auto metric = torch::tensor({{4.0f, 1.0f, 3.0f, 1.0f, 5.0f, 2.0f, 9.0f}});
  EXPECT_TRUE(at::equal(keep_n_of_m(metric, {2, 4}), mask({{1, 0, 1, 0, 1, 0, 1}})));
  EXPECT_TRUE(
      at::equal(keep_n_of_m(metric, {2, 4}, NmTail::kReference), mask({{1, 0, 1, 0, 0, 0, 1}})));
  EXPECT_THAT(error_of([&] {
                keep_n_of_m(metric.narrow(1, 0, 5), {2, 4}, NmTail::kReference);
              }),
              testing::HasSubstr("the last group has 1 columns, fewer than the 2"));
}

TEST(Selection, NeverPrunesNaN) {
  const auto metric = torch::tensor({{NAN, 1.0f, NAN, 2.0f}});
  EXPECT_TRUE(at::equal(keep_largest_per_row(metric, 3), mask({{1, 0, 1, 0}})));
  EXPECT_TRUE(at::equal(keep_largest_of_matrix(metric, 3), mask({{1, 0, 1, 0}})));
  EXPECT_TRUE(at::equal(keep_above_rank(metric, 2), mask({{1, 0, 1, 0}})));
  EXPECT_TRUE(at::equal(keep_n_of_m(metric, {1, 4}), mask({{1, 0, 1, 0}})));
}

TEST(Selection, RefusesWhatItCannotRank) {
  const auto metric = torch::rand({2, 3});
  EXPECT_THAT(error_of([&] { keep_largest_per_row(metric, 4); }),
              testing::HasSubstr("must be in [0, 3], got 4"));
  EXPECT_THAT(error_of([&] { keep_above_rank(metric, 6); }),
              testing::HasSubstr("must be in [0, 5], got 6"));
  EXPECT_THAT(error_of([&] { keep_largest_per_row(metric.to(at::kHalf), 1); }),
              testing::HasSubstr("float32"));
  EXPECT_THAT(error_of([&] {
                keep_n_of_m(metric[0], {2, 4});
              }),
              testing::HasSubstr("[rows, cols]"));
}

// Metrics that stress the order: normal values, coarse ones (many ties), signs, infinities,
// subnormals.
std::vector<at::Tensor> metrics(int64_t rows, int64_t cols) {
  const auto normal = torch::randn({rows, cols});
  auto wild = normal.clone();
  wild.masked_fill_(torch::rand({rows, cols}) < 0.1, INFINITY);
  wild.masked_fill_(torch::rand({rows, cols}) < 0.1, -INFINITY);
  wild.masked_fill_(torch::rand({rows, cols}) < 0.1, 1e-42);
  wild.masked_fill_(torch::rand({rows, cols}) < 0.1, -0.0);
  return {normal.abs(),
          (normal * 4).round(),
          wild,
          normal.to(at::kBFloat16).to(at::kFloat).abs(),
          at::zeros({rows, cols}),
          normal.t().contiguous().t()};
}

TEST(Selection, AgreesWithTheSortingDefinition) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    for (const auto& [rows, cols] : {std::pair{1, 1}, {16, 37}, {3, 1000}, {130, 520}}) {
      for (const auto& metric : metrics(rows, cols)) {
        for (const double ratio : {0.0, 0.1, 0.5, 0.9, 1.0}) {
          SCOPED_TRACE(testing::Message() << seed << " [" << rows << ", " << cols << "] " << ratio);
          const int64_t per_row = count_to_prune(cols, ratio),
                        of_all = count_to_prune(rows * cols, ratio);
          EXPECT_TRUE(at::equal(keep_largest_per_row(metric, per_row),
                                plain::keep_largest_per_row(metric, per_row)));
          EXPECT_TRUE(at::equal(keep_largest_of_matrix(metric, of_all),
                                plain::keep_largest_of_matrix(metric, of_all)));
          const int64_t rank = std::min<int64_t>(of_all, rows * cols - 1);
          EXPECT_TRUE(
              at::equal(keep_above_rank(metric, rank), plain::keep_above_rank(metric, rank)));
        }
        for (const NmPattern pattern : {NmPattern{1, 2}, {2, 4}, {4, 8}, {1, 4}, {3, 5}, {5, 16}}) {
          EXPECT_TRUE(at::equal(keep_n_of_m(metric, pattern), plain::keep_n_of_m(metric, pattern)));
        }
      }
    }
  }
}

TEST(Selection, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(7);
  const auto metric =
      (torch::randn({300, 700}) * 8).round();  // 210 000 entries: several tasks, many ties
  const auto all = [&] {
    return at::stack({keep_largest_per_row(metric, 350), keep_largest_of_matrix(metric, 105001),
                      keep_above_rank(metric, 105000), keep_n_of_m(metric, {2, 4})});
  };
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = all();
  set_num_threads(2);
  const auto two = all();
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(NmPattern, ReadsKeptOfGroup) {
  EXPECT_EQ(parse_nm_pattern("1:4"), (NmPattern{1, 4}));
  EXPECT_EQ(parse_nm_pattern("1:4").sparsity(), 0.75);
  for (const char* bad : {"", "2", "4:2", "0:4", "4:4", "2:4x", "2:", "-1:4", "2:64"}) {
    EXPECT_THAT(error_of([&] { parse_nm_pattern(bad); }), testing::HasSubstr("expected N:M"))
        << bad;
  }
}

}  // namespace
}  // namespace assay
