#include "compress/methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

using testing::HasSubstr;

std::string error_of(const char* settings) {
  try {
    method_config(Json::parse(settings));
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "no error";
}

template <class Config>
Config parsed(const char* settings) {
  return std::get<Config>(method_config(Json::parse(settings)));
}

TEST(MethodConfig, HasTheDefaultsOfTheCommandLine) {
  const auto rtn = parsed<RtnConfig>(R"({"method": "rtn"})");
  EXPECT_EQ(rtn.bits, 4);
  EXPECT_EQ(rtn.group_size, 128);
  EXPECT_FALSE(rtn.sym);
  EXPECT_EQ(parsed<MagnitudeConfig>(R"({"method": "magnitude"})").sparsity, 0.5);
}

TEST(MethodConfig, PatternImpliesItsSparsityAndRefusesAnother) {
  const auto wanda = parsed<WandaConfig>(R"({"method": "wanda", "pattern": "1:4"})");
  EXPECT_EQ(wanda.pattern, (NmPattern{1, 4}));
  EXPECT_EQ(wanda.sparsity, 0.75);
  EXPECT_FALSE(
      parsed<WandaConfig>(R"({"method": "wanda", "pattern": "unstructured", "sparsity": 0.6})")
          .pattern);
  EXPECT_EQ(
      parsed<WandaConfig>(R"({"method": "wanda", "pattern": "2:4", "sparsity": 0.5})").sparsity,
      0.5);
  EXPECT_THAT(error_of(R"({"method": "wanda", "pattern": "2:4", "sparsity": 0.6})"),
              HasSubstr("pattern 2:4 implies sparsity 0.5, got 0.6"));
}

TEST(MethodConfig, BitsByTensor) {
  const auto gptq = parsed<GptqConfig>(
      R"({"method": "gptq", "bits": {"default": 3, "layers.0.*": 8, "*.down_proj": 4}})");
  EXPECT_EQ(gptq.bits, 3);
  ASSERT_EQ(gptq.bits_by_tensor.size(), 2u);
  EXPECT_EQ(gptq.bits_by_tensor[0].tensors, "layers.0.*");
  EXPECT_EQ(gptq.bits_by_tensor[0].bits, 8);
  EXPECT_EQ(describe(gptq), "gptq 3-bit mixed g128");
  EXPECT_THAT(error_of(R"({"method": "rtn", "bits": {"layers.0.*": 8}})"),
              HasSubstr("missing key 'default'"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "bits": {"default": 3, "layers.0.*": 9}})"),
              HasSubstr("bits of 'layers.0.*' must be in [1, 8], got 9"));
  EXPECT_THAT(error_of(R"({"method": "awq", "bits": {"default": 3}})"),
              HasSubstr("'bits' must be an integer"));
}

TEST(MethodConfig, AMaskOfAnotherMethod) {
  const auto gptq = parsed<GptqConfig>(R"({"method": "gptq", "mask": "wanda", "pattern": "2:4"})");
  EXPECT_EQ(gptq.mask, MaskSource::kWanda);
  EXPECT_EQ(gptq.sparsity, 0.5);
  EXPECT_EQ(describe(gptq), "gptq 2:4 4-bit g128 mask wanda");
  EXPECT_TRUE(needs_of(gptq).input_norms && needs_of(gptq).hessian);
  EXPECT_FALSE(needs_of(method_config({{"method", "rtn"}, {"mask", "magnitude"}})).calibration());
  EXPECT_THAT(error_of(R"({"method": "gptq", "sparsity": 0.6})"), HasSubstr("say whose"));
  EXPECT_TRUE(to_json(gptq).contains("sparsity"));
  EXPECT_FALSE(to_json(method_config({{"method", "gptq"}})).contains("sparsity"));
  EXPECT_THAT(error_of(R"({"method": "dsnot", "first": "none"})"), HasSubstr("first must be"));
}

