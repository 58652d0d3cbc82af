#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "io/gguf.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

// The fields of TinyLlama-1.1B's config.json.
Json tiny_llama() {
  return parse_json(
      R"({"architectures":["LlamaForCausalLM"],"attention_bias":false,"bos_token_id":1,
    "eos_token_id":2,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,
    "intermediate_size":5632,"max_position_embeddings":2048,"model_type":"llama",
    "num_attention_heads":32,"num_hidden_layers":22,"num_key_value_heads":4,"pretraining_tp":1,
    "rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,"tie_word_embeddings":false,
    "torch_dtype":"bfloat16","use_cache":true,"vocab_size":32000})",
      "test");
}

std::string refusal(const Json& config) {
  try {
    config_from_json(config);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "accepted";
}

template <class T>
Json with(const char* key, const T& value) {
  auto config = tiny_llama();
  config[key] = value;
  return config;
}

Json without(const char* key) {
  auto config = tiny_llama();
  config.erase(key);
  return config;
}

TEST(Config, ReadsALlamaConfig) {
  const auto c = config_from_json(tiny_llama());
  EXPECT_EQ(c.model_type, "llama");
  EXPECT_EQ(c.hidden_size, 2048);
  EXPECT_EQ(c.intermediate_size, 5632);
  EXPECT_EQ(c.num_hidden_layers, 22);
  EXPECT_EQ(c.num_attention_heads, 32);
  EXPECT_EQ(c.num_key_value_heads, 4);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.vocab_size, 32000);
  EXPECT_EQ(c.max_position_embeddings, 2048);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_EQ(c.rope_theta, 10000.0);
  EXPECT_FALSE(c.tie_word_embeddings);
  EXPECT_EQ(c.bos_token_id, 1);
  EXPECT_EQ(c.eos_token_id, 2);
}

