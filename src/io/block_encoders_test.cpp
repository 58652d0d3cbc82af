#include "io/block_encoders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "io/block_formats.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// The fixtures on which the reference encoder's output is known: a row of 512 values of a linear
// congruential generator, exact in float32.
std::vector<float> fixture(uint32_t seed) {
  std::vector<float> values(512);
  for (auto& value : values) {
    int64_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      seed = seed * 1664525u + 1013904223u;
      sum += seed >> 16;
    }
    value = static_cast<float>(sum - 131070) / 65536.0f;
  }
  return values;
}

// Edge cases: a block of zeros, of one sign, of one value, of tiny and of large values, and a zero
// half.
std::vector<float> edge_fixture() {
  auto x = fixture(7);
  for (size_t i = 0; i < 32; ++i) {
    x[i] = 0;
    x[32 + i] = std::fabs(x[32 + i]);
    x[64 + i] = 0.25f;
    x[96 + i] *= 0x1p-20f;
    x[128 + i] *= 1000.0f;
  }
  std::fill(x.begin() + 256, x.end(), 0.0f);
  return x;
}

// v_j = 1 + j mod 7.
std::vector<float> importance_of_columns() {
  std::vector<float> v;
  for (size_t j = 0; j < 512; ++j) v.push_back(static_cast<float>(1 + j % 7));
  return v;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string encode(std::string_view type, const std::vector<float>& rows, size_t row_length,
                   const std::vector<float>& importance = {}) {
  const BlockFormat& format = *block_format_by_name(type);
  std::string blocks(rows.size() / format.block_elements * format.block_bytes, '\xaa');
  encode_blocks(format, rows, row_length, importance, std::as_writable_bytes(std::span(blocks)));
  return blocks;
}

std::vector<float> decode(std::string_view type, std::string_view blocks) {
  const BlockFormat& format = *block_format_by_name(type);
  std::vector<float> values(blocks.size() / format.block_bytes * format.block_elements);
  decode_blocks(format, std::as_bytes(std::span(blocks)), values);
  return values;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

struct Golden {
  std::string_view name;
  uint32_t crc, decoded_crc;
  double relative_error;    // sum of squared errors over sum of squares, to the digits given
  uint32_t importance_crc;  // 0: importance is refused by no type; those without a use ignore it
  uint32_t edge_crc, edge_importance_crc;
};

// From the reference encoder and decoder of ggml, compiled without contraction.
constexpr Golden kGolden[] = {
    {"F16", 0x19b7933c, 0xf02bbab3, 0, 0x19b7933c, 0x27162393, 0x27162393},
    {"BF16", 0x2868ca03, 0x5460c934, 0.000002, 0x2868ca03, 0xc46c5412, 0xc46c5412},
    {"Q8_0", 0x96cd319b, 0xa2e1b6a1, 0.000026, 0x96cd319b, 0x274a7a62, 0x274a7a62},
    {"Q4_0", 0x2dbe7fee, 0x4676cd12, 0.006394, 0x289f9398, 0x66f4ed6c, 0x5e026cf9},
    {"Q4_1", 0x864dcef7, 0x309312d3, 0.005577, 0x8e1fe22a, 0x8d3812c0, 0xabf7c448},
    {"Q5_0", 0xd1b819f0, 0x8d1a8725, 0.001656, 0xf46d0650, 0x64a45b74, 0xdfb3763d},
    {"Q5_1", 0x74b252b6, 0x611b4d75, 0.001332, 0x350810ed, 0xb47d7bd2, 0x5dbc0485},
    {"Q2_K", 0x1a7e4303, 0x91c873b7, 0.086152, 0x5085daec, 0xc31c4233, 0x47d18f72},
    {"Q3_K", 0x39bd02d9, 0x1a7ed926, 0.021060, 0x27e8f3de, 0xf6a4f801, 0xbfe40de0},
    {"Q4_K", 0x3cb5b5a4, 0xa4bcbe2a, 0.004827, 0x828ebc76, 0xe6b38bb0, 0xfac6c459},
    {"Q5_K", 0x11303b44, 0xaca880f1, 0.001158, 0x338a11e1, 0x51dd3c97, 0x4523e8cc},
    {"Q6_K", 0x11d62275, 0x49b44828, 0.000291, 0xbab6f1b9, 0x0abf7d6b, 0x32e9e0e2},
    {"IQ4_NL", 0x7d0585df, 0x5cf6cc37, 0.005375, 0x670a7664, 0xcd11b114, 0x58f861b7},
    {"IQ4_XS", 0x63a4dbbe, 0x76431911, 0.005418, 0xff840579, 0x2fcc925a, 0xe5606dae},
    {"MXFP4", 0x00d90f68, 0x871df61e, 0.011869, 0x00d90f68, 0x9b77fec2, 0x9b77fec2},
    {"NVFP4", 0x53de2b5d, 0x61052d39, 0.009017, 0x53de2b5d, 0xd1773f70, 0xd1773f70},
};

TEST(BlockEncoders, GiveTheBytesOfTheReference) {
  const auto x = fixture(42), edges = edge_fixture(), v = importance_of_columns();
  ASSERT_EQ(crc32_of(bytes_of(x)), 0xdbf6b438u);
  ASSERT_EQ(crc32_of(bytes_of(edges)), 0x2f827d54u);
  for (const auto& golden : kGolden) {
    SCOPED_TRACE(golden.name);
    const auto blocks = encode(golden.name, x, 512);
    EXPECT_EQ(crc32_of(blocks), golden.crc);
    EXPECT_EQ(crc32_of(encode(golden.name, x, 512, v)), golden.importance_crc);
    EXPECT_EQ(crc32_of(encode(golden.name, edges, 512)), golden.edge_crc);
    EXPECT_EQ(crc32_of(encode(golden.name, edges, 512, v)), golden.edge_importance_crc);
    const auto decoded = decode(golden.name, blocks);
    EXPECT_EQ(crc32_of(bytes_of(decoded)), golden.decoded_crc);
    double errors = 0, squares = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      errors += std::pow(double{x[i]} - double{decoded[i]}, 2);
      squares += std::pow(double{x[i]}, 2);
    }
    EXPECT_NEAR(errors / squares, golden.relative_error, 1e-6);
  }
}

TEST(BlockEncoders, FirstBlocksAreThoseOfTheReference) {
  const auto x = fixture(42);
  const auto first = [&](std::string_view type, size_t bytes) {
    return hex(encode(type, x, 512).substr(0, bytes));
  };
  EXPECT_EQ(first("Q8_0", 34),
            "fb20a8967e145dd14da24c49e4fadfce3ee71bdbddd97fb054c02236b9c602e83430");
  EXPECT_EQ(first("Q4_0", 18), "f1b06eafa0a702db33ce6353cac88aab545a");
  EXPECT_EQ(first("Q4_1", 20), "d73022bc91405f48fd24cc319cac25367554aba5");
  EXPECT_EQ(first("Q5_0", 22), "f1aca3bcae3cdb5d405e04a6568cc6979471043698a3");
  EXPECT_EQ(first("IQ4_NL", 18), "d7a06ebfb0b601ec22de5242dac88bac434a");
  EXPECT_EQ(first("MXFP4", 17), "7d2dbeb6b266dc55ce3545dac90bac444a");
  EXPECT_EQ(first("Q4_K", 20), "f1199d25f4fce9eaafffa2ecd0888f3791d06f98");
}

// Blocks are encoded side by side, also of different rows: each must come out as it does alone.
TEST(BlockEncoders, ARowDoesNotDependOnItsNeighbours) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  constexpr size_t kRows = 5, kLength = 768;
  std::vector<float> rows(kRows * kLength), v(kLength);
  for (float& value : rows) value = normal(random);
  for (float& value : v) value = std::fabs(normal(random));
  for (const auto& golden : kGolden) {
    SCOPED_TRACE(golden.name);
    std::string plain, weighted;
    for (size_t r = 0; r < kRows; ++r) {
      const auto at = rows.begin() + static_cast<std::ptrdiff_t>(r * kLength);
      const std::vector<float> row(at, at + kLength);
      plain += encode(golden.name, row, kLength);
      weighted += encode(golden.name, row, kLength, v);
    }
    EXPECT_TRUE(encode(golden.name, rows, kLength) == plain);
    EXPECT_TRUE(encode(golden.name, rows, kLength, v) == weighted);
  }
}

