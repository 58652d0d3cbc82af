// Files of torch.save and hostile ones, made by tests/golden/make_pytorch_bin.py.

#include "io/pytorch_bin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/pickle.h"
#include "io/zip_archive.h"

namespace assay {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Json golden() {
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/pytorch_bin.json";
  return parse_json(read_file(path), path);
}

Bytes bytes_of(const Json& hex) {
  const auto& text = hex.get_ref<const std::string&>();
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Bytes file_named(const std::string& name) {
  const Json file = golden();
  for (const Json& one : file["good"]) {
    if (one["name"] == name) return bytes_of(one["file"]);
  }
  throw std::runtime_error("no file '" + name + "'");
}

template <class Fn>
std::string refusal(Fn&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    EXPECT_NE(e.kind, ErrorKind::kInternal);
    return e.what();
  }
  return "no error";
}

std::string refusal_of(std::span<const std::byte> file) {
  return refusal([&] { parse_pytorch_bin(file); });
}

TEST(PytorchBin, ReadsWhatTorchWrites) {
  const Json file = golden();
  ASSERT_EQ(file["good"].size(), 7u);
  for (const Json& one : file["good"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const Bytes bytes = bytes_of(one["file"]);
    const auto tensors = parse_pytorch_bin(bytes);
    ASSERT_EQ(tensors.size(), one["tensors"].size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Json& expected = one["tensors"][i];
      const PytorchTensor& tensor = tensors[i];
      EXPECT_EQ(tensor.name, expected["name"].get<std::string>());
      EXPECT_EQ(tensor.dtype->name, expected["dtype"].get<std::string>());
      EXPECT_EQ(Json(tensor.shape), expected["shape"]);
      const auto own = std::span(bytes).subspan(tensor.begin, tensor.end - tensor.begin);
      EXPECT_EQ(row_major_bytes(own, tensor), bytes_of(expected["bytes"])) << tensor.name;
    }
    check_pytorch_bin_checksums(bytes);
  }
}

TEST(PytorchBin, TellsTransposedTensorsFromRowMajorOnes) {
  const auto tensors = parse_pytorch_bin(file_named("transposed"));
  EXPECT_EQ(tensors[0].strides, (std::vector<uint64_t>{1, 6}));
  EXPECT_EQ(tensors[1].strides, (std::vector<uint64_t>{1, 12, 4}));
  EXPECT_TRUE(tensors[2].strides.empty()) << "a column is a row";
  for (const auto& tensor : tensors) EXPECT_EQ(tensor.end - tensor.begin, 96u);
}

TEST(PytorchBin, RefusesHostileFilesByName) {
  const Json file = golden();
  ASSERT_GE(file["refused"].size(), 28u);
  for (const Json& one : file["refused"]) {
    EXPECT_THAT(refusal_of(bytes_of(one["file"])), HasSubstr(one["message"].get<std::string>()))
        << one["name"];
  }
}

TEST(PytorchBin, RefusesEveryTruncation) {
  const Bytes file = file_named("a module");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(refusal_of(std::span(file).first(size)), "no error") << size;
  }
  EXPECT_THAT(refusal_of(std::span(file).first(file.size() - 1)),
              HasSubstr("no end of a zip archive (truncated file?)"));
}

// One byte at a time: the file is refused, or its tensors still lie within it.
TEST(PytorchBin, AnyChangedByteIsAnErrorOrHarmless) {
  const Bytes good = file_named("a module");
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{0xFF};
    try {
      for (const auto& tensor : parse_pytorch_bin(bad)) ASSERT_LE(tensor.end, bad.size()) << i;
    } catch (const Error&) {
    }
  }
}

TEST(PytorchBin, ChecksumsFindADamagedByte) {
  Bytes file = file_named("a module");
  const auto tensors = parse_pytorch_bin(file);
  file[tensors[0].begin] ^= std::byte{1};
  EXPECT_EQ(parse_pytorch_bin(file).size(), tensors.size());
  EXPECT_THAT(refusal([&] { check_pytorch_bin_checksums(file); }),
              HasSubstr("its checksum is not the recorded one"));
  for (const ZipEntry& entry : parse_zip(file)) {
    if (entry.name.ends_with("/data.pkl")) file[entry.begin + 10] ^= std::byte{1};
  }
  EXPECT_THAT(refusal_of(file), HasSubstr("data.pkl': its checksum is not the recorded one"));
}

