#include "io/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

TEST(Jsonl, ReadsRowsInOrderWithAnyLineEnd) {
  const auto rows = parse_jsonl("{\"a\": 1}\r\n[2]\n\"x\"", "f");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].at("a"), 1);
  EXPECT_EQ(rows[1].at(0), 2);
  EXPECT_EQ(rows[2], "x");
  EXPECT_TRUE(parse_jsonl("", "f").empty());
}

TEST(Jsonl, NamesTheLine) {
  for (const auto& [text, line] :
       {std::pair{"1\n{\n", "f:2"}, {"1\n\n2\n", "f:2"}, {"\n", "f:1"}}) {
    try {
      parse_jsonl(text, "f");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      EXPECT_THAT(e.what(), testing::StartsWith(line));
    }
  }
}

}  // namespace
}  // namespace assay