// 0 of a pruned model stays 0 in the types that the export says it does.
TEST(BlockEncoders, ZerosStayWhereTheTypeHasAZero) {
  auto x = fixture(3);
  for (size_t i = 0; i < x.size(); i += 2) x[i] = 0;
  for (const std::string_view type :
       {"F16", "BF16", "Q8_0", "Q4_0", "Q5_0", "Q3_K", "Q6_K", "MXFP4", "NVFP4"}) {
    const auto decoded = decode(type, encode(type, x, 512));
    for (size_t i = 0; i < x.size(); i += 2) ASSERT_EQ(decoded[i], 0.0f) << type << ' ' << i;
  }
}

// Q8_0 by its definition, with the library's rounding of halves.
TEST(BlockEncoders, Q80IsItsDefinition) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> x(32);
    for (float& value : x) value = std::ldexp(std::round(normal(random) * 64), -7);  // many halves
    x[0] = 127.0f * 0.0078125f;
    float most = 0;
    for (const float value : x) most = std::max(most, std::fabs(value));
    const auto blocks = encode("Q8_0", x, 32);
    for (size_t i = 0; i < 32; ++i) {
      const float expected = std::round(x[i] * (1.0f / (most / 127.0f)));
      ASSERT_EQ(static_cast<int8_t>(blocks[2 + i]), static_cast<int>(expected));
    }
  }
}

