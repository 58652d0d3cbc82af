#include "io/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GgufWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_gguf_writer_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string refusal(const GgufKeyValues& values,
                      const std::vector<GgufTensorDeclaration>& tensors) const {
    try {
      GgufWriter(folder_ / "refused.gguf", values, tensors);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  }

  fs::path folder_;
  const BlockFormat* f32_ = block_format_by_name("F32");
  const BlockFormat* q8_0_ = block_format_by_name("Q8_0");
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_F(GgufWriterTest, WritesWhatIsReadBackInAnyOrder) {
  const GgufKeyValues values{{"general.architecture", std::string("llama")},
                             {"small", uint64_t{7}},
                             {"large", uint64_t{1} << 40},
                             {"negative", int64_t{-3}},
                             {"far", int64_t{-5'000'000'000}},
                             {"eps", 1e-5f},
                             {"exact", 0.1},
                             {"flag", true},
                             {"types", std::vector<int64_t>{1, 3, 6}},
                             {"sizes", std::vector<uint64_t>{1, uint64_t{1} << 33}},
                             {"scores", std::vector<float>{-1.5f, 0}},
                             {"flags", std::vector<uint8_t>{0, 1}},
                             {"map", std::vector<uint8_t>{0, 200}},
                             {"tokens", std::vector<std::string>{"a",
                                                                 "\xc4\xa0"
                                                                 "b"}}};
  const auto path = folder_ / "x.gguf";
  GgufWriter writer(path, values, {{"t.a", {3}, f32_}, {"t.b", {32, 2}, q8_0_}});
  const std::string a(12, 'a'), b(68, 'b');
  writer.write("t.b", bytes_of(b));
  EXPECT_FALSE(fs::exists(path));
  writer.write("t.a", bytes_of(a));
  writer.commit();
  EXPECT_THAT(writer.paths(), ElementsAre(path));
  EXPECT_EQ(read_file(path),
            gguf_bytes(values, {{"t.a", {3}, f32_, a}, {"t.b", {32, 2}, q8_0_, b}}));
  const GgufFile file = open_gguf(path);
  EXPECT_EQ(file.values.size(), values.size());
  for (const auto& [key, value] : values) EXPECT_EQ(file.values.at(key), value) << key;
  EXPECT_THAT(file.integers("map"), ElementsAre(0, 200));
  EXPECT_EQ(file.find_tensor("t.b")->dims, (std::vector<uint64_t>{32, 2}));
  const auto stored = file.find_tensor("t.b")->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(stored.data()), stored.size()), b);
}

// The file of 320 bytes whose bytes are known (gguf_test reads it).
TEST_F(GgufWriterTest, WritesTheMinimalFileByteForByte) {
  const auto bytes = gguf_bytes(
      {{"general.architecture", std::string("llama")}},
      {{"t.a", {3}, f32_, std::string(12, '\1')}, {"t.b", {32, 2}, q8_0_, std::string(68, '\2')}});
  // Without its second key-value (31 + 4 + 4 bytes ending at 180) the metadata ends at 143.
  EXPECT_EQ(bytes.size(), 160u + 32 + 96);
  EXPECT_EQ(bytes.substr(0, 4), "GGUF");
  EXPECT_EQ(bytes.substr(160, 12), std::string(12, '\1'));
  EXPECT_EQ(bytes.substr(192, 68), std::string(68, '\2'));
}

TEST_F(GgufWriterTest, SplitsBetweenTensors) {
  const GgufKeyValues values{{"general.architecture", std::string("llama")}};
  GgufWriter writer(folder_ / "x.gguf", values,
                    {{"a", {8}, f32_}, {"b", {8}, f32_}, {"c", {32}, f32_}, {"d", {4}, f32_}}, 64);
  ASSERT_THAT(writer.paths(),
              ElementsAre(folder_ / "x-00001-of-00003.gguf", folder_ / "x-00002-of-00003.gguf",
                          folder_ / "x-00003-of-00003.gguf"));
  writer.write("a", bytes_of(std::string(32, 'a')));
  writer.write("b", bytes_of(std::string(32, 'b')));
  writer.write("c", bytes_of(std::string(128, 'c')));
  EXPECT_THROW(writer.commit(), Error);
  writer.write("d", bytes_of(std::string(16, 'd')));
  writer.commit();
  const GgufFile file = open_gguf(folder_ / "x-00002-of-00003.gguf");
  EXPECT_EQ(file.tensors.size(), 4u);
  EXPECT_EQ(file.integer("split.tensors.count"), 4);
  EXPECT_EQ(file.string("general.architecture"), "llama");
  for (const std::string name : {"a", "b", "c", "d"}) {
    const auto bytes = file.find_tensor(name)->bytes();
    EXPECT_EQ(static_cast<char>(bytes.front()), name[0]);
    EXPECT_EQ(static_cast<char>(bytes.back()), name[0]);
  }
}

TEST_F(GgufWriterTest, RefusesWhatNoReaderWouldTake) {
  EXPECT_THAT(refusal({}, {{"a", {8}, f32_}, {"a", {8}, f32_}}),
              HasSubstr("'a' is declared twice"));
  EXPECT_THAT(refusal({}, {{std::string(64, 'n'), {8}, f32_}}), HasSubstr("has 1 to 63 bytes"));
  EXPECT_THAT(refusal({}, {{"a", {}, f32_}}), HasSubstr("1 to 4 dims"));
  EXPECT_THAT(refusal({}, {{"a", {4, 0}, f32_}}), HasSubstr("none of them 0"));
  EXPECT_THAT(refusal({}, {{"a", {48}, q8_0_}}), HasSubstr("rows of 48 are not blocks of Q8_0"));
  EXPECT_THAT(refusal({{"k", true}, {"k", true}}, {}), HasSubstr("'k' is given twice"));
  EXPECT_THAT(refusal({{"general.alignment", uint64_t{64}}}, {}), HasSubstr("the writer's own"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(GgufWriterTest, NothingIsLeftWithoutCommit) {
  {
    GgufWriter writer(folder_ / "x.gguf", {}, {{"a", {8}, f32_}});
    EXPECT_THROW(writer.write("b", {}), Error);
    EXPECT_THROW(writer.write("a", bytes_of("short")), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace assay
