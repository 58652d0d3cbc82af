#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf_writer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    i += 2;
  }
  return bytes;
}

// The minimal file that the reference loader accepts: architecture "llama", alignment 32, t.a F32
// [3], t.b Q8_0 dims (32, 2). Metadata ends at byte 180, data begins at 192, the file has 320
// bytes.
std::string minimal_file() {
  auto file = from_hex(
      "47475546 03000000 0200000000000000 0200000000000000"
      "1400000000000000 67656e6572616c2e617263686974656374757265 08000000 0500000000000000"
      "6c6c616d61"
      "1100000000000000 67656e6572616c2e616c69676e6d656e74 04000000 20000000"
      "0300000000000000 742e61 01000000 0300000000000000 00000000 0000000000000000"
      "0300000000000000 742e62 02000000 2000000000000000 0200000000000000 08000000"
      "2000000000000000");
  EXPECT_EQ(file.size(), 180u);
  file.resize(192);
  const float a[3] = {1, -2, 3.5};
  file.append(reinterpret_cast<const char*>(a), sizeof a).resize(192 + 32);
  file.append(68, '\1').resize(320);
  return file;
}

// Offsets in the minimal file: 4 version, 8 tensors, 16 key-values; first key-value at 24 (length),
// value type at 52, string length at 56.
constexpr size_t kFirstKey = 24;
constexpr size_t kFirstValueType = kFirstKey + 8 + 20;
constexpr size_t kSecondKey = kFirstValueType + 4 + 8 + 5;
constexpr size_t kSecondValueType = kSecondKey + 8 + 17;
constexpr size_t kInfos = kSecondValueType + 4 + 4;
constexpr size_t kFirstDims = kInfos + 8 + 3;  // u32 count, u64 dim
constexpr size_t kSecondInfo = kFirstDims + 4 + 8 + 4 + 8;
constexpr size_t kSecondDims = kSecondInfo + 8 + 3;  // u32 count, 2 x u64, u32 type, u64 offset

GgufFile parse(std::string_view bytes) { return parse_gguf(std::as_bytes(std::span(bytes))); }

// The message of the Error(kCorruptFile) that parsing throws.
std::string refusal(std::string_view bytes) {
  try {
    parse(bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile) << e.what();
    return e.what();
  }
  return "accepted";
}

template <class T>
std::string with(size_t at, T value, std::string bytes = minimal_file()) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

TEST(Gguf, ReadsTheMinimalFile) {
  const auto bytes = minimal_file();
  const auto file = parse(bytes);
  EXPECT_EQ(file.version, 3u);
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("general.alignment"), 32);
  ASSERT_EQ(file.tensors.size(), 2u);
  const auto& a = file.tensors[0];
  EXPECT_EQ(a.name, "t.a");
  EXPECT_EQ(a.format->name, "F32");
  EXPECT_THAT(a.dims, ElementsAre(3));
  EXPECT_EQ(a.begin, 192u);
  EXPECT_EQ(a.end, 204u);
  const auto* b = file.find_tensor("t.b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->format->name, "Q8_0");
  EXPECT_THAT(b->dims, ElementsAre(32, 2));
  EXPECT_EQ(b->begin, 224u);
  EXPECT_EQ(b->end, 292u);
  EXPECT_EQ(file.find_tensor("t.c"), nullptr);
}

TEST(Gguf, TypedGettersNameTheKey) {
  const auto bytes = minimal_file();
  const auto file = parse(bytes);
  const auto message = [&](const std::function<void()>& get) -> std::string {
    try {
      get();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kCorruptFile);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message([&] { file.integer("llama.block_count"); }), "missing key 'llama.block_count'");
  EXPECT_EQ(message([&] { file.string("general.alignment"); }),
            "key 'general.alignment' must be a string");
  EXPECT_EQ(message([&] { file.strings("general.architecture"); }),
            "key 'general.architecture' must be an array of strings");
  EXPECT_EQ(file.find_integer("llama.block_count"), std::nullopt);
  EXPECT_EQ(file.number("general.alignment"), 32.0);
}

TEST(Gguf, FloatsReadAsTheShortestDecimal) {
  auto bytes = minimal_file();
  // general.alignment becomes general.alignmenX of type f32.
  bytes = with<uint32_t>(kSecondValueType, 6, bytes);
  bytes = with<float>(kSecondValueType + 4, 1e-5f, bytes);
  bytes[kSecondKey + 8 + 16] = 'X';
  EXPECT_EQ(parse(bytes).number("general.alignmenX"), 1e-5);
}