TEST(MethodConfig, ACacheInFewBitsAloneAndBesideEveryOtherMethod) {
  const auto alone = method_config({{"method", "kv_cache"}, {"bits", 8}});
  EXPECT_EQ(kv_cache_of(alone, std::nullopt), (KvCacheConfig{.bits = 8, .group_size = 64}));
  EXPECT_EQ(describe(alone), "kv_cache 8-bit g64");
  for (const Method& method : methods()) {
    if (method.name == "kv_cache") continue;
    const auto config = method_config({{"method", method.name}, {"kv_bits", 3}, {"kv_sym", true}});
    const KvCacheConfig expected{.bits = 3, .group_size = 64, .sym = true};
    EXPECT_EQ(kv_cache_of(config, std::nullopt), expected) << method.name;
    EXPECT_THAT(describe(config), testing::EndsWith(", kv 3-bit g64 sym"));
    EXPECT_EQ(to_json(config)["kv_group_size"], 64);
    EXPECT_EQ(to_json(method_config(to_json(config))), to_json(config)) << method.name;
  }
  EXPECT_THAT(error_of(R"({"method": "rtn", "kv_bits": 12})"),
              HasSubstr("kv_bits must be in [2, 8], or 16 for float32, got 12"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "kv_bits": 1})"), HasSubstr("kv_bits must be in"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "kv_sym": true})"), HasSubstr("needs kv_bits"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "kv_bits": 4, "kv_group_size": 0})"),
              HasSubstr("KV cache: group_size must be positive"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "kv_bit": 4})"), HasSubstr("did you mean 'kv_bits'?"));
  EXPECT_THAT(error_of(R"({"method": "kv_cache", "kv_bits": 4})"),
              HasSubstr("did you mean 'bits'?"));
  EXPECT_THAT(error_of(R"({"method": "kv_cache", "bits": 9})"),
              HasSubstr("bits must be in [2, 8], got 9"));
}

TEST(MethodConfig, TheCacheOfTheModelStaysUnlessAnotherIsAskedFor) {
  const KvCacheConfig own{.bits = 8};
  EXPECT_EQ(kv_cache_of(method_config({{"method", "rtn"}}), own), own);
  EXPECT_EQ(kv_cache_of(method_config({{"method", "rtn"}, {"kv_bits", 4}}), own)->bits, 4);
  EXPECT_EQ(kv_cache_of(method_config({{"method", "kv_cache"}}), own)->bits, 4);
  EXPECT_FALSE(kv_cache_of(method_config({{"method", "rtn"}, {"kv_bits", 16}}), own));
}

TEST(MethodConfig, ParityByNameOrWhole) {
  const auto one = parsed<WandaConfig>(R"({"method": "wanda", "parity": "alpha_wrap"})");
  EXPECT_TRUE(one.parity_alpha_wrap);
  EXPECT_FALSE(one.parity_nm_tail);
  const auto whole = parsed<WandaConfig>(R"({"method": "wanda", "parity": ["reference"]})");
  EXPECT_TRUE(whole.parity_alpha_wrap && whole.parity_nm_tail && whole.parity_running_mean);
  EXPECT_TRUE(parsed<RtnConfig>(R"({"method": "rtn", "parity": "reference"})").parity_one_sided);
}

TEST(MethodConfig, ErrorsNameTheNearest) {
  EXPECT_THAT(error_of(R"({"method": "wandaa"})"),
              HasSubstr("no method 'wandaa' (did you mean 'wanda'?)"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "group_sise": 64})"),
              HasSubstr("did you mean 'group_size'?"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "sparsity": 0.5})"), HasSubstr("sparsity"));
  EXPECT_THAT(error_of(R"({"method": "wanda", "parity": "alpha_rap"})"),
              HasSubstr("did you mean 'alpha_wrap'?"));
  EXPECT_THAT(error_of(R"({"method": "dense", "parity": "reference"})"), HasSubstr("parity"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "bits": "four"})"),
              HasSubstr("'bits' must be an integer"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "bits": 16})"),
              HasSubstr("bits must be in [1, 8], got 16"));
  EXPECT_THAT(error_of(R"({"method": "rtn", "group_size": 0})"),
              HasSubstr("group_size must be positive or -1"));
  EXPECT_THAT(error_of(R"({"method": "magnitude", "sparsity": 1.2})"),
              HasSubstr("sparsity must be in [0, 1], got 1.2"));
  EXPECT_THAT(error_of(R"({"method": "permute", "units": "heads"})"),
              HasSubstr("no units 'heads'"));
  EXPECT_THAT(error_of(R"({"sparsity": 0.5})"), HasSubstr("missing key 'method'"));
  EXPECT_THAT(error_of(R"({"method": "sparsegpt", "bits": 12})"),
              HasSubstr("or 16 to prune alone"));
  EXPECT_THAT(error_of(R"({"method": "sparsegpt", "pattern": "2:4", "block_size": 30})"),
              HasSubstr("multiple of the pattern's M, 4"));
  EXPECT_THAT(error_of(R"({"method": "gptq", "desc_act": true, "act_group_aware": true})"),
              HasSubstr("exclude each other"));
  EXPECT_THAT(error_of(R"({"method": "nf4", "block_size": 96})"), HasSubstr("power of two"));
  EXPECT_THAT(error_of(R"({"method": "owl", "by": "gptq"})"), HasSubstr("no by 'gptq'"));
  EXPECT_THAT(error_of(R"({"method": "gptq", "damp_percent": 1.5})"),
              HasSubstr("damp_percent must be in [0, 1], got 1.5"));
}

