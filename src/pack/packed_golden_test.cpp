// Linears that other programs packed (tests/golden/make_packed_golden.py): their values, and, where
// assay writes the format, the same bytes again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "pack/linear_codes.h"
#include "pack/pack_test_data.h"
#include "pack/quantization_config.h"

namespace assay {
namespace {

Json read_golden() {
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/packed.json";
  return parse_json(read_file(path), path);
}

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

OwnedParts parts_of(const Json& json) {
  OwnedParts parts;
  for (const auto& [name, part] : json.items()) {
    parts.push_back({name, dtype_named(part["dtype"].get<std::string>()),
                     part["shape"].get<std::vector<int64_t>>(),
                     bytes_of_hex(part["hex"].get<std::string>())});
  }
  return parts;
}

// Of float32 values, rounded as the program rounds them; no negative zeros.
std::string hash_of(std::vector<float> values, const std::string& rounding) {
  for (float& value : values) {
    if (rounding == "bfloat16") {
      value = to_float(small_float("BF16"), from_float(small_float("BF16"), value));
    }
    value += 0.0f;
  }
  return sha256_hex(std::as_bytes(std::span(values)));
}

// Whether assay writes the layout with the bytes of the program: of 8-bit floats it stores scales
// in float32.
bool is_written(const PackedLayout& layout) {
  if (const auto* compressed = std::get_if<CompressedTensorsLayout>(&layout)) {
    return std::holds_alternative<CtInteger>(compressed->weights) &&
           compressed->sparsity == SparseFormat::kNone;
  }
  return std::holds_alternative<GptqLayout>(layout) || std::holds_alternative<AwqLayout>(layout) ||
         std::holds_alternative<BitsAndBytesLayout>(layout);
}

// What a golden case is read as.
struct Case {
  explicit Case(const std::string& name) : golden(read_golden()[name]) {}

  Json golden;
  OwnedParts owned_parts = parts_of(golden["parts"]);
  StoredParts parts = view(owned_parts);
  PackedLayout layout = settled(
      layout_of(quantization_config(golden["config"]), "model.layers.0.mlp.up_proj").value(),
      parts);
};

class PackedGolden : public testing::TestWithParam<std::string> {};

TEST_P(PackedGolden, HasTheValuesOfTheProgramThatWroteIt) {
  const Case read(GetParam());
  const Json& golden = read.golden;
  const auto shape = packed_shape(read.layout, read.parts);
  std::vector<float> values(static_cast<size_t>(shape.out_features * shape.in_features));
  packed_values(read.layout, read.parts, values);
  if (golden.contains("sha256")) {
    EXPECT_EQ(hash_of(values, golden["rounding"]), golden["sha256"].get<std::string>());
  } else {
    const auto expected = golden["values"].get<std::vector<float>>();
    for (size_t i = 0; i < expected.size(); ++i) {  // two products in another order
      EXPECT_NEAR(values[i], expected[i], 2e-7f * std::abs(expected[i])) << i;
    }
  }
}

class PackedGoldenBothWays : public testing::TestWithParam<std::string> {};

TEST_P(PackedGoldenBothWays, IsPackedToTheSameBytes) {
  const Case read(GetParam());
  const auto packed = pack_linear(read.layout, linear_codes(read.layout, read.parts),
                                  packed_shape(read.layout, read.parts), {}, "F32");
  for (const OwnedPart& part : packed) {
    EXPECT_EQ(part.bytes, owned(read.owned_parts, part.name).bytes) << part.name;
    EXPECT_EQ(part.shape, owned(read.owned_parts, part.name).shape) << part.name;
  }
}

std::vector<std::string> names() {
  const Json all = read_golden();
  std::vector<std::string> names;
  for (const auto& [name, golden] : all.items()) names.push_back(name);
  return names;
}

// Without those that are only read, and the packing of earlier releases.
std::vector<std::string> written_names() {
  auto all = names();
  std::erase_if(all, [](const std::string& name) {
    const Case read(name);
    return name.ends_with("whole_words") || !is_written(read.layout);
  });
  return all;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, PackedGolden, testing::ValuesIn(names()), test_name);
INSTANTIATE_TEST_SUITE_P(All, PackedGoldenBothWays, testing::ValuesIn(written_names()), test_name);

}  // namespace
}  // namespace assay
