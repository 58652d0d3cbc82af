#include "io/block_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/small_floats.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// CRC-32 of zip.
uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

void put_half(std::string& out, float value) {
  const uint16_t half = float_to_half(value);
  out.append(reinterpret_cast<const char*>(&half), sizeof half);
}

std::vector<float> decode(std::string_view name, std::string_view blocks) {
  const auto* format = block_format_by_name(name);
  std::vector<float> values(blocks.size() / format->block_bytes * format->block_elements);
  decode_blocks(*format, std::as_bytes(std::span(blocks)), values);
  return values;
}

// The half of IQ1_M lies in the high nibbles of four words.
void put_spread_half(std::string& block, int number) {
  const uint16_t half = float_to_half(static_cast<float>(0.01 * (1 + number % 7)));
  for (size_t k = 0; k < 4; ++k) {
    char& high = block[49 + 2 * k];
    high = static_cast<char>((high & 15) | (half >> (4 * k) & 15) << 4);
  }
}

// Pseudorandom blocks as tests/golden/make_block_formats_golden.py makes them, decoded there by the
// gguf package.
TEST(BlockFormats, DecodeWhatTheGgufPackageDecodes) {
  struct Type {
    const char* name = "";
    std::vector<size_t> halves = {}, exponents = {};  // places of such fields in a block
  };
  const std::vector<Type> types{
      {"Q5_0", {0}},    {"Q5_1", {0, 2}}, {"Q2_K", {80, 82}}, {"Q3_K", {108}},  {"Q4_K", {0, 2}},
      {"Q5_K", {0, 2}}, {"Q6_K", {208}},  {"IQ4_NL", {0}},    {"IQ4_XS", {0}},  {"MXFP4", {}, {0}},
      {"IQ2_XXS", {0}}, {"IQ2_XS", {0}},  {"IQ2_S", {0}},     {"IQ3_XXS", {0}}, {"IQ3_S", {0}},
      {"IQ1_S", {0}},   {"IQ1_M"},        {"TQ1_0", {52}},    {"TQ2_0", {64}},  {"NVFP4"}};
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/block_formats.json";
  const Json golden = parse_json(read_file(path), path);
  ASSERT_EQ(golden.size(), types.size() + 1);
  for (const Type& type : types) {
    const size_t size = block_format_by_name(type.name)->block_bytes;
    uint32_t state = 42;
    std::string bytes;
    for (int block = 0; block < 40; ++block) {
      std::string one;
      for (size_t i = 0; i < size; ++i) {
        state = state * 1664525u + 1013904223u;
        one += static_cast<char>(state >> 24);
      }
      for (const size_t place : type.halves) {
        std::string half;
        put_half(half, static_cast<float>(0.01 * (1 + block % 7)));
        one.replace(place, 2, half);
      }
      for (const size_t place : type.exponents)
        one[place] = static_cast<char>(100 + static_cast<uint8_t>(one[place]) % 40);
      if (std::string_view(type.name) == "IQ1_M") put_spread_half(one, block);
      bytes += one;
    }
    const uint32_t expected =
        static_cast<uint32_t>(std::stoul(golden[type.name].get<std::string>(), nullptr, 16));
    EXPECT_EQ(crc32_of(bytes_of(decode(type.name, bytes))), expected) << type.name;
  }
}

