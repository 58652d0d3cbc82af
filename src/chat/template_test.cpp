#include "chat/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "chat/civil_time.h"
#include "chat/lexer.h"

namespace assay::jinja {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string rendered(std::string_view text, const Json& variables = Json::object(),
                     const RenderOptions& options = {}) {
  return render(parse(text), variables, options);
}

std::string refusal(std::string_view text, const Json& variables = Json::object(),
                    const RenderOptions& options = {}) {
  try {
    rendered(text, variables, options);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "no error";
}

TEST(Template, RendersChatMl) {
  const Json variables = {{"messages", {{{"role", "user"}, {"content", "Hi"}}}},
                          {"add_generation_prompt", true}};
  EXPECT_EQ(rendered("{% for m in messages %}\n"
                     "  <{{ m.role }}>{{ m['content'] }}</>\n"
                     "{% endfor %}\n"
                     "{% if add_generation_prompt %}<assistant>{% endif %}",
                     variables),
            "  <user>Hi</>\n<assistant>");
}

// trim_blocks takes the newline behind a tag, lstrip_blocks the blanks in front of one that starts
// its line; an expression keeps both.
TEST(Template, TrimsWhiteSpaceAroundTags) {
  EXPECT_EQ(rendered("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(rendered("a\n  {{ 1 }}\n  b"), "a\n  1\n  b");
  EXPECT_EQ(rendered("a \n {%- if true -%} \n b \n {%- endif %}\nc"), "abc");
  EXPECT_EQ(rendered("a\n  {%+ if true +%}\n  b{% endif %}"), "a\n  \n  b");
  EXPECT_EQ(rendered("a\n  {# gone #}\nb {#- gone -#} c"), "a\nbc");
}

TEST(Template, ErrorsNameTheLine) {
  EXPECT_EQ(refusal("a\n{{ missing.role }}"), "line 2: 'missing' is undefined");
  EXPECT_EQ(refusal("\n\n{{ raise_exception('No system turn') }}"), "line 3: No system turn");
  EXPECT_EQ(refusal("{% include 'x' %}"), "line 1: unsupported tag 'include'");
  EXPECT_EQ(refusal("\n{{ 'x' | urlize }}"), "line 2: unsupported filter 'urlize'");
  EXPECT_EQ(refusal("\n{{ 'x' is escaped }}"), "line 2: unsupported test 'escaped'");
  EXPECT_EQ(refusal("{{ 'x'.swapcase() }}"), "line 1: unsupported: the method swapcase() of text");
  EXPECT_EQ(refusal("{% for x in [] recursive %}{% endfor %}"),
            "line 1: unsupported: a recursive for");
  EXPECT_EQ(refusal("{{ f(*x) }}"), "line 1: unsupported: arguments from a list or dict ('*')");
  EXPECT_EQ(refusal("{% if true %}\nx"), "line 2: the tag 'endif' is missing");
  EXPECT_EQ(refusal("{{ 'x"), "line 1: a string has no end");
  EXPECT_EQ(refusal("\n{{ 1 ? 2 }}"), "line 2: unexpected character '?'");
  EXPECT_EQ(refusal("\xff"), "not UTF-8 at byte 0");
  EXPECT_EQ(refusal("{{ x }}", Json::array()), "the variables must be an object, got array");
}

TEST(Template, SandboxHandsOutNothingThatChangesAValue) {
  EXPECT_EQ(refusal("{{ x.append(1) }}", {{"x", {1}}}),
            "line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(refusal("{{ ''.__class__.__mro__ }}"),
            "line 1: access to attribute '__class__' of 'str' object is unsafe.");
  EXPECT_EQ(
      refusal("{% set ns = namespace() %}{% set ns.__init__ = 1 %}"),
      "line 1: Chat templates cannot store underscore-prefixed attributes on a namespace, but "
      "got '__init__'. Please rename the attribute.");
}

TEST(Template, TellsTheTimeThatItIsGiven) {
  RenderOptions options;
  options.now = CivilTime{2024, 7, 6, 9, 5, 3};
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y') }}", Json::object(), options), "06 Jul 2024");
  EXPECT_EQ(rendered("{{ strftime_now('%A %a %B %-d/%-m/%y %H:%M:%S %I %p %j %F %T %%') }}",
                     Json::object(), options),
            "Saturday Sat July 6/7/24 09:05:03 09 AM 188 2024-07-06 09:05:03 %");
  EXPECT_EQ(refusal("{{ strftime_now('%Z') }}", Json::object(), options),
            "line 1: unsupported: the directive %Z of strftime_now");
  EXPECT_EQ(refusal("{{ strftime_now('%Y') }}"),
            "line 1: the template asks for the date, and none was given");
  EXPECT_EQ(formatted_time({2000, 2, 29}, "%j %a"), "060 Tue");
  EXPECT_EQ(formatted_time({1900, 12, 31, 12}, "%j %a %I %p"), "365 Mon 12 PM");
  EXPECT_THROW(formatted_time({1900, 2, 29}, "%j"), Fault);
}

// What would take Python minutes, gigabytes or its stack ends as one line.
TEST(Template, BoundsWorkOutputAndDepth) {
  for (const char* hostile :
       {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 9999999999 }}", "{{ [1] * 9999999999 }}", "{{ 'aaaa' * 99999 * 99999 }}",
        "{{ ('x' * 99999).replace('', 'y' * 99999) }}", "{{ 'x'.rjust(9999999999) }}",
        "{{ 'x' | indent(9999999999) }}", "{{ {} | tojson(indent=9999999999) }}",
        "{% set ns = namespace(a='x') %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}"
        "{% endfor %}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}"
        "{% endfor %}",
        "{% set ns = namespace(a=(1,)) %}{% for i in range(99) %}{% set ns.a = (ns.a, ns.a) %}"
        "{% endfor %}{{ {ns.a: 1} }}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = [ns.a, ns.a] %}"
        "{% endfor %}{{ ns.a == ns.a + [] }}{{ ns.a }}",
        "{% set a = 'ab' * 99999 %}{% for i in range(99999) %}{% if 'ba' * 999 + 'c' in a %}"
        "{% endif %}{% endfor %}"}) {
    EXPECT_THAT(refusal(hostile, Json::object(), {.limits = {.max_work = 1 << 24}}),
                HasSubstr("the template does more work than is allowed"))
        << hostile;
  }
  EXPECT_EQ(refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            "line 1: nested deeper than 400 levels");
  EXPECT_EQ(refusal("{% set ns = namespace(a=1) %}{% for i in range(999) %}{% set ns.a = [ns.a] %}"
                    "{% endfor %}"),
            "line 1: a value is nested deeper than 200 levels");
  EXPECT_EQ(refusal("{% for i in range(9) %}12345{% endfor %}", Json::object(),
                    {.limits = {.max_output = 40}}),
            "line 1: the text is longer than 40 bytes");
  EXPECT_EQ(refusal("{{ range(100001) }}"),
            "line 1: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
}

TEST(Template, BoundsTheDepthOfItsSyntax) {
  const auto repeated = [](std::string_view part, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += part;
    return text;
  };
  const std::string many_ifs = repeated("{% if true %}", 10'000);
  for (const std::string& deep :
       {"{{ " + repeated("(", 100'000) + repeated(")", 100'000) + " }}",
        "{{ " + repeated("[", 100'000) + repeated("]", 100'000) + " }}",
        "{{ " + repeated("not ", 100'000) + "1 }}", "{{ " + repeated("-", 100'000) + "1 }}",
        "{{ 1" + repeated(" + 1", 100'000) + " }}", "{{ x" + repeated(".x", 100'000) + " }}",
        "{{ x" + repeated("|abs", 100'000) + " }}", "{{ 1" + repeated(" if 1", 100'000) + " }}",
        "{% set " + repeated("(", 100'000) + repeated(")", 100'000) + " = 1 %}", many_ifs}) {
    EXPECT_THAT(refusal(deep), HasSubstr("nested deeper than 200 levels")) << deep.substr(0, 20);
  }
  EXPECT_THAT(refusal(repeated("x", (1 << 20) + 1)), StartsWith("longer than"));
  EXPECT_EQ(rendered("{{ 1" + repeated(" ~ 1", 1000) + " }}"), std::string(1001, '1'));
  EXPECT_EQ(
      rendered("{% if false %}" + repeated("{% elif false %}", 1000) + "{% else %}x{% endif %}"),
      "x");
}

// A macro lives on in a namespace when the loop that defined it is done.
TEST(Template, KeepsWhatAMacroSees) {
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% for i in [1, 2] %}{% macro m() %}{{ i }}"
                     "{% endmacro %}{% set ns.m = m %}{% endfor %}{{ ns.m() }}"),
            "2");
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% set ns.self = ns %}{% set ns.list = [ns] %}"
                     "{{ ns.self.list[0] == ns }}"),
            "True");
}

TEST(Lexer, CutsATagIntoTokens) {
  const auto tokens = lex("x{{ a.b[1.5] ~ 'c' -}}  y");
  std::vector<std::string> texts;
  for (const Token& token : tokens) texts.push_back(token.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"x", "", "a", ".", "b", "[", "1.5", "]", "~", "c", "",
                                             "y", ""}));
  EXPECT_EQ(tokens.back().type, TokenType::kEnd);
}

}  // namespace
}  // namespace assay::jinja
