#include "model/packed_export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/tensor_names.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_packed_export_XXXXXX";
  return ::mkdtemp(name.data());
}

PackedForm tiles_of_32() {
  return {Float8Layout{"weight_scale_inv", {32, 32}},
          {{"quant_method", "fp8"}, {"weight_block_size", {32, 32}}},
          true,
          "float32"};
}

// What pack() returns is what the folder holds; what was not packed is there as it was.
TEST(PackedExport, WritesAShardABlockThatReadsBack) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "dense");
  const auto dense = Checkpoint::open(folder / "dense");
  std::map<std::string, at::Tensor> expected;
  {
    PackedExport target(folder / "packed/", dense.config(), tiles_of_32(), ExistingFolder::kRefuse);
    for (const auto& record : dense.tensors()) {
      const auto tensor = dense.tensor(record.name);
      expected[record.name] =
          is_block_linear(record.name) ? target.pack(record.name, tensor, {}) : tensor;
      target.write(record.name, expected[record.name]);
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "packed"));
    target.commit(tiny_tokenizer_json(), tiny_tokenizer_config(), {{"method", "none"}});
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "packed" / "model-00003-of-00003.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder / "packed" / "quantize_config.json"));
  const auto packed = Checkpoint::open(folder / "packed");
  EXPECT_EQ(packed.config(), dense.config());
  EXPECT_EQ(packed.description(), "packed: decoded FP8-E4M3-32x32, 8-bit float inputs as float32");
  for (const auto& [name, tensor] : expected) {
    EXPECT_TRUE(at::equal(packed.tensor(name), tensor)) << name;
    // E4M3 has 4 significant bits: half a step is 1/16 of a value, less than 1/16 of the largest.
    EXPECT_LE((dense.tensor(name) - tensor).abs().max().item<float>(),
              dense.tensor(name).abs().max().item<float>() / 16);
  }
}

TEST(PackedExport, IsNotThereUnlessItIsComplete) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "dense");
  const auto dense = Checkpoint::open(folder / "dense");
  {
    PackedExport target(folder / "packed", dense.config(), tiles_of_32(), ExistingFolder::kRefuse);
    target.write("model.norm.weight", dense.tensor("model.norm.weight"));
    EXPECT_THROW(target.write("model.norm.weight", dense.tensor("model.norm.weight")), Error);
    EXPECT_THROW(target.commit({}, {}, {}), Error);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_THROW(
      PackedExport(folder / "dense", dense.config(), tiles_of_32(), ExistingFolder::kRefuse),
      Error);
}

}  // namespace
}  // namespace assay