TEST(Config, MissingFieldsTakeTheDefaultsOfTransformers) {
  EXPECT_EQ(config_from_json(without("num_key_value_heads")).num_key_value_heads, 32);
  EXPECT_EQ(config_from_json(without("rms_norm_eps")).rms_norm_eps, 1e-6);
  EXPECT_EQ(config_from_json(without("rope_theta")).rope_theta, 10000.0);
  EXPECT_EQ(config_from_json(without("bos_token_id")).bos_token_id, std::nullopt);
  EXPECT_EQ(config_from_json(with("eos_token_id", std::vector{7, 8})).eos_token_id, 7);
  EXPECT_EQ(config_from_json(with("head_dim", 128)).head_dim, 128);
  auto transformers5 = without("rope_theta");
  transformers5["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5e5}};
  EXPECT_EQ(config_from_json(transformers5).rope_theta, 5e5);
}

TEST(Config, RefusesByNameWhatIsNotComputed) {
  EXPECT_EQ(refusal(tiny_llama()), "accepted");
  EXPECT_THAT(refusal(with("sliding_window", 512)),
              HasSubstr("'sliding_window' 512 in a model of type llama"));
  EXPECT_THAT(refusal(with("model_type", "lama")), HasSubstr("'lama' (did you mean 'llama'?)"));
  EXPECT_THAT(refusal(with("model_type", "mamba")),
              HasSubstr("known: llama, mistral, qwen2, qwen3, phi3, gemma, gemma2, gemma3_text"));
  EXPECT_THAT(refusal(without("model_type")), HasSubstr("missing key 'model_type'"));
  EXPECT_THAT(refusal(with("rope_interleaved", true)), HasSubstr("'rope_interleaved'"));
  EXPECT_THAT(refusal(with("hidden_act", "quick_gelu")), HasSubstr("'hidden_act': 'quick_gelu'"));
  EXPECT_THAT(refusal(with("partial_rotary_factor", 0.5)), HasSubstr("'partial_rotary_factor'"));
  EXPECT_THAT(refusal(with("rope_scaling", Json{{"type", "linaer"}, {"factor", 2.0}})),
              HasSubstr("rope_scaling: unsupported type 'linaer' (did you mean 'linear'?)"));
  EXPECT_THAT(refusal(with("rope_parameters", Json{{"rope_type", "llama3"}})),
              HasSubstr("'factor'"));
  EXPECT_THAT(refusal(with("rope_scaling", 2.0)), HasSubstr("rope_scaling: must be an object"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("expected an object"));
}

TEST(Config, RefusesNumbersThatMakeNoModel) {
  EXPECT_THAT(refusal(with("hidden_size", "2048")), HasSubstr("'hidden_size' must be an integer"));
  EXPECT_THAT(refusal(with("hidden_size", -1)), HasSubstr("hidden_size"));
  EXPECT_THAT(refusal(with("num_attention_heads", 0)), HasSubstr("num_attention_heads"));
  EXPECT_THAT(refusal(with("num_attention_heads", 31)), HasSubstr("not a multiple of"));
  EXPECT_THAT(refusal(with("num_key_value_heads", 5)), HasSubstr("num_key_value_heads 5"));
  EXPECT_THAT(refusal(with("head_dim", 65)), HasSubstr("head_dim must be even"));
  EXPECT_THAT(refusal(with("vocab_size", int64_t{1} << 40)), HasSubstr("vocab_size must be in"));
  EXPECT_THAT(refusal(with("rms_norm_eps", 0.0)), HasSubstr("rms_norm_eps must be positive"));
  EXPECT_THAT(refusal(with("rope_theta", -1.0)), HasSubstr("rope_theta must be positive"));
}

TEST(Config, AWindowThatNoPositionLeavesIsNone) {
  auto mistral = with("model_type", "mistral");
  mistral["max_position_embeddings"] = 32768;
  EXPECT_EQ(config_from_json(mistral).sliding_window, 4096);  // its default
  mistral["sliding_window"] = 512;
  EXPECT_EQ(window_of_layer(config_from_json(mistral), 0), 512);
  mistral["sliding_window"] = 32768;
  EXPECT_EQ(config_from_json(mistral).sliding_window, 0);
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(config_from_json(mistral).sliding_window, 0);
  mistral["sliding_window"] = 0;
  EXPECT_THAT(refusal(mistral), HasSubstr("sliding_window must be positive"));
  mistral.erase("sliding_window");
  mistral.erase("num_key_value_heads");
  EXPECT_EQ(config_from_json(mistral).num_key_value_heads, 8);
}

TEST(Config, QwenSlidesWhereItIsToldTo) {
  auto qwen = with("model_type", "qwen2");
  qwen["max_position_embeddings"] = 32768;
  auto c = config_from_json(qwen);
  EXPECT_TRUE(c.qkv_bias && !c.o_bias && !c.mlp_bias && !c.qk_norm);
  EXPECT_EQ(c.sliding_window, 0);
  qwen["use_sliding_window"] = true;
  qwen["max_window_layers"] = 20;
  c = config_from_json(qwen);
  EXPECT_EQ(window_of_layer(c, 19), 0);
  EXPECT_EQ(window_of_layer(c, 20), 4096);
  std::vector<std::string> types(22, "full_attention");
  types[21] = "sliding_attention";
  qwen["layer_types"] = types;
  EXPECT_EQ(window_of_layer(config_from_json(qwen), 20), 0);
  EXPECT_EQ(window_of_layer(config_from_json(qwen), 21), 4096);
  types[3] = "sliding_attention";
  qwen["layer_types"] = types;
  EXPECT_EQ(window_of_layer(config_from_json(qwen), 3), 4096);
  types[3] = "linear_attention";
  qwen["layer_types"] = types;
  EXPECT_THAT(refusal(qwen), HasSubstr("layer_types with 'linear_attention' at layer 3"));
  types.pop_back();
  qwen["layer_types"] = types;
  EXPECT_THAT(refusal(qwen), HasSubstr("layer_types names 21 layers of 22"));
  EXPECT_THAT(refusal(with("mlp_bias", true)), "accepted");
  qwen = with("model_type", "qwen2");
  qwen["mlp_bias"] = true;
  EXPECT_THAT(refusal(qwen), HasSubstr("'mlp_bias' in a model of type qwen2"));
  EXPECT_TRUE(config_from_json(with("model_type", "qwen3")).qk_norm);
}

TEST(Config, ComesBackFromItsOwnJson) {
  auto c = config_from_json(tiny_llama());
  EXPECT_EQ(config_from_json(config_to_json(c, "float32")), c);
  c.model_type = "mistral";
  c.max_position_embeddings = 32768;
  c.head_dim = 80;
  c.bos_token_id.reset();
  c.tie_word_embeddings = true;
  EXPECT_EQ(config_from_json(config_to_json(c, "float32")), c);
  EXPECT_EQ(config_to_json(c, "bfloat16")["torch_dtype"], "bfloat16");
  c.sliding_window = 512;
  EXPECT_EQ(config_from_json(config_to_json(c, "float32")), c);
  for (const RopeScaling& scaling :
       {RopeScaling{.rope_type = "linear", .factor = 4},
        RopeScaling{.rope_type = "llama3", .factor = 8, .original_max_position_embeddings = 8192},
        RopeScaling{.rope_type = "yarn", .factor = 4, .original_max_position_embeddings = 2048}}) {
    c.rope_scaling = scaling;
    EXPECT_EQ(config_from_json(config_to_json(c, "float32")), c) << scaling.rope_type;
  }
  for (const char* type : {"qwen2", "qwen3"}) {
    auto qwen = with("model_type", type);
    qwen["max_position_embeddings"] = 32768;
    qwen["use_sliding_window"] = true;
    qwen["max_window_layers"] = 20;
    c = config_from_json(qwen);
    EXPECT_EQ(config_from_json(config_to_json(c, "float32")), c) << type;
  }
}

// The keys of a small llama file.
GgufFile small_gguf() {
  GgufFile file;
  file.values = {{"general.architecture", std::string("llama")},
                 {"llama.embedding_length", uint64_t{64}},
                 {"llama.feed_forward_length", uint64_t{128}},
                 {"llama.block_count", uint64_t{2}},
                 {"llama.attention.head_count", uint64_t{4}},
                 {"llama.attention.head_count_kv", uint64_t{2}},
                 {"llama.rope.dimension_count", uint64_t{16}},
                 {"llama.context_length", uint64_t{512}},
                 {"llama.attention.layer_norm_rms_epsilon", 1e-5f},
                 {"llama.rope.freq_base", 100000.0f},
                 {"tokenizer.ggml.bos_token_id", uint64_t{1}}};
  file.tensors.push_back({"token_embd.weight", {64, 320}, block_format_by_name("F32"), 0, 0});
  return file;
}

TEST(Config, ReadsGgufKeys) {
  const auto c = config_from_gguf(small_gguf());
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.num_key_value_heads, 2);
  EXPECT_EQ(c.vocab_size, 320);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);  // not 9.99999975e-06, the float's own value
  EXPECT_EQ(c.rope_theta, 100000.0);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_EQ(c.bos_token_id, 1);
  EXPECT_EQ(c.eos_token_id, std::nullopt);
  auto stretched = small_gguf();
  stretched.values["llama.rope.scaling.type"] = std::string("linear");
  stretched.values["llama.rope.scaling.factor"] = 4.0f;
  EXPECT_EQ(config_from_gguf(stretched).rope_scaling.rope_type, "linear");
  EXPECT_EQ(config_from_gguf(stretched).rope_scaling.factor, 4);
}

