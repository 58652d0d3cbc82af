#include "io/block_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// CRC-32 of zip (IEEE 802.3), bit by bit.
uint32_t crc32(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

TEST(Crc32, MatchesThePublishedCheckValue) { EXPECT_EQ(crc32("123456789"), 0xcbf43926u); }

// The fixtures on which the reference encoder's output is known: 512 values of a linear
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

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// float32 to IEEE half, round to nearest even, of a finite value within its range.
uint16_t to_half(float value) {
  const uint32_t sign = (std::bit_cast<uint32_t>(value) >> 16) & 0x8000u;
  const double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude == 0) return static_cast<uint16_t>(sign);
  int exponent = std::max(std::ilogb(magnitude), -14);
  const double step = std::ldexp(1.0, exponent - 10);
  const auto units =
      static_cast<uint32_t>(std::nearbyint(magnitude / step));  // ties to even; 2048 carries
  const uint32_t normal =
      exponent == -14 && units < 1024 ? 0 : static_cast<uint32_t>(exponent + 15) << 10;
  return static_cast<uint16_t>(sign | (normal + units - (normal ? 1024 : 0)));
}

void put_half(std::string& out, float value) {
  const uint16_t half = to_half(value);
  out.append(reinterpret_cast<const char*>(&half), sizeof half);
}

std::string encode_f16(const std::vector<float>& x) {
  std::string out;
  for (const float value : x) put_half(out, value);
  return out;
}

std::string encode_bf16(const std::vector<float>& x) {
  std::string out;
  for (const float value : x) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const auto rounded = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    out.append(reinterpret_cast<const char*>(&rounded), sizeof rounded);
  }
  return out;
}

// d = amax / 127, q = roundf(x / d) with the float32 d.
std::string encode_q8_0(const std::vector<float>& x) {
  std::string out;
  for (size_t b = 0; b < x.size(); b += 32) {
    float amax = 0;
    for (size_t i = 0; i < 32; ++i) amax = std::max(amax, std::fabs(x[b + i]));
    const float d = amax / 127.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    for (size_t i = 0; i < 32; ++i) out += static_cast<char>(std::round(x[b + i] * inverse));
  }
  return out;
}

void put_nibbles(std::string& out, const std::vector<int>& q) {
  for (size_t i = 0; i < 16; ++i) out += static_cast<char>(q[i] | (q[i + 16] << 4));
}

// d = m / -8 with m the signed element of largest magnitude, the first on ties.
std::string encode_q4_0(const std::vector<float>& x) {
  std::string out;
  for (size_t b = 0; b < x.size(); b += 32) {
    float m = 0;
    for (size_t i = 0; i < 32; ++i) {
      if (std::fabs(x[b + i]) > std::fabs(m)) m = x[b + i];
    }
    const float d = m / -8.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    std::vector<int> q;
    for (size_t i = 0; i < 32; ++i)
      q.push_back(std::min(15, static_cast<int>(x[b + i] * inverse + 8.5f)));
    put_nibbles(out, q);
  }
  return out;
}

// d = (max - min) / 15, m = min.
std::string encode_q4_1(const std::vector<float>& x) {
  std::string out;
  for (size_t b = 0; b < x.size(); b += 32) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(b);
    const auto [min, max] = std::minmax_element(begin, begin + 32);
    const float d = (*max - *min) / 15.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    put_half(out, *min);
    std::vector<int> q;
    for (size_t i = 0; i < 32; ++i) {
      q.push_back(std::min(15, static_cast<int>((x[b + i] - *min) * inverse + 0.5f)));
    }
    put_nibbles(out, q);
  }
  return out;
}

std::vector<float> decode(std::string_view name, std::string_view blocks) {
  const auto* format = block_format_by_name(name);
  std::vector<float> values(blocks.size() / format->block_bytes * format->block_elements);
  decode_blocks(*format, std::as_bytes(std::span(blocks)), values);
  return values;
}

struct Golden {
  std::string_view name;
  std::string (*encode)(const std::vector<float>&);
  uint32_t crc, decoded_crc, edge_crc;
  double relative_error;  // sum of squared errors over sum of squares, to the digits given
};

