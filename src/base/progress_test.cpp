#include "base/progress.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(DurationText, RoundsToWhatAReaderNeeds) {
  EXPECT_EQ(duration_text(2.6), "3 s");
  EXPECT_EQ(duration_text(125), "2 min 05 s");
  EXPECT_EQ(duration_text(4020), "1 h 07 min");
  EXPECT_EQ(duration_text(-1), "0 s");
}

TEST(Progress, OffATerminalWritesPlainLinesWithTheTimeLeft) {
  testing::internal::CaptureStderr();
  {
    Progress progress(10);
    progress.stage("base: stereoqa");
    progress.skip(4);
    progress.note("resumed");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text, "  0 %  estimating  base: stereoqa\nresumed\n");
}

}  // namespace
}  // namespace assay
