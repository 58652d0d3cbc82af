#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <functional>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "io/safetensors_writer.h"
#include "io/shard_index.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A file of this header and so many zero bytes of data.
std::string file_of(std::string_view json, size_t data_size) {
  const uint64_t length = json.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(json).append(data_size, '\0');
}

// Two tensors, a (F32 2x2 = 1, 2, 3, 4) and b (I8 = 1, 2, -1): 139 bytes, N = 112 = 111 bytes of
// JSON and a space.
std::string example() {
  auto file = file_of(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                      R"("b":{"dtype":"I8","shape":[3],"data_offsets":[16,19]}} )",
                      0);
  const float a[4] = {1, 2, 3, 4};
  return file.append(reinterpret_cast<const char*>(a), sizeof a).append("\1\2\xff");
}

SafetensorsHeader parse(std::string_view file,
                        HeaderPadding padding = HeaderPadding::kAnyJsonSpace) {
  return parse_safetensors(std::as_bytes(std::span(file)), padding);
}

std::string message_of(const std::function<void()>& action,
                       ErrorKind kind = ErrorKind::kCorruptFile) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, kind) << e.what();
    return e.what();
  }
  return "accepted";
}

std::string refusal(std::string_view file, HeaderPadding padding = HeaderPadding::kAnyJsonSpace) {
  return message_of([&] { parse(file, padding); });
}

std::string with_length(uint64_t length) {
  auto file = example();
  std::memcpy(file.data(), &length, sizeof length);
  return file;
}

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_safetensors_XXXXXX";
  return ::mkdtemp(name.data());
}

TEST(Safetensors, ReadsTheExample) {
  const auto file = example();
  ASSERT_EQ(file.size(), 139u);
  const auto header = parse(file, HeaderPadding::kSpacesBehind);
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].dtype->name, "F32");
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(header.tensors[0].begin, 120u);
  EXPECT_EQ(header.tensors[0].end, 136u);
  EXPECT_EQ(header.tensors[1].dtype->name, "I8");
  EXPECT_EQ(file[header.tensors[1].end - 1], '\xff');
  EXPECT_THAT(header.metadata, IsEmpty());
}

TEST(Safetensors, ReadsScalarsEmptyTensorsMetadataAndSkipsUnknownFields) {
  const auto header = parse(file_of(
      R"({"__metadata__":{"format":"pt"},"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
      R"("e":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8],"note":{"x":[1,{"y":-2.5}],"":null}},)"
      R"("f":{"shape":[2],"dtype":"F4","data_offsets":[8,9]}})",
      9));
  EXPECT_EQ(header.metadata.at("format"), "pt");
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "s");
  EXPECT_THAT(header.tensors[1].shape, ElementsAre(0, 7));
  EXPECT_THAT(parse(file_of("{}", 0)).tensors, IsEmpty());
}

TEST(Safetensors, RefusesHostileLengths) {
  EXPECT_THAT(refusal("\1\0\0\0"), HasSubstr("header too small"));
  EXPECT_THAT(refusal(with_length(~0ull)), HasSubstr("header too large"));
  EXPECT_THAT(refusal(with_length(100'000'001)), HasSubstr("header too large"));
  EXPECT_THAT(refusal(with_length(100'000'000)), HasSubstr("invalid header length"));
  EXPECT_THAT(refusal(with_length(132)), HasSubstr("invalid header length"));
}

std::string refusal_of_header(std::string_view json, size_t data_size = 0) {
  return refusal(file_of(json, data_size));
}

