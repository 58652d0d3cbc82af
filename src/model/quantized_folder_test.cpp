#include "model/quantized_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "model/block.h"
#include "model/checkpoint.h"
#include "model/inspect.h"
#include "model/tensor_names.h"
#include "model/tiny_model.h"
#include "pack/bit_fields.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_packed_XXXXXX";
  return ::mkdtemp(name.data());
}

// Round to nearest in groups of 32: codes about the middle, scales that float16 holds.
GridCodes rounded(const at::Tensor& weight, int64_t bits) {
  GridCodes grid = GridCodes::sized({weight.size(0), weight.size(1)}, bits, 32);
  const auto middle = static_cast<float>(1 << (bits - 1));
  const auto groups = weight.view({weight.size(0), grid.num_groups, 32});
  const auto scales = (groups.abs().amax(2) / middle).to(at::kHalf).to(at::kFloat).contiguous();
  const auto codes = (groups / scales.unsqueeze(2)).round().add(middle).clamp(0, 2 * middle - 1);
  const auto bytes = codes.to(at::kByte).contiguous();
  std::copy_n(bytes.const_data_ptr<uint8_t>(), bytes.numel(), grid.codes.begin());
  std::copy_n(scales.const_data_ptr<float>(), scales.numel(), grid.scales.begin());
  std::ranges::fill(grid.zeros, middle);
  return grid;
}

at::Tensor values_of(const GridCodes& grid) {
  auto values = at::empty({grid.out_features, grid.in_features}, at::kFloat);
  grid_values(grid, {values.data_ptr<float>(), static_cast<size_t>(values.numel())});
  return values;
}

struct Written {
  std::string name;
  OwnedPart part;
};

// A tiny model in which `pack` makes the parts of each block linear, under this config.
using Packer = std::function<OwnedParts(const GridCodes& grid)>;
std::filesystem::path packed_model(const Packer& pack, const Json& quantization,
                                   const std::function<void(std::vector<Written>&)>& change = {}) {
  const auto folder = fresh_folder() / "model";
  write_tiny_model(folder);
  std::vector<Written> tensors;
  {
    const auto file = open_safetensors(folder / "model.safetensors");
    const auto checkpoint = Checkpoint::open(folder);
    for (const auto& tensor : file.header.tensors) {
      const auto bytes = file.bytes(tensor);
      if (!is_block_linear(tensor.name)) {
        tensors.push_back({tensor.name,
                           {"",
                            tensor.dtype,
                            {tensor.shape.begin(), tensor.shape.end()},
                            {bytes.begin(), bytes.end()}}});
        continue;
      }
      const auto module = tensor.name.substr(0, tensor.name.size() - 6);  // with its dot
      for (auto& part : pack(rounded(checkpoint.tensor(tensor.name), 4))) {
        tensors.push_back({module + part.name, std::move(part)});
      }
    }
  }
  if (change) change(tensors);
  std::vector<TensorDeclaration> declared;
  for (const auto& [name, part] : tensors) {
    declared.push_back({name, part.dtype, {part.shape.begin(), part.shape.end()}});
  }
  SafetensorsWriter writer(folder / "model.safetensors", declared);
  for (const auto& [name, part] : tensors) writer.write(name, part.bytes);
  writer.commit();
  Json config = parse_json(read_file(folder / "config.json"), "config.json");
  if (!quantization.is_null()) config["quantization_config"] = quantization;
  write_file_atomic(folder / "config.json", config.dump());
  return folder;
}

const Json kGptq{{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 32}, {"desc_act", false}};

OwnedParts pack_gptq(const GridCodes& grid) { return gptq_pack({4, 32}, grid); }

std::string refusal(const std::filesystem::path& folder) {
  try {
    Checkpoint::open(folder);
  } catch (const Error& e) {
    EXPECT_NE(e.kind, ErrorKind::kInternal);
    return e.what();
  }
  return "accepted";
}