TEST(Config, RefusesGgufKeysByName) {
  const auto refused = [](const char* key, const GgufValue& value) -> std::string {
    auto file = small_gguf();
    file.values[key] = value;
    try {
      config_from_gguf(file);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refused("general.architecture", std::string("gemma4")), HasSubstr("'gemma4'"));
  EXPECT_THAT(refused("llama.rope.scaling.type", std::string("yarn")),
              HasSubstr("'llama.rope.scaling': unsupported type 'yarn'"));
  EXPECT_THAT(refused("llama.expert_count", uint64_t{8}), HasSubstr("expert_count"));
  EXPECT_THAT(refused("llama.rope.dimension_count", uint64_t{8}),
              HasSubstr("rope.dimension_count"));
  EXPECT_THAT(refused("llama.attention.sliding_window", uint64_t{8}), HasSubstr("sliding_window"));
  EXPECT_THAT(refused("llama.rope.scaling.type", std::string("linear")), HasSubstr("factor"));
  auto unstretched = small_gguf();
  unstretched.values["llama.rope.scaling.type"] = std::string("linear");
  unstretched.values["llama.rope.scaling.factor"] = 0.0f;
  EXPECT_THROW(config_from_gguf(unstretched), Error);
  auto half_biased = small_gguf();
  half_biased.tensors.push_back({"blk.0.attn_q.bias", {64}, block_format_by_name("F32"), 0, 0});
  try {
    config_from_gguf(half_biased);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("in a model of type llama: q, k, v"));
  }
  EXPECT_THAT(refused("llama.block_count", std::string("2")), HasSubstr("'llama.block_count'"));
  EXPECT_THAT(refused("llama.block_count", uint64_t{0}), HasSubstr("num_hidden_layers"));
}

}  // namespace
}  // namespace assay
