#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(RequireKnownKeys, NamesTheNearestKey) {
  const std::array known{"sparsity"sv, "bits"sv};
  EXPECT_EQ(message_of([&] {
              require_known_keys(Json{{"sparsty", 1}}, known, "variant 2");
            }),
            "variant 2: unknown key 'sparsty' (did you mean 'sparsity'?)");
  EXPECT_EQ(message_of([&] {
              require_known_keys(Json{{"xyz", 1}}, known, "variant 2");
            }),
            "variant 2: unknown key 'xyz' (known: sparsity, bits)");
}

TEST(JsonGet, RefusesOtherTypesAndValuesOutOfRange) {
  const Json object{{"bits", 300}, {"name", "x"}, {"ratio", 1}};
  EXPECT_EQ(json_get<int>(object, "bits", "o"), 300);
  EXPECT_EQ(json_get<double>(object, "ratio", "o"), 1.0);
  EXPECT_EQ(message_of([&] { json_get<int8_t>(object, "bits", "o"); }),
            "o: 'bits' is out of range: 300");
  EXPECT_EQ(message_of([&] { json_get<int>(object, "name", "o"); }),
            "o: 'name' must be an integer, got \"x\"");
  EXPECT_EQ(message_of([&] { json_get<int>(object, "none", "o"); }), "o: missing key 'none'");
  EXPECT_EQ(json_get_or(object, "none", 7, "o"), 7);
}

TEST(JsonGet, GivesTextThatIsNoUtf8AndShowsItInErrors) {
  const Json object{{"text", "\xFF"}};
  EXPECT_EQ(json_get<std::string>(object, "text", "o"), "\xFF");
  EXPECT_EQ(message_of([&] { json_get<int>(object, "text", "o"); }),
            "o: 'text' must be an integer, got \"\uFFFD\"");
}

TEST(ParseJson, RefusesDuplicateKeysAndNamesTheByte) {
  EXPECT_EQ(message_of([] { parse_json(R"({"a":1,"a":2})", "f.json"); }),
            "f.json: duplicate key 'a'");
  EXPECT_EQ(message_of([] { parse_json("{", "f.json"); }), "f.json: not valid JSON at byte 2");
  EXPECT_EQ(parse_json(R"({"a":{"b":1},"b":2})", "f").at("b"),
            2);  // the same key on two levels is fine
}

TEST(ParseJson, ReadsEveryKindOfValueAndKeepsTheOrderOfKeys) {
  const std::string text = R"({"z":[1,-2,0.5,true,null,"\u00e9",[],{}],"a":{"b":[[3]]}})";
  EXPECT_EQ(parse_json(text, "f"), Json::parse(text));
  EXPECT_EQ(parse_json(text, "f").begin().key(), "z");
  EXPECT_EQ(parse_json("7", "f"), 7);
  EXPECT_EQ(message_of([] { parse_json("[1e999]", "f"); }).substr(0, 17), "f: not valid JSON");
}

TEST(ParseJson, RefusesValuesThatWouldOverflowTheStack) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + "1" + std::string(depth, ']');
  };
  EXPECT_EQ(parse_json(nested(kMaxJsonDepth), "f").size(), 1u);
  EXPECT_EQ(message_of([&] { parse_json(nested(kMaxJsonDepth + 1), "f"); }),
            "f: nested deeper than 256 levels");
  EXPECT_EQ(message_of([&] { parse_json(nested(10'000'000), "f"); }),
            "f: nested deeper than 256 levels");
}

// 200 000 keys take a tenth of a second; a search among the keys before each would take minutes.
TEST(ParseJson, IsLinearInTheNumberOfKeys) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_EQ(parse_json(text + "}", "f").size(), 200'000);
}

}  // namespace
}  // namespace assay