TEST(MethodConfig, SettingsSpelledOutReadBackTheSame) {
  for (
      const char* settings :
      {R"({"method": "dense"})",
       R"({"method": "magnitude", "sparsity": 0.3, "exact_count": true})",
       R"({"method": "magnitude", "pattern": "4:8", "parity": "nm_tail"})",
       R"({"method": "wanda", "alpha": true, "parity": ["alpha_wrap", "running_mean"]})",
       R"({"method": "rtn", "bits": 3, "group_size": 64, "sym": true, "mse": true, "parity": "reference"})",
       R"({"method": "sparsegpt", "pattern": "2:4", "bits": 4, "group_size": 64, "damp_percent": 0.05})",
       R"({"method": "gptq", "bits": 3, "desc_act": true, "static_groups": true, "parity": "lazy_groups"})",
       R"({"method": "rtn", "bits": {"default": 3, "layers.0.*": 8}, "mask": "magnitude"})",
       R"({"method": "sparsegpt", "mask": "wanda", "sparsity": 0.6})",
       R"({"method": "gblm", "alpha": 50, "gradient_norm": "l1", "score": "inverse"})",
       R"({"method": "ria", "power": 0.3, "pattern": "4:8"})",
       R"({"method": "dsnot", "first": "ria", "max_cycles": 9, "parity": "any_sign"})",
       R"({"method": "owl", "by": "sparsegpt", "sparsity": 0.7, "lambda": 0.1})",
       R"({"method": "awq", "bits": 3, "duo_scaling": true, "search_tokens": 512, "clip": false})",
       R"({"method": "smoothquant", "alpha": 0.85})",
       R"({"method": "nf4", "block_size": 128, "double_quant": true})",
       R"({"method": "fp4"})",
       R"({"method": "hqq", "bits": 3, "group_size": -1, "iterations": 5})",
       R"({"method": "llm_int8", "threshold": 0, "outliers": "batch"})",
       R"({"method": "kv_cache", "bits": 2, "group_size": -1, "sym": true})",
       R"({"method": "awq", "bits": 3, "kv_bits": 4, "kv_group_size": 32, "kv_sym": true})",
       R"({"method": "permute", "units": "both", "seed": 7})"}) {
    const Json given = Json::parse(settings);
    const auto config = method_config(given);
    const Json spelled = to_json(config);
    EXPECT_EQ(to_json(method_config(spelled)), spelled) << settings;
    for (const auto& [key, value] : given.items()) {
      if (key == "parity") continue;
      EXPECT_EQ(spelled.at(key), value) << settings;
    }
  }
}

TEST(Methods, TableMatchesTheSettings) {
  for (const Method& method : methods()) {
    const auto config = method.parse(Json{{"method", method.name}});
    EXPECT_EQ(method_of(config).name, method.name);
    const Json spelled = to_json(config);
    for (const auto& [key, value] : spelled.items()) {
      if (key == "method" || key == "parity") continue;
      EXPECT_NE(std::ranges::find(method.settings, key, &SettingInfo::key), method.settings.end())
          << method.name << ' ' << key;
    }
    const bool may_have_mask = method.name == "rtn" || method.name == "gptq";  // sparsity, pattern
    EXPECT_EQ(spelled.size(),
              1 + method.settings.size() - 2 * may_have_mask + !method.parity.empty())
        << method.name;
  }
  EXPECT_EQ(
      describe(method_config(Json::parse(R"({"method": "rtn", "bits": 3, "group_size": 64})"))),
      "rtn 3-bit g64");
  EXPECT_EQ(describe(method_config(Json::parse(R"({"method": "wanda", "pattern": "2:4"})"))),
            "wanda 2:4");
  EXPECT_EQ(describe(method_config(Json::parse(R"({"method": "magnitude"})"))), "magnitude 50 %");
  EXPECT_EQ(describe(method_config(Json::parse(
                R"({"method": "gptq", "bits": 3, "desc_act": true, "damp_percent": 0.05})"))),
            "gptq 3-bit g128 desc_act damp_percent 0.05");
  EXPECT_EQ(describe(method_config(Json::parse(R"({"method": "awq", "clip": false})"))),
            "awq 4-bit g128 no clip");
}

}  // namespace
}  // namespace assay
