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
  AlignedText aligned(text);
  for (const Word& word : pre_tokenize(aligned, parse_pre_tokenizer(json))) {
    words.push_back((word.leading_space ? "+" : "") +
                    std::string(aligned.text().substr(word.begin, word.end - word.begin)));
  }
  return words;
}

std::string normalized(std::string_view text, const Json& json) {
  AlignedText aligned(text);
  normalize(aligned, parse_normalizer(json));
  return std::string(aligned.text());
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
  EXPECT_EQ(refusal({{"type", "UnicodeScripts"}}),
            "pre_tokenizer: the type 'UnicodeScripts' is not supported (known: Sequence, Split, "
            "Digits, ByteLevel, Metaspace, Whitespace, Punctuation, WhitespaceSplit, "
            "BertPreTokenizer)");
  EXPECT_EQ(refusal({{"type", "MetaSpace"}}),
            "pre_tokenizer: the type 'MetaSpace' is not supported (did you mean 'Metaspace'?)");
  EXPECT_EQ(refusal({{"type", "Metaspace"}, {"replacement", "ab"}}),
            "pre_tokenizer.replacement: 'ab' is not one character");
  EXPECT_EQ(refusal({{"type", "Metaspace"}, {"prepend_scheme", "once"}}),
            "pre_tokenizer.prepend_scheme: unknown 'once' (known: always, first, never)");
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

// By hand; U+2581 is written "_" here.
TEST(PreTokenize, ReplacesSpacesByMetaspace) {
  const auto words = [](std::string_view text, const char* scheme, bool split) {
    return words_of(text, {{"type", "Metaspace"},
                           {"replacement", "_"},
                           {"prepend_scheme", scheme},
                           {"split", split}});
  };
  EXPECT_THAT(words("a  b", "always", true), ElementsAre("_a", "_", "_b"));
  EXPECT_THAT(words("a  b", "always", false), ElementsAre("_a__b"));
  EXPECT_THAT(words("a  b", "never", true), ElementsAre("a", "_", "_b"));
  EXPECT_THAT(words(" a", "always", true), ElementsAre("_a"));  // it has one
  EXPECT_THAT(words("", "always", true), ElementsAre());
  const Json in_words{
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "WhitespaceSplit"}},
        {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}}}}};
  EXPECT_THAT(words_of("a b", in_words), ElementsAre("_a", "b"));
  EXPECT_THAT(words_of(" a b", in_words), ElementsAre("a", "b"));  // not where the text starts
}

TEST(PreTokenize, SplitsAtClassesOfCharacters) {
  EXPECT_THAT(words_of("it's 1_2, \u00e9\u4e2d!?", {{"type", "Whitespace"}}),
              ElementsAre("it", "'", "s", "1_2", ",", "\u00e9\u4e2d", "!?"));
  EXPECT_THAT(words_of("a\tb\u3000 c.", {{"type", "WhitespaceSplit"}}),
              ElementsAre("a", "b", "c."));
  EXPECT_THAT(words_of("a.., b$", {{"type", "BertPreTokenizer"}}),
              ElementsAre("a", ".", ".", ",", "b", "$"));
  EXPECT_THAT(words_of("a..b", {{"type", "Punctuation"}, {"behavior", "Contiguous"}}),
              ElementsAre("a", "..", "b"));
}

// Falcon's order: what comes behind ByteLevel sees the symbols of bytes, "\u00b2" among them, which
// is the second byte of U+0672 and numeric.
TEST(PreTokenize, SplitsTheSymbolsBehindByteLevel) {
  const Json json{{"type", "Sequence"},
                  {"pretokenizers",
                   {{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}},
                    {{"type", "Digits"}, {"individual_digits", false}}}}};
  EXPECT_THAT(words_of("a 12", json), ElementsAre("\u0120a", "\u0120", "12"));
  EXPECT_THAT(words_of("\u0672", json), ElementsAre("\u0120\u00d9", "\u00b2"));
}

// "e" + combining acute (2 bytes) -> é; "A" + ring -> Å from the Kelvin-like sign U+212B; Hangul L
// + V + T -> one syllable.
TEST(Normalize, ComposesAndFindsTheWayBack) {
  const std::string text = "xe\u0301y\u212B\u1112\u1161\u11ABz";
  AlignedText normal(text);
  normalize(normal, {UnicodeForm::kNfc});
  EXPECT_EQ(normal.text(), "x\u00E9y\u00C5\uD55Cz");
  EXPECT_EQ(normal.original_end(1), 1u);   // x
  EXPECT_EQ(normal.original_end(2), 4u);   // half of é: the end of e + acute
  EXPECT_EQ(normal.original_end(3), 4u);   // é
  EXPECT_EQ(normal.original_end(4), 5u);   // y
  EXPECT_EQ(normal.original_end(6), 8u);   // Å
  EXPECT_EQ(normal.original_end(9), 17u);  // the syllable
  EXPECT_EQ(normal.original_end(normal.text().size()), text.size());
  // U+0F73 is no combining character, but both of its parts are, and the acute passes them.
  EXPECT_EQ(normalized("a\u0F73\u0301", {{"type", "NFC"}}), "\u00E1\u0F71\u0F72");
}