TEST(Safetensors, RefusesTextThatIsNoHeader) {
  EXPECT_THAT(refusal_of_header("[]"), HasSubstr("must be an object, got an array"));
  EXPECT_THAT(refusal_of_header("7"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header(""), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header("   "), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header("{"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(refusal_of_header("{} {}"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(refusal_of_header("{\"\xc0\x80\":1}"), HasSubstr("not valid UTF-8 at byte 2"));
  EXPECT_THAT(refusal_of_header(std::string_view("{}\0\0", 4)), HasSubstr("zero byte"));
  EXPECT_THAT(refusal_of_header("\xef\xbb\xbf{}"), HasSubstr("does not begin with '{'"));
  EXPECT_EQ(refusal_of_header("\n\t {}\r\n "), "accepted");
  EXPECT_THAT(refusal(file_of(" {}", 0), HeaderPadding::kSpacesBehind),
              HasSubstr("begin with '{'"));
  EXPECT_THAT(refusal(file_of("{}\t", 0), HeaderPadding::kSpacesBehind),
              HasSubstr("other than spaces"));
}

TEST(Safetensors, RefusesWrongEntries) {
  const auto tensor = [](std::string_view fields, size_t data = 4) {
    return refusal_of_header("{\"t\":{" + std::string(fields) + "}}", data);
  };
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "accepted");
  EXPECT_THAT(tensor(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"),
              HasSubstr("'t': 'dtype': unknown dtype 'F33'"));
  EXPECT_THAT(tensor(R"("dtype":32,"shape":[1],"data_offsets":[0,4])"),
              HasSubstr("must be a string"));
  EXPECT_THAT(tensor(R"("shape":[1],"data_offsets":[0,4])"), HasSubstr("missing 'dtype'"));
  EXPECT_THAT(tensor(R"("dtype":"F32","data_offsets":[0,4])"), HasSubstr("missing 'shape'"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1])"), HasSubstr("missing 'data_offsets'"));
  for (const std::string bad :
       {"-1", "1.0", "1e3", "\"1\"", "null", "true", "[1]", "{}", "99999999999999999999"}) {
    EXPECT_THAT(tensor("\"dtype\":\"F32\",\"shape\":[" + bad + "],\"data_offsets\":[0,4]"),
                HasSubstr("'t': 'shape' must be a list of non-negative integers"))
        << bad;
  }
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"),
              HasSubstr("must be a list"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), HasSubstr("two numbers"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"),
              HasSubstr("two numbers"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])"),
              HasSubstr("'t': 'shape' appears twice"));
  EXPECT_THAT(refusal_of_header(R"({"t":[]})"), HasSubstr("'t' must be an object, got an array"));
  EXPECT_THAT(refusal_of_header(R"({"t":1})"), HasSubstr("'t' must be an object"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"a":1}})"), HasSubstr("must be a string"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"a":["b"]}})"), HasSubstr("must be a string"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"a":"b","a":"c"}})"),
              HasSubstr("appears twice"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{},"__metadata__":{}})"),
              HasSubstr("appears twice"));
  EXPECT_THAT(refusal_of_header("{\"t\":{\"x\":" + std::string(100000, '[') + "}}"),
              HasSubstr("nested more than"));
}

TEST(Safetensors, RefusesWrongPlaces) {
  const auto two = [](std::string_view first, std::string_view second, size_t data) {
    return refusal_of_header(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" + std::string(first) +
            "},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" + std::string(second) +
            "}}",
        data);
  };
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "accepted");
  EXPECT_THAT(two("[0,4]", "[8,12]", 12),
              HasSubstr("'b': data_offsets [8, 12], but the tensor before it ends at 4"));
  EXPECT_THAT(two("[0,4]", "[2,6]", 6), HasSubstr("'b': data_offsets [2, 6]"));
  EXPECT_THAT(two("[0,4]", "[0,4]", 4), HasSubstr("but the tensor before it ends at 4"));
  EXPECT_THAT(two("[4,0]", "[0,4]", 4), HasSubstr("'a': data_offsets [4, 0]"));
  EXPECT_THAT(two("[1,5]", "[5,9]", 9), HasSubstr("'a': data_offsets [1, 5]"));
  EXPECT_THAT(two("[0,4]", "[4,9]", 9), HasSubstr("'b': shape and dtype need 4 bytes"));
  EXPECT_THAT(refusal(example().substr(0, 138)), HasSubstr("truncated file?"));
  EXPECT_THAT(refusal(example() + "x"), HasSubstr("the tensors end at 19, the data have 20"));
  const auto shaped = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return refusal_of_header("{\"t\":{\"dtype\":\"" + std::string(dtype) +
                                 "\",\"shape\":" + std::string(shape) +
                                 ",\"data_offsets\":" + std::string(offsets) + "}}",
                             4);
  };
  EXPECT_THAT(shaped("F32", "[9223372036854775808,4]", "[0,0]"), HasSubstr("'t': shape overflows"));
  EXPECT_THAT(shaped("F32", "[2305843009213693952]", "[0,0]"), HasSubstr("'t': shape overflows"));
  EXPECT_THAT(shaped("F4", "[3]", "[0,1]"), HasSubstr("not whole bytes"));
}

