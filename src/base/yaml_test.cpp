#include "base/yaml.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

std::string message_of(std::string_view yaml) {
  try {
    parse_yaml(yaml, "s.yaml");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(ParseYaml, TypesPlainScalarsAndKeepsQuotedOnesAsText) {
  const Json value = parse_yaml(
      R"({a: 3, b: 0.5, c: "2:4", d: 2:4, e: true, f: ~, g: "3", h: [-1, 1e-3], i: x, j: nan})",
      "s");
  EXPECT_EQ(
      value.dump(),
      R"({"a":3,"b":0.5,"c":"2:4","d":"2:4","e":true,"f":null,"g":"3","h":[-1,0.001],"i":"x","j":"nan"})");
}

TEST(ParseYaml, RefusesWithTheLine) {
  EXPECT_EQ(message_of("a: 1\nb: 2\na: 3\n"), "s.yaml:3: duplicate key 'a'");
  EXPECT_EQ(message_of("a: [1, 2\n"), "s.yaml:2: end of sequence flow not found");
  EXPECT_EQ(message_of("? [x]\n: 1\n"), "s.yaml:1: a key must be a plain word");
}

TEST(ParseYaml, RefusesTextThatIsNotUtf8) {
  EXPECT_EQ(message_of("a: 1\nb: x\x82\n"), "s.yaml:2: text that is not UTF-8");
  EXPECT_EQ(message_of("a\xff: 1\n"), "s.yaml:1: a key that is not UTF-8");
}

TEST(ParseYaml, BoundsNestingAndAliases) {
  EXPECT_EQ(message_of(std::string(100, '[') + std::string(100, ']')),
            "s.yaml:1: nested too deeply");
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";  // each level holds ten of the one before
  for (int i = 1; i < 9; ++i) {
    const std::string above = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + above;
    for (int j = 0; j < 9; ++j) bomb += "," + above;
    bomb += "]\n";
  }
  EXPECT_NE(message_of(bomb).find("too many values"), std::string::npos);
}

}  // namespace
}  // namespace assay
