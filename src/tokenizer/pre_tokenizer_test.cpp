#include "tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/code_points.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer_names.h"

namespace assay {
namespace {

using testing::ElementsAre;

std::vector<std::string> words_of(std::string_view text, const Json& json) {
  std::vector<std::string> words;
  for (const Word& word : pre_tokenize(text, parse_pre_tokenizer(json))) {
    words.push_back((word.leading_space ? "+" : "") +
                    std::string(text.substr(word.begin, word.end - word.begin)));
  }
  return words;
}

std::vector<std::string> words_by_name(std::string_view text, std::string_view name) {
  return words_of(text, pre_tokenizer_json(pre_tokenizer_named(name)));
}

Json split_json(const std::string& pattern, const std::string& behavior, bool invert) {
  return Json{{"type", "Sequence"},
              {"pretokenizers",
               {{{"type", "Split"},
                 {"pattern", {{"Regex", pattern}}},
                 {"behavior", behavior},
                 {"invert", invert}},
                {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile);
    return e.what();
  }
  return "no error";
}

// The cases of spec/models.md in which white space precedes a digit come first.
TEST(PreTokenize, SplitsByTheNamedPatterns) {
  EXPECT_THAT(words_by_name("   12", "smollm"), ElementsAre("   ", "1", "2"));
  EXPECT_THAT(words_by_name("x\n\n3", "smollm"), ElementsAre("x", "\n\n", "3"));
  EXPECT_THAT(words_by_name(" ²", "smollm"), ElementsAre(" ", "²"));
  EXPECT_THAT(words_by_name("   12", "gpt-2"), ElementsAre("  ", " 12"));
  EXPECT_THAT(words_by_name("I'll  go, it's 1234!", "gpt-2"),
              ElementsAre("I", "'ll", " ", " go", ",", " it", "'s", " 1234", "!"));
  EXPECT_THAT(words_by_name("I'LL go 12345\n\n x", "llama-bpe"),
              ElementsAre("I", "'LL", " go", " ", "123", "45", "\n\n", " x"));
  EXPECT_THAT(words_by_name("a 12", "qwen2"), ElementsAre("a", " ", "1", "2"));
  EXPECT_THAT(words_by_name("fooBar BAZ", "tekken"), ElementsAre("foo", "Bar", " BAZ"));
  EXPECT_THAT(words_by_name("It'S HTTPServer's", "gpt-4o"), ElementsAre("It'S", " HTTPServer's"));
}

TEST(PreTokenize, HonoursTheBehaviorsOfSplit) {
  EXPECT_THAT(words_of("a--b-c", split_json("-", "Isolated", false)),
              ElementsAre("a", "-", "-", "b", "-", "c"));
  EXPECT_THAT(words_of("a--b-c", split_json("-", "Removed", false)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(words_of("a--b-c", split_json("-", "MergedWithPrevious", false)),
              ElementsAre("a-", "-", "b-", "c"));
  EXPECT_THAT(words_of("a--b-c", split_json("-", "MergedWithNext", false)),
              ElementsAre("a", "-", "-b", "-c"));
  EXPECT_THAT(words_of("a--b-c", split_json("-", "Contiguous", false)),
              ElementsAre("a", "--", "b", "-", "c"));
  EXPECT_THAT(words_of("a--b-c", split_json("[a-z]", "Removed", true)), ElementsAre("a", "b", "c"));
}

TEST(PreTokenize, AddsASpaceInFrontOfEveryPiece) {
  const Json plain{{"type", "ByteLevel"}, {"add_prefix_space", true}};
  EXPECT_THAT(words_of("a b", plain), ElementsAre("+a", " b"));
  EXPECT_THAT(words_of(" a", plain), ElementsAre(" a"));
  EXPECT_THAT(words_of("\n", plain), ElementsAre("+\n"));
  EXPECT_THAT(words_of("\u00A0x", plain), ElementsAre("+", "\u00A0", "x"));
  EXPECT_THAT(words_of("", plain), ElementsAre());
}

TEST(PreTokenize, NamesWhatItDoesNotSupport) {
  const auto refusal = [](const Json& json) {
    return message_of([&] { parse_pre_tokenizer(json); });
  };
  EXPECT_EQ(refusal({{"type", "Metaspace"}}),
            "pre_tokenizer: the type 'Metaspace' is not supported (known: Sequence, Split, Digits, "
            "ByteLevel)");
  EXPECT_EQ(refusal(nullptr), "pre_tokenizer: null; only byte-level BPE is supported so far");
  EXPECT_EQ(refusal({{"type", "Digits"}, {"individual_digits", true}}),
            "pre_tokenizer: no ByteLevel step; only byte-level BPE is supported so far");
  EXPECT_EQ(refusal(split_json("a", "Isolate", false)),
            "pre_tokenizer.pretokenizers[0].behavior: unknown "
            "'Isolate' (did you mean "
            "'Isolated'?)");
  EXPECT_EQ(message_of([] { pre_tokenizer_named("qwen"); }),
            "tokenizer.ggml.pre: 'qwen' is not supported (did you mean 'qwen2'?)");
}

TEST(Regex, ReadsRubySyntaxForPcre2OrRefuses) {
  EXPECT_EQ(pcre2_pattern(R"(\p{Han}|[^\p{^L}\v]\u00e9)"), R"(\p{sc:Han}|[^\P{L}\x{0B}]\x{00e9})");
  EXPECT_EQ(pcre2_pattern(R"( ?[^(\s|[.,!?…])]+)"), R"( ?[^(\s|.,!?…)]+)");  // BLOOM's pattern
  for (const char* pattern : {R"(\h)", R"(\w)", R"(\b)", R"(\1)", R"(\R)", "(?m:a)", "(?i)a",
                              "(*F)", "a{1,3}+", R"(\p{Greek})", "[a&&b]", "[[:alpha:]]", "[a[^b]]",
                              "[]a]", "[a", R"(\x{110000000})", "\\"}) {
    EXPECT_THAT(message_of([&] { pcre2_pattern(pattern); }), testing::EndsWith("is not supported"))
        << pattern;
  }
  EXPECT_THAT(message_of([] { Regex("(a"); }), testing::StartsWith("pattern '(a': "));
}

TEST(Regex, FindsEmptyMatchesAsOnigurumaDoes) {
  std::vector<RegexMatch> found;
  Regex("x*").find_all("axxé",
                       found);  // "" at 0, "xx" at 1 (the empty one behind it is skipped), "" at 5
  std::vector<std::pair<size_t, size_t>> spans;
  for (const auto& [begin, end] : found) spans.emplace_back(begin, end);
  EXPECT_THAT(spans, ElementsAre(std::pair(0, 0), std::pair(1, 3), std::pair(5, 5)));
}

// PCRE2's own \s holds U+180E, and its tables end with Unicode 14; U+10D50 is a letter and U+1E4F0
// a digit since.
TEST(Regex, KnowsTheClassesOfUnicode16) {
  std::vector<RegexMatch> found;
  Regex(R"(\s+)").find_all("\u180E\u0085\u2003", found);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].begin, 3u);
  Regex(R"(\p{Lu})").find_all("\U00010D50", found);
  EXPECT_EQ(found.size(), 1u);
  Regex(R"(\p{N}|\p{Han})").find_all("\U0001E4F0\U00031350", found);
  EXPECT_EQ(found.size(), 2u);
  std::string buffer;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {  // whatever stands in has the same size
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    ASSERT_EQ(with_stand_ins(text, buffer).size(), text.size()) << static_cast<uint32_t>(c);
  }
}

TEST(CodePoints, ReplaceMaximalSubparts) {
  EXPECT_EQ(to_valid_utf8("a\xF0\x9F\x98z"), "a\uFFFDz");  // a truncated emoji is one subpart
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");    // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98\x80"), "\U0001F600");
}

// "e" + combining acute (2 bytes) -> é; "A" + ring -> Å from the Kelvin-like sign U+212B; Hangul L
// + V + T -> one syllable.
TEST(Normalize, ComposesAndFindsTheWayBack) {
  const std::string text = "xe\u0301y\u212B\u1112\u1161\u11ABz";
  const auto normal = normalize(text, Normalizer::kNfc);
  EXPECT_EQ(normal.text, "x\u00E9y\u00C5\uD55Cz");
  EXPECT_EQ(normal.original_end(1), 1u);   // x
  EXPECT_EQ(normal.original_end(2), 4u);   // half of é: the end of e + acute
  EXPECT_EQ(normal.original_end(3), 4u);   // é
  EXPECT_EQ(normal.original_end(4), 5u);   // y
  EXPECT_EQ(normal.original_end(6), 8u);   // Å
  EXPECT_EQ(normal.original_end(9), 17u);  // the syllable
  EXPECT_EQ(normal.original_end(normal.text.size()), text.size());
  // U+0F73 is no combining character, but both of its parts are, and the acute passes them.
  EXPECT_EQ(normalize("a\u0F73\u0301", Normalizer::kNfc).text, "\u00E1\u0F71\u0F72");
  EXPECT_EQ(message_of([] {
              parse_normalizer({{"type", "NFKC"}});
            }),
            "normalizer: the type 'NFKC' is not supported (known: NFC, Sequence)");
}

}  // namespace
}  // namespace assay
