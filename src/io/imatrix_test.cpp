#include "io/imatrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "io/gguf_writer.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_entry(std::string& out, const std::string& name, int32_t calls,
               const std::vector<float>& sums) {
  put(out, static_cast<int32_t>(name.size()));
  out += name;
  put(out, calls);
  put(out, static_cast<int32_t>(sums.size()));
  for (const float sum : sums) put(out, sum);
}

std::string older_file() {
  std::string out;
  put(out, int32_t{2});
  put_entry(out, "blk.0.attn_q.weight", 4, {8, 2, 0});
  put_entry(out, "blk.0.ffn_down.weight", 0, {5, 6});
  return out;
}

ImportanceMatrix parse(const std::string& bytes) {
  return parse_imatrix(std::as_bytes(std::span(bytes)));
}

std::string refusal(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile);
    return e.what();
  }
  return "accepted";
}

TEST(ImportanceMatrix, OlderForm) {
  auto bytes = older_file();
  auto matrix = parse(bytes);
  EXPECT_THAT(matrix.mean_squares.at("blk.0.attn_q.weight"), ElementsAre(2.0f, 0.5f, 0.0f));
  EXPECT_THAT(matrix.mean_squares.at("blk.0.ffn_down.weight"), ElementsAre(5.0f, 6.0f));
  EXPECT_EQ(matrix.chunks, 0);
  put(bytes, int32_t{17});
  put(bytes, int32_t{8});
  bytes += "wiki.txt";
  matrix = parse(bytes);
  EXPECT_EQ(matrix.chunks, 17);
  EXPECT_THAT(matrix.datasets, ElementsAre("wiki.txt"));
}

TEST(ImportanceMatrix, OlderFormCutShortAnywhere) {
  auto bytes = older_file();
  put(bytes, int32_t{1});
  put(bytes, int32_t{1});
  bytes += "x";
  const size_t with_tail = bytes.size(), without = with_tail - 9;
  for (size_t size = 0; size < with_tail; ++size) {
    if (size == without) continue;
    EXPECT_NE(refusal(bytes.substr(0, size)), "accepted") << size;
  }
}

TEST(ImportanceMatrix, OlderFormRefusals) {
  std::string bytes;
  put(bytes, int32_t{1} << 30);
  EXPECT_THAT(refusal(bytes + std::string(64, '\0')), HasSubstr("1073741824 entries in 68 bytes"));
  bytes.clear();
  put(bytes, int32_t{1});
  put_entry(bytes, "w", 1, {-1});
  EXPECT_THAT(refusal(bytes), HasSubstr("entry 'w': a sum of squares of -1"));
  bytes.clear();
  put(bytes, int32_t{2});
  put_entry(bytes, "w", 1, {1});
  put_entry(bytes, "w", 1, {1});
  EXPECT_THAT(refusal(bytes), HasSubstr("'w' is there twice"));
  EXPECT_THAT(refusal(older_file() + std::string(9, '\0')), HasSubstr("behind the end"));
}

TEST(ImportanceMatrix, GgufForm) {
  const auto bytes = imatrix_bytes(
      {{"blk.0.attn_q.weight", {{8, 2, 0}, 4}}, {"blk.1.attn_q.weight", {{1, 1, 1}, 0}}},
      {"a.txt", "b.txt"}, 3, 512);
  const auto matrix = parse(bytes);
  EXPECT_THAT(matrix.mean_squares.at("blk.0.attn_q.weight"), ElementsAre(2.0f, 0.5f, 0.0f));
  EXPECT_THAT(matrix.mean_squares.at("blk.1.attn_q.weight"), ElementsAre(1.0f, 1.0f, 1.0f));
  EXPECT_THAT(matrix.datasets, ElementsAre("a.txt", "b.txt"));
  EXPECT_EQ(matrix.chunks, 3);
}

// Two experts, the second of which saw nothing.
TEST(ImportanceMatrix, GgufFormOfExperts) {
  const auto text = [](const std::vector<float>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  const BlockFormat* f32 = block_format_by_name("F32");
  const GgufKeyValues type{{"general.type", std::string("imatrix")}};
  const auto matrix = parse(gguf_bytes(type, {{"w.in_sum2", {2, 2}, f32, text({4, 8, 0, 0})},
                                              {"w.counts", {1, 2}, f32, text({4, 0})}}));
  EXPECT_THAT(matrix.mean_squares.at("w"), ElementsAre(1.0f, 2.0f, 1.0f, 1.0f));

  EXPECT_THAT(refusal(gguf_bytes({}, {})), HasSubstr("general.type"));
  EXPECT_THAT(refusal(gguf_bytes(type, {})), HasSubstr("holds no sums"));
  EXPECT_THAT(refusal(gguf_bytes(type, {{"w.counts", {1}, f32, text({4})}})),
              HasSubstr("'w' has no .in_sum2"));
  EXPECT_THAT(refusal(gguf_bytes(type, {{"w.in_sum2", {2}, f32, text({4, 8})},
                                        {"w.counts", {2}, f32, text({4, 8})}})),
              HasSubstr("has 2 counts for 1 rows"));
  EXPECT_THAT(refusal(gguf_bytes(
                  type, {{"w.in_sum2", {1}, f32, text({NAN})}, {"w.counts", {1}, f32, text({4})}})),
              HasSubstr("a sum of squares of nan"));
}

}  // namespace
}  // namespace assay