TEST(Safetensors, DamagedFilesNeverCrash) {
  const auto whole = example();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    auto bytes = whole;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % 120] ^= static_cast<char>(1u << (random() % 8));
    }
    refusal(bytes);  // any Error(kCorruptFile), or a header that still makes sense
  }
}

std::span<const std::byte> as_bytes(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

TEST(SafetensorsWriter, WritesInAnyOrderWhatTheReaderReads) {
  const auto path = fresh_folder() / "model.safetensors";
  const auto *f32 = dtype_named("F32"), *i8 = dtype_named("I8"), *bf16 = dtype_named("BF16");
  SafetensorsWriter writer(
      path, {{"b", f32, {2}}, {"q\"", i8, {3}}, {"h", bf16, {1, 1}}, {"a", f32, {}}});
  const std::string small = "\1\2\3", half = "\x80\x3f";
  writer.write("q\"", std::as_bytes(std::span(small)));
  writer.write("a", as_bytes({7}));
  writer.write("h", std::as_bytes(std::span(half)));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.write("b", as_bytes({1, 2}));
  writer.commit();

  const auto file = open_safetensors(path);
  std::string names;
  for (const auto& tensor : file.header.tensors) names += tensor.name + " ";
  EXPECT_EQ(names, "a b h q\" ");
  EXPECT_EQ(file.header.tensors[0].begin % 8, 0u);
  EXPECT_EQ(file.header.metadata.at("format"), "pt");
  float b[2];
  std::memcpy(b, file.bytes(file.header.tensors[1]).data(), sizeof b);
  EXPECT_EQ(b[1], 2.0f);
  EXPECT_EQ(static_cast<char>(file.bytes(file.header.tensors[3])[2]), '\3');
  const auto text = read_file(path);
  EXPECT_NO_THROW(parse(text, HeaderPadding::kSpacesBehind));
}

TEST(SafetensorsWriter, RefusesToBeUsedWrongly) {
  const auto folder = fresh_folder();
  const auto* f32 = dtype_named("F32");
  const auto internal = [](const std::function<void()>& f) {
    return message_of(f, ErrorKind::kInternal);
  };
  {
    SafetensorsWriter writer(folder / "x", {{"a", f32, {2}}});
    EXPECT_THAT(internal([&] { writer.write("b", {}); }), HasSubstr("'b' was not declared"));
    EXPECT_THAT(internal([&] { writer.write("a", as_bytes({1})); }),
                HasSubstr("8 bytes as declared, got 4"));
    EXPECT_THAT(internal([&] { writer.commit(); }), HasSubstr("'a' was declared and not written"));
    writer.write("a", as_bytes({1, 2}));
    EXPECT_THAT(internal([&] { writer.write("a", as_bytes({1, 2})); }), HasSubstr("written twice"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_THAT(message_of(
                  [&] {
                    SafetensorsWriter(folder / "x", {{"a", f32, {}}, {"a", f32, {}}});
                  },
                  ErrorKind::kBadInput),
              HasSubstr("'a' is declared twice"));
}

void write_shard(const std::filesystem::path& path, const std::vector<std::string>& names) {
  std::vector<TensorDeclaration> tensors;
  for (const auto& name : names) tensors.push_back({name, dtype_named("F32"), {1}});
  SafetensorsWriter writer(path, tensors);
  for (const auto& name : names) writer.write(name, as_bytes({1}));
  writer.commit();
}

TEST(Sharding, ReadsTheFilesOfTheIndexAndChecksBothWays) {
  const auto folder = fresh_folder();
  write_shard(folder / "model-00001-of-00002.safetensors", {"a", "b"});
  write_shard(folder / "model-00002-of-00002.safetensors", {"c"});
  const auto open_with = [&](std::string_view map) {
    write_file_atomic(folder / "model.safetensors.index.json",
                      "{\"metadata\":{\"total_size\":1},\"weight_map\":" + std::string(map) + "}");
    return message_of([&] { EXPECT_EQ(open_safetensors_folder(folder).size(), 2u); });
  };
  const std::string one = "\"model-00001-of-00002.safetensors\"",
                    two = "\"model-00002-of-00002.safetensors\"";
  EXPECT_EQ(open_with("{\"a\":" + one + ",\"b\":" + one + ",\"c\":" + two + "}"), "accepted");
  EXPECT_THAT(
      open_with("{\"a\":" + one + ",\"c\":" + two + "}"),
      AllOf(HasSubstr("index.json"), HasSubstr("holds 'b', which the index does not list")));
  EXPECT_THAT(open_with("{\"a\":" + one + ",\"b\":" + two + ",\"c\":" + two + "}"),
              HasSubstr("holds 'b', which the index puts in model-00002"));
  EXPECT_THAT(
      open_with("{\"a\":" + one + ",\"b\":" + one + ",\"c\":" + two + ",\"d\":" + two + "}"),
      HasSubstr("'d' is not in model-00002"));
}

TEST(Sharding, NamesTheFilesThatAreNotThere) {
  const auto folder = fresh_folder();
  write_shard(folder / "model-00002-of-00003.safetensors", {"b"});
  write_file_atomic(folder / "model.safetensors.index.json",
                    R"({"weight_map":{"a":"model-00001-of-00003.safetensors",)"
                    R"("b":"model-00002-of-00003.safetensors",)"
                    R"("c":"model-00003-of-00003.safetensors",)"
                    R"("d":"model-00003-of-00003.safetensors"}})");
  EXPECT_THAT(
      message_of([&] { open_safetensors_folder(folder); }, ErrorKind::kBadInput),
      AllOf(HasSubstr("index.json"), HasSubstr("2 of 3 files are not there, with 3 of 4 tensors: "
                                               "model-00001-of-00003.safetensors, model-00003")));
}

TEST(Sharding, TotalSizeIsReadWhereItIsACount) {
  EXPECT_EQ(stated_total_size(R"({"metadata":{"total_size":12},"weight_map":{}})"), 12u);
  for (const char* none :
       {R"({"weight_map":{}})", R"({"metadata":3})", R"({"metadata":{"total_size":-1}})",
        R"({"metadata":{"total_size":"12"}})"}) {
    EXPECT_FALSE(stated_total_size(none)) << none;
  }
}

TEST(Sharding, RefusesBadIndexes) {
  const auto index = [](std::string_view json) {
    return message_of([&] { parse_shard_index(json); });
  };
  EXPECT_EQ(index(R"({"metadata":{"a":1},"weight_map":{"a":"x"}})"), "accepted");
  for (const std::string bad : {"../x", "/x", "a/b", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    EXPECT_THAT(index("{\"weight_map\":{\"t\":\"" + bad + "\"}}"),
                HasSubstr("'t' must name a file"))
        << bad;
  }
  EXPECT_THAT(index(R"({"weight_map":{"t":1}})"), HasSubstr("'t' must name a file"));
  EXPECT_THAT(index(R"({"weight_map":{"t":"a","t":"b"}})"), HasSubstr("duplicate key 't'"));
  EXPECT_THAT(index(R"({"weight_map":[]})"), HasSubstr("no object 'weight_map'"));
  EXPECT_THAT(index("[]"), HasSubstr("no object 'weight_map'"));
  EXPECT_THAT(index("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(index("7E7777"), HasSubstr("not valid JSON"));  // overflows a double
  EXPECT_THAT(index("{\"x\":" + std::string(100000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(message_of([] { open_safetensors_folder(fresh_folder()); }, ErrorKind::kBadInput),
              HasSubstr("neither model.safetensors nor"));
}

}  // namespace
}  // namespace assay