TEST(Gguf, RefusesWhatTheFormatForbids) {
  static_assert(kSecondDims + 4 + 16 + 4 + 8 == 180);
  EXPECT_EQ(refusal(minimal_file()), "accepted");
  EXPECT_THAT(refusal("GGUX" + minimal_file().substr(4)), HasSubstr("magic"));
  EXPECT_THAT(refusal(with<uint32_t>(4, 1)), HasSubstr("version 1"));
  EXPECT_THAT(refusal(with<uint32_t>(4, 4)), HasSubstr("version 4"));
  EXPECT_THAT(refusal(with<uint32_t>(4, 0x03000000)), HasSubstr("big-endian"));
  EXPECT_EQ(refusal(with<uint32_t>(4, 2)), "accepted");
  EXPECT_THAT(refusal(with<uint64_t>(8, 1u << 30)), HasSubstr("tensors cannot fit"));
  EXPECT_THAT(refusal(with<uint64_t>(16, ~0ull)), HasSubstr("key-values cannot fit"));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstKey, 70000)), HasSubstr("key claims 70000 bytes"));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstKey, 60000)),
              AllOf(HasSubstr("key at byte 32"), HasSubstr("needs 60000")));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstValueType + 4, ~0ull)), HasSubstr("the limit is"));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstValueType + 4, 1u << 29)), HasSubstr("needs 536870912"));
  EXPECT_THAT(refusal(with<uint32_t>(kFirstValueType, 13)), HasSubstr("unknown value type 13"));
  EXPECT_THAT(refusal(with<char>(kFirstKey + 8, '\xff')), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal(with<uint32_t>(kSecondValueType + 4, 33)), HasSubstr("general.alignment"));
  EXPECT_THAT(refusal(with<uint32_t>(kSecondValueType + 4, 4)), HasSubstr("general.alignment"));
  EXPECT_THAT(refusal(with<uint32_t>(kSecondValueType + 4, 0)), HasSubstr("general.alignment"));
  EXPECT_THAT(refusal(with<uint32_t>(kSecondValueType, 6)), HasSubstr("general.alignment"));
  EXPECT_THAT(refusal(with<uint64_t>(kInfos, 64)), HasSubstr("the limit is 63"));
  EXPECT_THAT(refusal(with<char>(kSecondInfo + 8 + 2, 'a')), HasSubstr("'t.a' appears twice"));
  EXPECT_THAT(refusal(with<uint32_t>(kFirstDims, 0)), HasSubstr("1 to 4 dims"));
  EXPECT_THAT(refusal(with<uint32_t>(kFirstDims, 5)), HasSubstr("1 to 4 dims"));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstDims + 4, 0)), HasSubstr("'t.a': dim 0 is 0"));
  EXPECT_THAT(refusal(with<uint64_t>(kSecondDims + 12, 1ull << 60)),
              HasSubstr("too many elements"));
  EXPECT_THAT(refusal(with<uint64_t>(kFirstDims + 4, (1ull << 62) + 1)), HasSubstr("'t.a'"));
  EXPECT_THAT(refusal(with<uint64_t>(kSecondDims + 4, 33)),
              HasSubstr("row length 33 is not a multiple of the 32"));
  EXPECT_THAT(refusal(with<uint32_t>(kSecondDims + 20, 4)), HasSubstr("unknown ggml type 4"));
  EXPECT_THAT(refusal(with<uint64_t>(kSecondDims + 24, 64)), HasSubstr("offset 64, expected 32"));
  EXPECT_THAT(refusal(with<uint64_t>(kSecondDims + 24, 0)), HasSubstr("offset 0, expected 32"));
  EXPECT_THAT(refusal(minimal_file().substr(0, 291)),
              AllOf(HasSubstr("'t.b'"), HasSubstr("beyond the end")));
  EXPECT_EQ(refusal(minimal_file().substr(0, 292)), "accepted");  // the last padding may be missing
}

TEST(Gguf, RefusesDuplicateKeys) {
  auto bytes = minimal_file();
  const auto second = bytes.substr(kSecondKey, kInfos - kSecondKey);
  bytes.insert(kSecondKey, second);
  EXPECT_THAT(refusal(with<uint64_t>(16, 3, bytes)), HasSubstr("appears twice"));
}

// An array in place of general.alignment under another name: type 9, element type, count, elements.
std::string with_array(uint32_t type, uint64_t count, std::string_view elements) {
  auto bytes = minimal_file();
  bytes[kSecondKey + 8] = 'x';
  std::string value(16, '\0');
  const uint32_t array = 9;
  std::memcpy(value.data(), &array, 4);
  std::memcpy(value.data() + 4, &type, 4);
  std::memcpy(value.data() + 8, &count, 8);
  return bytes.replace(kSecondValueType, 8, value.append(elements));
}