TEST(Normalize, KnowsTheStepsOfTokenizerJson) {
  EXPECT_EQ(normalized("\uFB01 \u00e9", {{"type", "NFKD"}}), "fi e\u0301");
  EXPECT_EQ(normalized("\uFF76\uFF9E", {{"type", "NFKC"}}),
            "\u30AC");  // half-width ka + voiced mark
  EXPECT_EQ(normalized("\u00c9\u0130A", {{"type", "Lowercase"}}), "\u00e9i\u0307a");
  EXPECT_EQ(normalized("e\u0301x", {{"type", "StripAccents"}}), "ex");
  EXPECT_EQ(normalized("", {{"type", "Prepend"}, {"prepend", "_"}}), "");
  EXPECT_EQ(normalized(" a\n", {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}),
            "a\n");
  EXPECT_EQ(normalized(" \t", {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}}),
            "");
  EXPECT_EQ(
      normalized("a b", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "_"}}),
      "a_b");
  EXPECT_EQ(normalized(
                " a  b ",
                {{"type", "Sequence"},
                 {"normalizers",
                  {{{"type", "Replace"}, {"pattern", {{"Regex", R"(\A +| +\z)"}}}, {"content", ""}},
                   {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}}}}),
            "a b");
  EXPECT_EQ(normalized(std::string("A\0\u00c9\u4e2d\t\u200b.", 13), {{"type", "BertNormalizer"}}),
            "ae \u4e2d  .");
  EXPECT_EQ(
      normalized("\u00c9",
                 {{"type", "BertNormalizer"}, {"strip_accents", nullptr}, {"lowercase", false}}),
      "\u00c9");
}

TEST(Normalize, NamesWhatItDoesNotSupport) {
  EXPECT_EQ(message_of([] {
              parse_normalizer({{"type", "NFKCD"}});
            }),
            "normalizer: the type 'NFKCD' is not supported (did you mean 'NFKC'?)");
  EXPECT_EQ(message_of([] {
              parse_normalizer({{"type", "Precompiled"}, {"precompiled_charsmap", "AAA*"}});
            }),
            "normalizer: base64: an unknown character at 3");
  EXPECT_EQ(message_of([] {
              parse_normalizer({{"type", "Precompiled"}, {"precompiled_charsmap", "/////w=="}});
            }),
            "normalizer: precompiled_charsmap: a table of 4294967295 bytes in 4");
}

// "ab" -> "_ab_" -> "_xyz_": a prefix, a changed stretch, a suffix; then the prefix goes.
TEST(AlignedText, FindsTheWayBackThroughSteps) {
  AlignedText text("ab");
  const auto step = [&](auto&& edit_it) {
    TextEdit edit(text);
    edit_it(edit);
    edit.finish();
  };
  step([](TextEdit& edit) {
    edit.insert("_");
    edit.keep_until(2);
    edit.insert("_");
  });
  EXPECT_EQ(text.text(), "_ab_");
  EXPECT_EQ(text.original_end(1), 0u);
  EXPECT_EQ(text.original_end(2), 1u);
  EXPECT_EQ(text.original_end(4), 2u);
  EXPECT_EQ(text.original_begin(0), 0u);
  EXPECT_EQ(text.original_begin(1), 0u);
  EXPECT_EQ(text.original_begin(3), 2u);
  step([](TextEdit& edit) {
    edit.keep_until(1);
    edit.replace_until(3, "xyz");
  });
  EXPECT_EQ(text.text(), "_xyz_");
  EXPECT_EQ(text.original_end(1), 0u);
  EXPECT_EQ(text.original_end(2), 2u);  // inside of the change: its end
  EXPECT_EQ(text.original_begin(2), 0u);
  step([](TextEdit& edit) { edit.replace_until(1, ""); });
  EXPECT_EQ(text.text(), "xyz_");
  EXPECT_EQ(text.original_end(3), 2u);
  step([](TextEdit& edit) { edit.keep_until(2); });  // nothing changes
  EXPECT_EQ(text.text(), "xyz_");
}

}  // namespace
}  // namespace assay