// From the reference encoder and decoder of ggml, compiled without contraction.
constexpr Golden kGolden[] = {
    {"F16", encode_f16, 0x19b7933c, 0xf02bbab3, 0x27162393, 0},
    {"BF16", encode_bf16, 0x2868ca03, 0x5460c934, 0xc46c5412, 0.000002},
    {"Q8_0", encode_q8_0, 0x96cd319b, 0xa2e1b6a1, 0x274a7a62, 0.000026},
    {"Q4_0", encode_q4_0, 0x2dbe7fee, 0x4676cd12, 0x66f4ed6c, 0.006394},
    {"Q4_1", encode_q4_1, 0x864dcef7, 0x309312d3, 0x8d3812c0, 0.005577},
};

TEST(BlockFormats, DecodeWhatTheReferenceDecodes) {
  const auto x = fixture(42), edges = edge_fixture();
  ASSERT_EQ(crc32(bytes_of(x)), 0xdbf6b438u);
  ASSERT_EQ(crc32(bytes_of(edges)), 0x2f827d54u);
  for (const auto& golden : kGolden) {
    SCOPED_TRACE(golden.name);
    const auto blocks = golden.encode(x);
    ASSERT_EQ(crc32(blocks), golden.crc);  // the encoder here is the reference's, bit for bit
    EXPECT_EQ(crc32(golden.encode(edges)), golden.edge_crc);
    const auto decoded = decode(golden.name, blocks);
    EXPECT_EQ(crc32(bytes_of(decoded)), golden.decoded_crc);
    double errors = 0, squares = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      errors += std::pow(double{x[i]} - double{decoded[i]}, 2);
      squares += std::pow(double{x[i]}, 2);
    }
    EXPECT_NEAR(errors / squares, golden.relative_error, 1e-6);
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
      {"Q5_0", {0}},    {"Q5_1", {0, 2}}, {"Q2_K", {80, 82}}, {"Q3_K", {108}}, {"Q4_K", {0, 2}},
      {"Q5_K", {0, 2}}, {"Q6_K", {208}},  {"IQ4_NL", {0}},    {"IQ4_XS", {0}}, {"MXFP4", {}, {0}}};
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
      bytes += one;
    }
    const uint32_t expected =
        static_cast<uint32_t>(std::stoul(golden[type.name].get<std::string>(), nullptr, 16));
    EXPECT_EQ(crc32(bytes_of(decode(type.name, bytes))), expected) << type.name;
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

TEST(BlockFormats, HalvesDecodeExactly) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x03ff), 0x1p-14f - 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_to_float(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(half_to_float(0x7e01)));
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = half_to_float(static_cast<uint16_t>(half));
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(to_half(value), half);
  }
  EXPECT_EQ(bfloat16_to_float(0x3f80), 1.0f);
}

TEST(BlockFormats, ManyThreadsGiveWhatOneGives) {
  const auto one = fixture(42);
  const auto blocks = encode_q4_1(one), decoded = std::string(bytes_of(decode("Q4_1", blocks)));
  std::string many_blocks, many_decoded;
  for (int i = 0; i < 4000; ++i) {  // 2 million elements, which are split
    many_blocks += blocks;
    many_decoded += decoded;
  }
  EXPECT_TRUE(bytes_of(decode("Q4_1", many_blocks)) == many_decoded);
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
  EXPECT_THAT(refusal("IQ2_XXS"), HasSubstr("type IQ2_XXS is not decoded; F32, F16, Q4_0,"));
}

// The first block of fixture 42, byte by byte.
TEST(BlockFormats, FirstBlocksAreThoseOfTheReference) {
  const auto hex = [](std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
      const auto byte = static_cast<uint8_t>(c);
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  };
  const auto x = fixture(42);
  EXPECT_EQ(hex(encode_q8_0(x).substr(0, 34)),
            "fb20a8967e145dd14da24c49e4fadfce3ee71bdbddd97fb054c02236b9c602e83430");
  EXPECT_EQ(hex(encode_q4_0(x).substr(0, 18)), "f1b06eafa0a702db33ce6353cac88aab545a");
  EXPECT_EQ(hex(encode_q4_1(x).substr(0, 20)), "d73022bc91405f48fd24cc319cac25367554aba5");
}

}  // namespace
}  // namespace assay