TEST(Gguf, RefusesHostileArraysBeforeAllocating) {
  EXPECT_THAT(refusal(with_array(9, 1, "")), HasSubstr("arrays of arrays"));
  EXPECT_THAT(refusal(with_array(5, (1ull << 30) + 1, "")), HasSubstr("the limit is"));
  EXPECT_THAT(refusal(with_array(5, 1ull << 30, "")), HasSubstr("needs 4294967296 bytes"));
  EXPECT_THAT(refusal(with_array(8, 1ull << 30, "")), HasSubstr("strings cannot fit"));
  EXPECT_THAT(refusal(with_array(7, 1, "\x02")), HasSubstr("a bool must be 0 or 1, got 2"));
  EXPECT_THAT(refusal(with_array(77, 1, "\x02")), HasSubstr("unknown element type 77"));
}

TEST(Gguf, ReadsArrays) {
  auto bytes = with_array(5, 2, std::string_view("\xff\xff\xff\xff\x07\0\0\0", 8));
  // The value grew by 16 bytes, and so the data would begin at 208; it stays packed once padded to
  // 224.
  bytes.insert(180 + 16, std::string(28 - 12, '\0'));
  EXPECT_THAT(parse(bytes).integers("xeneral.alignment"), ElementsAre(-1, 7));
}

TEST(Gguf, DamagedFilesNeverCrash) {
  const auto whole = minimal_file();
  for (size_t size = 0; size < 292; ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    auto bytes = whole;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % 180] ^= static_cast<char>(1u << (random() % 8));
    }
    refusal(bytes);  // any Error(kCorruptFile), or a file that still makes sense
  }
}

TEST(Gguf, OpenNamesTheFile) {
  const std::string path = ::testing::TempDir() + "assay_bad.gguf";
  write_file_atomic(path, "GGUF");
  try {
    open_gguf(path);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("assay_bad.gguf"), HasSubstr("version")));
  }
  write_file_atomic(path, minimal_file());
  EXPECT_EQ(open_gguf(path).tensors.front().mapping->bytes().size(), 320u);
}

// Three parts of one tensor each, the values in the first.
class SplitGguf : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_split_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (uint64_t part = 0; part < 3; ++part) write_part(part, part, "t" + std::to_string(part));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path part(uint64_t place) const {
    return folder_ / ("m-0000" + std::to_string(place + 1) + "-of-00003.gguf");
  }

  // The file in this place says that it is part `number`.
  void write_part(uint64_t place, uint64_t number, const std::string& tensor,
                  uint64_t announced = 3) const {
    std::vector<std::pair<std::string, GgufValue>> values{
        {"split.no", number}, {"split.count", uint64_t{3}}, {"split.tensors.count", announced}};
    if (place == 0) values.emplace_back("general.architecture", std::string("llama"));
    const float value = static_cast<float>(place);
    const std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
    write_file_atomic(part(place),
                      gguf_bytes(values, {{tensor, {1}, block_format_by_name("F32"), bytes}}));
  }

  std::string refusal(const fs::path& path) const {
    try {
      open_gguf(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(SplitGguf, AnyPartOpensAll) {
  for (uint64_t opened = 0; opened < 3; ++opened) {
    const GgufFile file = open_gguf(part(opened));
    EXPECT_EQ(file.string("general.architecture"), "llama");
    ASSERT_EQ(file.tensors.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(file.tensors[i].name, "t" + std::to_string(i));
      float value = -1;
      std::memcpy(&value, file.tensors[i].bytes().data(), sizeof value);
      EXPECT_EQ(value, static_cast<float>(i));
    }
  }
}

TEST_F(SplitGguf, PartsThatDoNotBelongTogetherAreRefused) {
  write_part(1, 2, "t1");
  EXPECT_THAT(refusal(part(0)), testing::HasSubstr("is part 2 of 3, expected 1 of 3"));
  write_part(1, 1, "t0");
  EXPECT_THAT(refusal(part(0)), testing::HasSubstr("tensor 't0' is in an earlier part too"));
  write_part(1, 1, "t1");
  write_part(0, 0, "t0", 4);
  EXPECT_THAT(refusal(part(2)), testing::HasSubstr("split.tensors.count is 4, the parts hold 3"));
  fs::remove(part(1));
  EXPECT_THAT(refusal(part(0)), testing::HasSubstr("m-00002-of-00003.gguf"));
  fs::rename(part(0), folder_ / "other.gguf");
  EXPECT_THAT(refusal(folder_ / "other.gguf"), testing::HasSubstr("not named as one"));
}

}  // namespace
}  // namespace assay