// An entry that the directory puts where another one lies.
TEST(ParseZip, RefusesEntriesThatOverlap) {
  Bytes file = file_named("a module");
  std::vector<size_t> central;
  for (size_t i = 0; i + 4 <= file.size(); ++i) {
    if (std::memcmp(file.data() + i, "PK\x01\x02", 4) == 0) central.push_back(i);
  }
  ASSERT_GE(central.size(), 4u);
  std::memcpy(file.data() + central[1] + 42, file.data() + central[0] + 42, 4);
  EXPECT_THAT(refusal([&] { parse_zip(file); }), HasSubstr("has another name in its local header"));

  Bytes longer = file_named("a module");
  for (const size_t offset : {20, 24}) longer[central[0] + offset] ^= std::byte{0x80};
  EXPECT_THAT(refusal([&] { parse_zip(longer); }), HasSubstr("overlaps"));
}

TEST(ParseStateDict, RefusesWhatIsMalformed) {
  const auto of = [](const std::string& pickle) {
    return refusal([&] { parse_state_dict(std::as_bytes(std::span(pickle))); });
  };
  EXPECT_EQ(of("\x80\x02}."), "no error");
  EXPECT_EQ(of(std::string("\x80\x02}q\x00h\x00X\x01\x00\x00\x00"
                           "ah\x00s.",
                           17)),
            "pickle: ends with 2 values");
  EXPECT_EQ(of("\x80\x01}."), "pickle: protocol 1 is not supported");
  EXPECT_EQ(of("."), "pickle: ends with 0 values");
  EXPECT_EQ(of("}.x"), "pickle: bytes behind its end");
  EXPECT_EQ(of("R"), "pickle: too few values at byte 0");
  EXPECT_EQ(of("u"), "pickle: no mark at byte 0");
  EXPECT_EQ(of("}(K\x01u."), "pickle: items of something that is no dict");
  EXPECT_EQ(of("h\x05."), "pickle: no memo 5");
  EXPECT_EQ(of("cos\nsystem\n."),
            "pickle: it names os.system, which a state_dict has no need of; it is not loaded");
  EXPECT_EQ(of("}}b."), "no error");
  EXPECT_EQ(of("K\x01}b."), "pickle: a state of something that is no dict is not supported");
  EXPECT_EQ(of("ctorch\nFloatStorage\n)R."), "pickle: a call of something that is no function");
  EXPECT_EQ(of("X\xFF\xFF\xFF\x7F"),
            "a text at byte 5 needs 2147483647 bytes, the file has 0 left");
  EXPECT_EQ(of(")Q."), "pickle: a persistent id is no storage");
  // A dict that holds itself ends with the machine.
  EXPECT_EQ(of(std::string("}q\x00X\x01\x00\x00\x00"
                           "ah\x00s.",
                           13)),
            "'a' is no tensor; a state_dict holds tensors alone");
}

TEST(OpenPytorchFolder, ReadsAFileOrThoseOfTheIndex) {
  std::string name = std::filesystem::temp_directory_path() / "assay-pytorch-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(name.data());
  const auto write = [&](const std::string& file, const Bytes& bytes) {
    write_file_atomic(folder / file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  EXPECT_THAT(refusal([&] { open_pytorch_folder(folder); }),
              HasSubstr("neither pytorch_model.bin nor pytorch_model.bin.index.json"));
  write("1.bin", file_named("a module"));
  write("2.bin", file_named("protocol 4"));
  const auto index = [&](const Json& weight_map) {
    write_file_atomic(folder / "pytorch_model.bin.index.json",
                      Json{{"weight_map", weight_map}}.dump());
  };
  index({{"weight", "1.bin"}, {"bias", "1.bin"}, {"w", "2.bin"}});
  const auto files = open_pytorch_folder(folder);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[1].tensors[0].name, "w");
  EXPECT_EQ(files[1].bytes(files[1].tensors[0]).size(), 16u);
  index({{"weight", "1.bin"}, {"w", "2.bin"}});
  EXPECT_THAT(refusal([&] { open_pytorch_folder(folder); }),
              HasSubstr("1.bin holds 'bias', which the index does not list"));
  write("pytorch_model.bin", file_named("a module"));
  EXPECT_EQ(open_pytorch_folder(folder).size(), 1u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay
