#include "io/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

using testing::ElementsAre;

TEST(Csv, ReadsQuotesCommasAndLineEnds) {
  EXPECT_THAT(parse_csv("a,b\r\n\"x, \"\"y\"\"\",\n\"two\nlines\",z", "f"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("x, \"y\"", ""),
                          ElementsAre("two\nlines", "z")));
  EXPECT_TRUE(parse_csv("", "f").empty());
}

TEST(Csv, NamesTheLineOfABrokenField) {
  for (const auto& [text, message] : {std::pair{"a\n\"b", "f:2: the quote is not closed"},
                                      {"\"a\nb\" c\n", "f:2: text behind a closing quote"},
                                      {"a\nb\"c\n", "f:2: a quote inside an unquoted field"}}) {
    try {
      parse_csv(text, "f");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), message);
    }
  }
}

}  // namespace
}  // namespace assay
