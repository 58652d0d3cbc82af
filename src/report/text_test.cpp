#include "report/text.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"

namespace assay::report {
namespace {

TEST(CleanText, KeepsWellFormedText) {
  for (const std::string text :
       {"", "plain", "tab\tand\nnewline", "é ß 日本語 😀", "\u200F\u05D0"}) {
    EXPECT_EQ(clean_text(text), text);
  }
}

// The Unicode Standard 15, table 3-8: E1 80 | E2 | F0 91 92 | F1 BF | 41 gives one U+FFFD for each
// maximal part.
TEST(CleanText, ReplacesEachMaximalIllFormedPartAsTheUnicodeStandardShows) {
  EXPECT_EQ(clean_text("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFDA");
}

// Table 3-9: C0 AF E0 80 BF F0 81 82 41, overlong forms: every byte is a part of its own.
TEST(CleanText, ReplacesEachByteOfOverlongForms) {
  std::string expected;
  for (int i = 0; i < 8; ++i) expected += "\uFFFD";
  EXPECT_EQ(clean_text("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), expected + "A");
}

TEST(CleanText, ReplacesSurrogatesAndWhatLiesPastUnicode) {
  EXPECT_EQ(clean_text("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(clean_text("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(CleanText, DisarmsControlsAndWritingDirection) {
  EXPECT_EQ(clean_text(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(clean_text("\x1B[31mred\x7F"), "\uFFFD[31mred\uFFFD");
  EXPECT_EQ(clean_text("\u009B"), "\uFFFD");  // the one-byte form of ESC [
  EXPECT_EQ(clean_text("cod\u202Egpj.exe\u2069"), "cod[U+202E]gpj.exe[U+2069]");
  EXPECT_EQ(clean_text("one\r\ntwo\rthree"), "one\ntwo\nthree");
  EXPECT_EQ(clean_line("one\n\ttwo"), "one  two");
}

TEST(CleanText, IsWellFormedAndStableOnRandomBytes) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int trial = 0; trial < 2000; ++trial) {
      std::string bytes(random() % 24, '\0');
      for (char& c : bytes)
        c = static_cast<char>(random() % 4 == 0 ? random() % 128 : 128 + random() % 128);
      const std::string clean = clean_text(bytes);
      EXPECT_FALSE(first_invalid_utf8(clean).has_value());
      EXPECT_EQ(clean_text(clean), clean);
    }
  }
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("é"), 1u);
  EXPECT_EQ(display_width("e\u0301"), 1u);  // a combining accent takes no column
  EXPECT_EQ(display_width("日本"), 4u);
}

TEST(CutToWidth, EndsWithAnEllipsisAndNeverExceedsTheWidth) {
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 4), "abc…");
  EXPECT_EQ(cut_to_width("日本語", 4),
            "日…");  // 2 + 1: the next wide one would be a column too much
  EXPECT_EQ(cut_to_width("abc", 1), "…");
}

}  // namespace
}  // namespace assay::report
