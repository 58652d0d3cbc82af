#include "compare/overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/philox.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(OverlapWords, LowerCaseWithoutPunctuation) {
  EXPECT_THAT(overlap_words("Don't STOP,\n\tthe  \"Café\" (n°12)!"),
              ElementsAre("dont", "stop", "the", "café", "n12"));
  EXPECT_THAT(overlap_words("--- ... !"), IsEmpty());
  EXPECT_THAT(overlap_words("ÉCOLE ЁЖ"), ElementsAre("école", "ёж"));
  EXPECT_THAT(overlap_words("a\xff"
                            "b"),
              ElementsAre("a", "b"));
}

std::string words(int first, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "w" + std::to_string(first + i) + " ";
  return text;
}

TEST(Overlap, ThirteenWordsInARow) {
  const auto index = index_calibration(std::vector{words(0, 100), words(1000, 100)});
  const std::vector items{words(40, 13),                  // a run of 13
                          "x " + words(40, 13) + " y",    // inside a longer item
                          words(40, 12) + " x x x",       // 12 of an item of 15
                          words(95, 5) + words(1000, 8),  // across two documents
                          words(500, 20)};
  const auto overlap = find_overlap(index, items);
  EXPECT_THAT(overlap.items, ElementsAre(0, 1));
  EXPECT_EQ(overlap.num_eligible, 5);
  EXPECT_DOUBLE_EQ(overlap.share(), 0.4);
  EXPECT_EQ(overlap.warning(), "2 of 5 items (40.0 %) overlap with the calibration text");
}

TEST(Overlap, ShortItemsWhole) {
  const auto index = index_calibration(std::vector{words(0, 100)});
  const std::vector items{words(10, 8), words(10, 12), words(10, 7), words(10, 9) + " x",
                          words(92, 8)};
  const auto overlap = find_overlap(index, items);
  EXPECT_THAT(overlap.items, ElementsAre(0, 1, 4));
  EXPECT_EQ(overlap.num_eligible, 4);
  EXPECT_EQ(overlap.num_items, 5);
}

// A planted item is found whatever its case and punctuation; the same words in another order are
// not.
TEST(Overlap, FindsWhatWasPlanted) {
  PhiloxStream random(3, 0);
  std::string document;
  for (int i = 0; i < 5000; ++i) document += "v" + std::to_string(random.below(200)) + " ";
  const std::string planted =
      "the Nurse told the doctor: \"you can't, I think, leave before the shift is over!\"";
  const auto index = index_calibration(std::vector{document + planted + " " + document});
  std::vector<std::string> items{
      "The nurse told the doctor you cant I think leave before the shift is over",
      "Over is shift the before leave think I can't you doctor the told nurse the"};
  for (int i = 0; i < 198; ++i) items.push_back(words(10000 + 20 * i, 15));
  const auto overlap = find_overlap(index, items);
  EXPECT_THAT(overlap.items, ElementsAre(0));
  EXPECT_FALSE(overlap.warning());  // 0.5 % of the items
  EXPECT_FALSE(find_overlap(index, {}).warning());
}

}  // namespace
}  // namespace assay
