#include "model/linear_product.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

TEST(LinearProduct, IsFloat32UnlessProvenanceSaysOtherwise) {
  EXPECT_FALSE(int8_product(Json()).has_value());
  EXPECT_FALSE(int8_product({{"method", "rtn"}}).has_value());
}

TEST(LinearProduct, ReadsBackWhatItWrote) {
  const kernels::LlmInt8Options options{.threshold = 5.5f,
                                        .outliers = kernels::OutlierColumns::kBatch};
  const auto read = int8_product({{"product", to_json(options)}});
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->threshold, 5.5f);
  EXPECT_EQ(read->outliers, kernels::OutlierColumns::kBatch);
}

TEST(LinearProduct, RefusesWhatItDoesNotKnow) {
  const auto error_of = [](const Json& product) -> std::string {
    try {
      int8_product({{"product", product}});
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of({{"kind", "fp8"}}), testing::HasSubstr("no product 'fp8'"));
  EXPECT_THAT(error_of({{"kind", "llm_int8"}, {"threshold", -1}, {"outliers", "batch"}}),
              testing::HasSubstr("must not be negative"));
  EXPECT_THAT(error_of({{"kind", "llm_int8"}, {"threshold", 6}, {"outliers", "per_rov"}}),
              testing::HasSubstr("did you mean 'per_row'?"));
}

}  // namespace
}  // namespace assay
