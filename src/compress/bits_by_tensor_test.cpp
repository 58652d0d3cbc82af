#include "compress/bits_by_tensor.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(BitsByTensor, StarsStandForAnything) {
  constexpr std::string_view kDown = "model.layers.10.mlp.down_proj.weight";
  EXPECT_TRUE(fits_tensor("layers.10.mlp.down_proj", kDown));
  EXPECT_TRUE(fits_tensor("layers.10.*", kDown));
  EXPECT_TRUE(fits_tensor("*.down_proj", kDown));
  EXPECT_TRUE(fits_tensor("layers.*.mlp.*", kDown));
  EXPECT_FALSE(fits_tensor("layers.1.*", kDown));
  EXPECT_FALSE(fits_tensor("layers.10", kDown));
  EXPECT_FALSE(fits_tensor("", kDown));
}

TEST(BitsByTensor, TheFirstThatFitsDecides) {
  const std::vector<BitsOverride> overrides{{"*.down_proj", 4}, {"layers.0.*", 8}};
  EXPECT_EQ(bits_of_tensor(overrides, 3, "model.layers.0.mlp.down_proj.weight"), 4);
  EXPECT_EQ(bits_of_tensor(overrides, 3, "model.layers.0.mlp.up_proj.weight"), 8);
  EXPECT_EQ(bits_of_tensor(overrides, 3, "model.layers.1.mlp.up_proj.weight"), 3);
}

}  // namespace
}  // namespace assay
