#include "model/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

using kernels::KvCacheFormat;

TEST(KvCacheFormat, IsFloat32UnlessProvenanceSaysOtherwise) {
  EXPECT_FALSE(kv_cache_format(Json()).has_value());
  EXPECT_FALSE(kv_cache_format({{"method", "rtn"}}).has_value());
}

TEST(KvCacheFormat, ReadsBackWhatItWrote) {
  const KvCacheFormat format{.bits = 3, .group_size = -1, .sym = true};
  EXPECT_EQ(kv_cache_format({{"kv_cache", to_json(format)}}), format);
}

TEST(KvCacheFormat, RefusesWhatItDoesNotKnow) {
  const auto error_of = [](const Json& kv_cache) -> std::string {
    try {
      kv_cache_format({{"kv_cache", kv_cache}});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(4), testing::HasSubstr("kv_cache: expected an object"));
  EXPECT_THAT(error_of({{"bits", 4}, {"sym", false}}), testing::HasSubstr("'group_size'"));
  EXPECT_THAT(error_of({{"bits", 9}, {"group_size", 64}, {"sym", false}}),
              testing::HasSubstr("bits must be in [2, 8], got 9"));
  EXPECT_THAT(error_of({{"bits", 4}, {"group_size", 0}, {"sym", false}}),
              testing::HasSubstr("group_size must be positive or -1"));
  EXPECT_THAT(error_of({{"bits", 4}, {"group_sise", 64}, {"sym", false}}),
              testing::HasSubstr("did you mean 'group_size'?"));
}

// Heads of 64: 4 + 2 * 16 / 64; 8 + 16 / 32 (llama.cpp's q8_0); groups of 48 leave one of 16, which
// has ends of its own: 4 + 4 * 16 / 64.
TEST(KvCacheFormat, CountsBitsAndBytes) {
  EXPECT_EQ(kv_cache_bits(KvCacheFormat{.bits = 4, .group_size = 64}, 64), 4.5);
  EXPECT_EQ(kv_cache_bits(KvCacheFormat{.bits = 8, .group_size = 32, .sym = true}, 64), 8.5);
  EXPECT_EQ(kv_cache_bits(KvCacheFormat{.bits = 4, .group_size = 48}, 64), 5);
  EXPECT_EQ(kv_cache_bits(KvCacheFormat{.bits = 2, .group_size = -1}, 64), 2.5);
  EXPECT_EQ(kv_cache_bits(std::nullopt, 64), 16);
  // SmolLM2-135M: 30 layers of 3 heads of 64 keep 2 * 30 * 192 = 11520 values a token.
  ModelConfig config;
  config.num_hidden_layers = 30;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  EXPECT_EQ(kv_cache_bytes(config, 2048, 16), 2048 * 11520 * 2);
  EXPECT_EQ(kv_cache_bytes(config, 2048, 4.5), 2048 * 11520 * 9 / 16);
}

}  // namespace
}  // namespace assay
