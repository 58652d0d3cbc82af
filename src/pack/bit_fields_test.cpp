#include "pack/bit_fields.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace assay {
namespace {

std::vector<uint32_t> packed(const std::vector<uint8_t>& fields, int64_t bits,
                             Straddling straddling) {
  const auto count = static_cast<int64_t>(fields.size());
  std::vector<uint32_t> words(static_cast<size_t>(words_of_fields(count, bits, straddling)));
  pack_fields(fields.data(), count, bits, straddling, reinterpret_cast<std::byte*>(words.data()),
              1);
  std::vector<uint8_t> back(fields.size());
  unpack_fields(reinterpret_cast<const std::byte*>(words.data()), 1, bits, straddling, count,
                back.data());
  EXPECT_EQ(back, fields);
  return words;
}

using Words = std::vector<uint32_t>;

// The words of other programs' files for these fields.
TEST(BitFields, FillWordsFromTheLeastSignificantBit) {
  const auto stream = Straddling::kStream;
  EXPECT_EQ(packed({0, 1, 2, 3, 4, 5, 6, 7}, 4, stream), Words{0x76543210});
  EXPECT_EQ(packed({12, 0, 10, 14, 3, 7, 15, 1}, 4, stream), Words{0x1F73EA0C});
  EXPECT_EQ(packed({0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, 2, stream), Words{0xE4E4E4E4});
  EXPECT_EQ(packed({1, 2, 3, 255}, 8, stream), Words{0xFF030201});
}

TEST(BitFields, ThreeBitsAreAStreamOverThreeWords) {
  std::vector<uint8_t> by_eight(32), only_two(32), mixed(32);
  for (size_t i = 0; i < 32; ++i) {
    by_eight[i] = static_cast<uint8_t>(i % 8);
    only_two[i] = i == 10 || i == 21 ? 7 : 0;
    mixed[i] = static_cast<uint8_t>((5 * i + 3) % 8);
  }
  EXPECT_EQ(packed(by_eight, 3, Straddling::kStream), (Words{0x88FAC688, 0xC688FAC6, 0xFAC688FA}));
  EXPECT_EQ(packed(only_two, 3, Straddling::kStream), (Words{0xC0000000, 0x80000001, 0x00000003}));
  EXPECT_EQ(packed(mixed, 3, Straddling::kStream), (Words{0x43C67543, 0x7543C675, 0xC67543C6}));
}

TEST(BitFields, NeverStraddlingLeavesTheLastBitsOfAWordUnused) {
  EXPECT_EQ(packed({0, 1, 2, 3, 4, 5, 6, 7, 0, 7}, 3, Straddling::kNever), Words{0x38FAC688});
  EXPECT_EQ(words_of_fields(11, 3, Straddling::kNever), 2);
  EXPECT_EQ(words_of_fields(32, 3, Straddling::kStream), 3);
}

TEST(BitFields, WordsMayLieApart) {
  const std::vector<uint8_t> fields{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0};
  std::array<uint32_t, 4> words{};
  pack_fields(fields.data(), 16, 4, Straddling::kStream, reinterpret_cast<std::byte*>(words.data()),
              3);
  EXPECT_EQ(words, (std::array<uint32_t, 4>{0x87654321, 0, 0, 0x0FEDCBA9}));
}

TEST(BitFields, EveryWidthGoesThereAndBack) {
  for (int64_t bits = 1; bits <= 8; ++bits) {
    std::vector<uint8_t> fields;
    for (uint32_t i = 0; i < 70; ++i) {
      fields.push_back(static_cast<uint8_t>((i * 2654435761u >> 9) & ((1u << bits) - 1)));
    }
    packed(fields, bits, Straddling::kStream);
    packed(fields, bits, Straddling::kNever);
  }
}

}  // namespace
}  // namespace assay