TEST(BlockEncoders, RefuseWhatTheyCannotEncode) {
  std::vector<float> x(64, 1.0f), v(32, 1.0f);
  std::string out(36, '\0');
  const auto refusal = [&](std::string_view type, size_t row_length) -> std::string {
    try {
      encode_blocks(*block_format_by_name(type), x, row_length, v,
                    std::as_writable_bytes(std::span(out)));
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal("Q4_0", 32), "accepted");
  EXPECT_THAT(refusal("Q4_0", 24), HasSubstr("64 values are not rows of 24 in blocks of 32"));
  EXPECT_THAT(refusal("Q8_0", 32), HasSubstr("64 values of Q8_0 do not take 36 bytes"));
  EXPECT_THAT(refusal("Q4_0", 64), HasSubstr("an importance of 32 columns for rows of 64"));
  EXPECT_THAT(refusal("IQ2_XS", 32), HasSubstr("type IQ2_XS is not written; F32, F16, Q4_0,"));
  v[3] = -1;
  EXPECT_THAT(refusal("Q4_0", 32), HasSubstr("importance -1 is negative or not finite"));
  v[3] = 1;
  x[40] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal("Q4_0", 32), HasSubstr("row 1, column 8 is nan"));
}

TEST(BlockEncoders, ThreadsChangeNothing) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> rows(300 * 512), v(512, 1.0f);
  for (float& value : rows) value = normal(random);
  const int64_t threads = num_threads();
  for (const std::string_view type : {"Q4_0", "Q4_K", "Q6_K", "IQ4_XS"}) {
    set_num_threads(1);
    const auto alone = encode(type, rows, 512, v);
    set_num_threads(4);
    EXPECT_TRUE(encode(type, rows, 512, v) == alone) << type;
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace assay