// Of every linear the values of its grid, whichever format holds it.
void expect_rounded_model(const std::filesystem::path& folder, const std::string& type) {
  const auto original = fresh_folder() / "model";
  write_tiny_model(original);
  const auto dense = Checkpoint::open(original), packed = Checkpoint::open(folder);
  EXPECT_TRUE(packed.quantized());
  ASSERT_EQ(packed.tensors().size(), dense.tensors().size());
  for (const auto& record : packed.tensors()) {
    if (!is_block_linear(record.name)) {
      EXPECT_TRUE(at::equal(packed.tensor(record.name), dense.tensor(record.name)));
      continue;
    }
    EXPECT_EQ(record.stored_dtype, type);
    const auto expected = values_of(rounded(dense.tensor(record.name), 4));
    EXPECT_TRUE(at::equal(packed.tensor(record.name), expected)) << record.name;
  }
  EXPECT_THAT(packed.description(), HasSubstr("model: decoded " + type));
}

TEST(QuantizedFolder, OpensGptqInBothVersions) {
  expect_rounded_model(packed_model(pack_gptq, kGptq), "GPTQ-4bit-g32");
  Json v2 = kGptq;
  v2["checkpoint_format"] = "gptq_v2";
  const auto pack_v2 = [](const GridCodes& grid) {
    return gptq_pack({4, 32, StoredZero::kPlain}, grid);
  };
  expect_rounded_model(packed_model(pack_v2, v2), "GPTQ-4bit-g32-v2");
}

TEST(QuantizedFolder, OpensAwq) {
  const Json config{{"quant_method", "awq"}, {"bits", 4}, {"group_size", 32}, {"zero_point", true}};
  for (const auto& [version, suffix] : {std::pair("gemm", ""), std::pair("gemv", "-gemv")}) {
    Json json = config;
    json["version"] = version;
    const AwqLayout layout{32, *suffix == 0 ? AwqVersion::kGemm : AwqVersion::kGemv};
    const auto pack = [&](const GridCodes& grid) { return awq_pack(layout, grid); };
    expect_rounded_model(packed_model(pack, json), "AWQ-4bit-g32" + std::string(suffix));
  }
}

TEST(QuantizedFolder, OpensCompressedTensors) {
  const auto config = [](bool is_packed) {
    return Json{{"quant_method", "compressed-tensors"},
                {"format", is_packed ? "pack-quantized" : "int-quantized"},
                {"ignore", {"lm_head"}},
                {"config_groups",
                 {{"group_0",
                   {{"targets", {"Linear"}},
                    {"weights",
                     {{"num_bits", 4},
                      {"type", "int"},
                      {"strategy", "group"},
                      {"group_size", 32},
                      {"symmetric", true}}}}}}}};
  };
  for (const bool is_packed : {true, false}) {
    const auto pack = [&](const GridCodes& grid) {
      return ct_integer_pack({4, {1, 32}, true, is_packed}, grid, "F32", Straddling::kStream);
    };
    expect_rounded_model(packed_model(pack, config(is_packed)), "CT-4bit-g32");
  }
}

TEST(QuantizedFolder, KeepsTheProductOfBitsAndBytes) {
  const Json config{{"quant_method", "bitsandbytes"},
                    {"load_in_8bit", true},
                    {"llm_int8_threshold", 5.0},
                    {"llm_int8_skip_modules", {"lm_head"}}};
  const auto pack = [](const GridCodes& grid) {
    std::vector<int8_t> codes;
    for (const auto code : grid.codes) codes.push_back(static_cast<int8_t>(code - 8));
    const std::vector<float> absmax(static_cast<size_t>(grid.out_features), 1.0f);
    return int8_pack({{grid.out_features, grid.in_features}, codes, absmax});
  };
  const auto checkpoint = Checkpoint::open(packed_model(pack, config));
  ASSERT_TRUE(checkpoint.int8_product().has_value());
  EXPECT_EQ(checkpoint.int8_product()->threshold, 5);
  EXPECT_EQ(checkpoint.description(),
            "model: decoded BNB-INT8, 8-bit products (inputs from 5 on in float32)");
  EXPECT_TRUE(checkpoint.provenance().is_null());
  EXPECT_EQ(load_causal_lm(checkpoint).blocks.size(), 2u);
}

