#include "report/html.h"

#include <gtest/gtest.h>

#include <random>

namespace assay::report {
namespace {

const std::string kHostile[] = {"</script><script>alert(1)</script>",
                                "<!--<script>",
                                "\"'><img src=x onerror=alert(1)>",
                                "]]>&lt;b&gt;",
                                "\u2028\u2029",
                                std::string("\0\x1B[31m", 6),
                                "\xFF\xC0\xAF",
                                "\u202E"};

TEST(EscapeHtml, TurnsMarkupIntoText) {
  EXPECT_EQ(escape_html("<a href=\"x\">&amp;</a>'"),
            "&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;&#39;");
  EXPECT_EQ(escape_html("plain, déjà vu"), "plain, déjà vu");
}

TEST(EscapeHtml, LeavesNoMarkupCharacter) {
  for (const std::string& text : kHostile) {
    EXPECT_EQ(escape_html(text).find_first_of("<>\"'"), std::string::npos) << text;
  }
}

TEST(ScriptJson, HoldsNoCharacterThatCouldEndTheElement) {
  Json value = Json::object();
  for (const std::string& text : kHostile) value[text] = Json::array({text, {{text, text}}});
  const std::string json = script_json(value);
  EXPECT_EQ(json.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(json.find("\u2028"), std::string::npos);
  EXPECT_EQ(json.find("\u2029"), std::string::npos);
}

TEST(ScriptJson, ParsesBackToTheSameText) {
  const Json value = {{"text", "a < b && c > d \u2028 \u2029 \" \\ é"},
                      {"n", -1.5},
                      {"none", nullptr},
                      {"yes", true}};
  EXPECT_EQ(Json::parse(script_json(value)), value);
}

// The parser of an HTML page leaves a script element at "</script" and is confused by "<!--";
// neither survives in random text made of their letters.
TEST(ScriptJson, SurvivesRandomTextMadeOfTagLetters) {
  const std::string letters[] = {"<",  "/", "script",   "!--",  ">",    "\\",
                                 "\"", "&", "\xE2\x80", "\xA8", "u003c"};
  std::mt19937 random(11);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += letters[random() % std::size(letters)];
    const std::string json = script_json(Json::array({text}));
    ASSERT_EQ(json.find_first_of("<>&"), std::string::npos) << text;
    ASSERT_TRUE(Json::accept(json)) << text;
  }
}

TEST(Html, TakesLiteralsAsMarkupAndEverythingElseAsText) {
  Html html;
  const std::string name = "<b>";
  html << "<p title=\"" << name << "\">" << std::string_view("\"&") << "</p>";
  EXPECT_EQ(html.str(), "<p title=\"&lt;b&gt;\">&quot;&amp;</p>");
}

}  // namespace
}  // namespace assay::report