// By hand: d = 0.5, m = -1; byte 0x21 holds 1 for element 0 and 2 for element 16.
TEST(BlockFormats, MatchHandDecodedBlocks) {
  std::string q4_1;
  put_half(q4_1, 0.5f);
  put_half(q4_1, -1.0f);
  q4_1 += std::string("\x21") + std::string(15, '\0');
  const auto a = decode("Q4_1", q4_1);
  EXPECT_EQ(a[0], -0.5f);
  EXPECT_EQ(a[16], 0.0f);
  EXPECT_EQ(a[1], -1.0f);
  std::string q4_0;
  put_half(q4_0, 2.0f);
  q4_0 += std::string("\x0f") + std::string(15, '\x88');
  const auto b = decode("Q4_0", q4_0);
  EXPECT_EQ(b[0], 14.0f);    // 2 * (15 - 8)
  EXPECT_EQ(b[16], -16.0f);  // 2 * (0 - 8)
  EXPECT_EQ(b[31], 0.0f);
  std::string q8_0;
  put_half(q8_0, 0.25f);
  q8_0 += std::string("\x80\x7f") + std::string(30, '\0');
  const auto c = decode("Q8_0", q8_0);
  EXPECT_EQ(c[0], -32.0f);
  EXPECT_EQ(c[1], 31.75f);
}

// Whole numbers and doubles are values: rounded to float32.
TEST(BlockFormats, NumbersAreValues) {
  const auto decoded = [](std::string_view type, auto... values) {
    std::string bytes;
    (bytes.append(reinterpret_cast<const char*>(&values), sizeof values), ...);
    return decode(type, bytes);
  };
  EXPECT_THAT(decoded("I8", int8_t{-128}, int8_t{7}), ElementsAre(-128.0f, 7.0f));
  EXPECT_THAT(decoded("I16", int16_t{-300}), ElementsAre(-300.0f));
  EXPECT_THAT(decoded("I32", int32_t{16777217}), ElementsAre(16777216.0f));
  EXPECT_THAT(decoded("I64", int64_t{1} << 40), ElementsAre(0x1p40f));
  EXPECT_THAT(decoded("F64", 0.1, -2.5), ElementsAre(0.1f, -2.5f));
}

TEST(BlockFormats, ManyThreadsGiveWhatOneGives) {
  const BlockFormat& q4_1 = *block_format_by_name("Q4_1");
  std::vector<float> row(512);
  for (size_t i = 0; i < row.size(); ++i) row[i] = std::sin(static_cast<float>(i));
  std::string blocks(320, '\0');
  encode_blocks(q4_1, row, row.size(), {}, std::as_writable_bytes(std::span(blocks)));
  const std::string decoded(bytes_of(decode("Q4_1", blocks)));
  std::string many_blocks, many_decoded;
  std::vector<float> many_rows;
  for (int i = 0; i < 4000; ++i) {  // 2 million elements, which are split
    many_blocks += blocks;
    many_decoded += decoded;
    many_rows.insert(many_rows.end(), row.begin(), row.end());
  }
  EXPECT_TRUE(bytes_of(decode("Q4_1", many_blocks)) == many_decoded);
  std::string encoded(many_blocks.size(), '\0');
  encode_blocks(q4_1, many_rows, row.size(), {}, std::as_writable_bytes(std::span(encoded)));
  EXPECT_TRUE(encoded == many_blocks);
}

TEST(BlockFormats, RefusesUnknownTypesAndWrongSizes) {
  EXPECT_EQ(block_format_by_id(4), nullptr);  // Q4_2 was removed from the format
  EXPECT_EQ(block_format_by_id(12)->name, "Q4_K");
  EXPECT_EQ(block_format_by_name("Q9"), nullptr);
  EXPECT_EQ(bits_per_element(*block_format_by_name("Q4_1")), 5.0);
  std::vector<float> out(32);
  const std::string bytes(20, '\0');
  const auto refusal = [&](std::string_view name) -> std::string {
    try {
      decode_blocks(*block_format_by_name(name), std::as_bytes(std::span(bytes)), out);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal("Q4_1"), "accepted");
  EXPECT_THAT(refusal("Q4_0"), HasSubstr("20 bytes of Q4_0 do not hold 32 elements"));
  EXPECT_THAT(refusal("F32"), HasSubstr("do not hold 32 elements"));
  EXPECT_THAT(refusal("Q8_K"), HasSubstr("type Q8_K is not decoded; F32, F16, Q4_0,"));
}

}  // namespace
}  // namespace assay