// Two words of zero points with a field of 15: the mark of a zero of 0, or of corrupted lanes.
TEST(QuantizedFolder, IsInspectedWithItsTypesBitsAndWarnings) {
  const auto spoil = [](std::vector<Written>& tensors) {
    for (auto& [name, part] : tensors) {
      if (name.ends_with("1.mlp.up_proj.qzeros")) part.bytes[0] = std::byte{0xF7};
    }
  };
  const auto folder = packed_model(pack_gptq, kGptq, spoil);
  const auto inspection = inspect(folder);
  const auto& q = *std::ranges::find(inspection.groups, "self_attn.q_proj", &TensorGroup::name);
  // [64, 64]: 4 bits a code, 20 a group of 32 (a float16 and a zero), 32 of g_idx for each of 64
  // columns: 4 + 20 / 32 + 32 / 64.
  EXPECT_EQ(q.stored_bytes * 8, 2 * 4096 * 5.125);
  const auto text = inspection_to_text(inspection);
  EXPECT_THAT(text, HasSubstr("GPTQ-4bit-g32"));
  EXPECT_THAT(text,
              HasSubstr("in 1 linears zero points of 15 in a file that stores zero - 1: read as "
                        "2^bits, as GPTQ kernels do"));
  EXPECT_NE(Checkpoint::open(folder).weights_hash(),
            Checkpoint::open(packed_model(pack_gptq, kGptq)).weights_hash());
  EXPECT_EQ(Checkpoint::open(packed_model(pack_gptq, kGptq)).weights_hash(),
            Checkpoint::open(packed_model(pack_gptq, kGptq)).weights_hash());
}

TEST(QuantizedFolder, SaysWhatDoesNotFit) {
  EXPECT_THAT(refusal(packed_model(pack_gptq, Json())),
              HasSubstr("and the folder has no quantization config"));
  Json listed = kGptq;
  listed["modules_in_block_to_quantize"] = {{"mlp.up_proj"}};
  EXPECT_THAT(refusal(packed_model(pack_gptq, listed)),
              HasSubstr("'model.layers.0.mlp.down_proj': the file holds "
                        "'model.layers.0.mlp.down_proj.g_idx', the quantization config leaves"));
  Json other = kGptq;
  other["group_size"] = 64;
  EXPECT_THAT(
      refusal(packed_model(pack_gptq, other)),
      HasSubstr("'model.layers.0.mlp.down_proj': 'scales' has shape [4, 64], expected [2, 64]"));
  const auto drop = [](std::vector<Written>& tensors) {
    std::erase_if(tensors,
                  [](const Written& t) { return t.name.ends_with("0.mlp.up_proj.scales"); });
  };
  EXPECT_THAT(refusal(packed_model(pack_gptq, kGptq, drop)),
              HasSubstr("'model.layers.0.mlp.up_proj': 'scales' is missing"));
  Json unknown = kGptq;
  unknown["grup_size"] = 64;
  EXPECT_THAT(refusal(packed_model(pack_gptq, unknown)),
              HasSubstr("config.json: quantization_config: quantization_config: unsupported key "
                        "'grup_size' (did you mean 'group_size'?)"));
}

TEST(QuantizedFolder, RefusesConfigsThatDisagree) {
  const auto folder = packed_model(pack_gptq, kGptq);
  write_file_atomic(folder / "quantize_config.json", R"({"bits": 4, "group_size": 32})");
  EXPECT_EQ(refusal(folder), "accepted");
  write_file_atomic(folder / "quantize_config.json", R"({"bits": 8, "group_size": 32})");
  EXPECT_THAT(refusal(folder), HasSubstr("disagree on 'bits': 4 in "));
  EXPECT_THAT(refusal(folder), HasSubstr(", 8 in "));
}

}  // namespace
}  // namespace assay
