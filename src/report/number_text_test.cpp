#include "report/number_text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace assay::report {
namespace {

TEST(NumberText, KeepsAboutFourDigits) {
  EXPECT_EQ(number_text(0.0421), "0.042");
  EXPECT_EQ(number_text(-1.5), "−1.500");
  EXPECT_EQ(number_text(12.345), "12.35");
  EXPECT_EQ(number_text(1234.56), "1234.6");
  EXPECT_EQ(number_text(2.5e9), "2.5e+09");
  EXPECT_EQ(number_text(-0.0001), "0.000");  // no signed zero
  EXPECT_EQ(number_text(INFINITY), "∞");
  EXPECT_EQ(number_text(kNoNumber), "–");
}

TEST(DifferenceText, ShowsSignsAndTheInterval) {
  EXPECT_EQ(difference_text({-0.07, -0.103, 0.0371}), "−0.070 [−0.103, +0.037]");
  EXPECT_EQ(difference_text({.value = 0.02}), "+0.020");
}

// ln 1.10 = 0.0953; of a ratio everything is shown as a ratio: exp(0.031) = 1.0315.
TEST(EffectText, ShowsRatiosOnTheScaleOfTheirMargin) {
  Result r;
  r.is_ratio = true;
  r.margin = 1.1;
  r.mde = 0.031;
  r.difference = {-0.165, -0.183, -0.143};
  r.ratio = {1.179, 1.153, 1.201};
  EXPECT_EQ(effect_text(r), "×1.179 [1.153, 1.201]");
  EXPECT_EQ(margin_text(r), "×1.100");
  EXPECT_EQ(mde_text(r), "×1.031");
  EXPECT_NEAR(margin_of_difference(r), 0.0953, 5e-5);
  EXPECT_NEAR(harm_in_margins(r), -0.165 / 0.0953, 1e-3);
}

TEST(HarmInMargins, CountsAnyShiftOfASignedBiasAsHarm) {
  Result r;
  r.margin = 0.05;
  r.difference.value = 0.1;
  EXPECT_DOUBLE_EQ(harm_in_margins(r), 2);
  r.direction = "towards zero";
  EXPECT_DOUBLE_EQ(harm_in_margins(r), -2);
}

TEST(SmallTexts, ReadAsInTheTables) {
  EXPECT_EQ(p_text(0.0004), "< 0.001");
  EXPECT_EQ(p_text(0.0126), "0.013");
  EXPECT_EQ(error_text(0.031249), "0.0312");
  EXPECT_EQ(error_text(0.000021), "2.1e-05");
  EXPECT_EQ(error_text(0), "0");
  EXPECT_EQ(error_text(kNoNumber), "–");
  EXPECT_EQ(percent_text(0.5), "50.0 %");
  EXPECT_EQ(size_text(91.66e6), "91.7 MB");
  EXPECT_EQ(size_text(13.5e9), "13.50 GB");
  EXPECT_EQ(count_text(int64_t{134515008}), "134\u202F515\u202F008");
  EXPECT_EQ(count_text(int64_t{999}), "999");
  EXPECT_EQ(count_text(612.4), "612");
}

}  // namespace
}  // namespace assay::report
