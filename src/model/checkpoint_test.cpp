#include "model/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/locations.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "model/catalogue.h"
#include "model/file_layout.h"
#include "model/stored_tensor.h"
#include "model/tensor_names.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_model_XXXXXX";
  return ::mkdtemp(name.data());
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_NE(e.kind, ErrorKind::kInternal) << e.what();
    return e.what();
  }
  return "accepted";
}

std::string refusal(const std::filesystem::path& path) {
  return message_of([&] { Checkpoint::open(path); });
}

// Replaces the tensors of a folder by those that `change` gives, all as F32 unless it says
// otherwise.
struct Changed {
  std::string name;
  const Dtype* dtype;
  std::vector<uint64_t> shape;
  std::string bytes;
};

void rewrite(const std::filesystem::path& folder, const std::function<bool(Changed&)>& keep) {
  const auto path = folder / "model.safetensors";
  std::vector<Changed> tensors;
  const auto file = open_safetensors(path);
  for (const auto& tensor : file.header.tensors) {
    const auto bytes = file.bytes(tensor);
    Changed changed{tensor.name, tensor.dtype, tensor.shape,
                    std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
    if (keep(changed)) tensors.push_back(changed);
  }
  std::vector<TensorDeclaration> declared;
  for (const auto& tensor : tensors) declared.push_back({tensor.name, tensor.dtype, tensor.shape});
  SafetensorsWriter writer(path, declared);
  for (const auto& tensor : tensors)
    writer.write(tensor.name, std::as_bytes(std::span(tensor.bytes)));
  writer.commit();
}

const std::string kQ0 = "model.layers.0.self_attn.q_proj.weight";

// By hand, head size 8: the file holds old rows in the order 0 4 1 5 2 6 3 7; undoing it gives 0..7
// again.
TEST(RotaryOrder, IsUndoneHeadByHead) {
  const auto file_order =
      at::tensor({0, 4, 1, 5, 2, 6, 3, 7, 10, 14, 11, 15, 12, 16, 13, 17}, at::kFloat);
  const auto expected =
      at::tensor({0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17}, at::kFloat);
  EXPECT_TRUE(
      at::equal(undo_rotary_interleaving(file_order.view({16, 1}), 2), expected.view({16, 1})));
  EXPECT_THROW(undo_rotary_interleaving(at::zeros({10, 2}), 2), Error);
}

TEST(FileLayout, GgufNamesAreTheirOwn) {
  std::map<std::string, std::string> own;
  for (const FileTensor& file : gguf_tensors(tiny_config())) own[file.name] = file.parts[0].name;
  EXPECT_EQ(own["blk.1.ffn_down.weight"], "model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(own["blk.0.attn_output.weight"], "model.layers.0.self_attn.o_proj.weight");
  EXPECT_EQ(own["blk.0.ffn_norm.weight"], "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(own["token_embd.weight"], "model.embed_tokens.weight");
  EXPECT_EQ(own.size(), 2 + 2 * 9u);
}

TEST(FileLayout, FusedTensorsHoldPartsAfterPartsOrGroupByGroup) {
  ModelConfig c = tiny_config({.model_type = "phi3"});  // 4 heads of 16, 2 key heads
  const auto find = [&](const std::string& name) {
    for (FileTensor& file : hugging_face_tensors(c)) {
      if (file.name == name) return file;
    }
    return FileTensor{};
  };
  const auto fused = find("model.layers.1.self_attn.qkv_proj.weight");
  EXPECT_EQ(fused.shape, (std::vector<int64_t>{128, 64}));
  ASSERT_EQ(fused.parts.size(), 3u);
  EXPECT_EQ(fused.parts[2].name, "model.layers.1.self_attn.v_proj.weight");
  EXPECT_EQ(fused.parts[2].rows, (RowRuns{.first_row = 96, .run_rows = 32, .stride = 32}));
  // Falcon: 2 query heads, their key head and their value head, 16 rows each, then the next group.
  c = tiny_config({.model_type = "falcon"});
  const auto grouped = find("transformer.h.0.self_attention.query_key_value.weight");
  ASSERT_EQ(grouped.parts.size(), 3u);
  EXPECT_EQ(grouped.parts[0].rows,
            (RowRuns{.first_row = 0, .run_rows = 32, .stride = 64, .num_runs = 2}));
  EXPECT_EQ(grouped.parts[1].rows,
            (RowRuns{.first_row = 32, .run_rows = 16, .stride = 64, .num_runs = 2}));
  EXPECT_EQ(row_indices({.first_row = 1, .run_rows = 2, .stride = 4, .num_runs = 2}),
            (std::vector<int64_t>{1, 2, 5, 6}));
  // GPT-2 stores matrices the other way round.
  c = tiny_config({.num_key_value_heads = 4, .model_type = "gpt2"});
  const auto turned = find("transformer.h.0.attn.c_attn.weight");
  EXPECT_TRUE(turned.transposed);
  EXPECT_EQ(turned.shape, (std::vector<int64_t>{64, 192}));
}

TEST(TensorNames, LinearsOfEveryKindOfMlp) {
  EXPECT_TRUE(is_block_linear("model.layers.3.mlp.up_proj.weight"));
  EXPECT_TRUE(is_block_linear("model.layers.3.mlp.fc1.weight"));
  EXPECT_TRUE(is_block_linear("model.layers.3.mlp.experts.12.down_proj.weight"));
  EXPECT_FALSE(is_block_linear("model.layers.3.mlp.gate.weight"));
  EXPECT_FALSE(is_block_linear("model.layers.3.mlp.experts.down_proj.weight"));
  EXPECT_FALSE(is_block_linear("model.layers.3.input_layernorm.weight"));
  EXPECT_FALSE(is_block_linear("lm_head.weight"));
}

TEST(TinyModel, WordsAreDistinctAndMergesAreMadeOfEarlierWords) {
  const auto words = tiny_vocabulary();
  ASSERT_EQ(words.size(), 320u);
  EXPECT_EQ(words[3], "!");
  std::set<std::string> known;
  for (size_t id = 0; id < 3 + 256; ++id) EXPECT_TRUE(known.insert(words[id]).second) << words[id];
  const auto merges = tiny_merges();
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto space = merges[rank].find(' ');
    EXPECT_TRUE(known.contains(merges[rank].substr(0, space))) << merges[rank];
    EXPECT_TRUE(known.contains(merges[rank].substr(space + 1))) << merges[rank];
    EXPECT_TRUE(known.insert(words[3 + 256 + rank]).second) << merges[rank];
  }
}

TEST(TinyModel, IsTheSameAgainAndAnotherWithAnotherSeed) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "a");
  write_tiny_model(folder / "b");
  write_tiny_model(folder / "c", {.seed = 1});
  EXPECT_EQ(read_file(folder / "a" / "model.safetensors"),
            read_file(folder / "b" / "model.safetensors"));
  const auto a = Checkpoint::open(folder / "a"), c = Checkpoint::open(folder / "c");
  EXPECT_FALSE(at::equal(a.tensor(kQ0), c.tensor(kQ0)));
  EXPECT_NE(a.weights_hash(), c.weights_hash());
  EXPECT_NEAR(a.tensor(kQ0).std().item<double>(), 1 / 8.0,
              0.01);  // 4096 normals of deviation 1/sqrt(64)
}

TEST(Checkpoint, OpensAFolder) {
  const auto folder = fresh_folder() / "tiny";
  write_tiny_model(folder);
  const auto checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.config(), tiny_config());
  EXPECT_EQ(checkpoint.tensors().size(), 2u + 2 * 9);
  EXPECT_TRUE(checkpoint.has(kQ0));
  EXPECT_FALSE(checkpoint.has("lm_head.weight"));
  EXPECT_EQ(checkpoint.description(), "tiny: float32");
  EXPECT_EQ(Checkpoint::open(folder / "").description(), "tiny: float32");
  EXPECT_FALSE(checkpoint.quantized());
  EXPECT_TRUE(checkpoint.provenance().is_null());
  EXPECT_THAT(message_of([&] { checkpoint.tensor("model.layers.0.self_attn.q_prj.weight"); }),
              HasSubstr("(did you mean 'model.layers.0.self_attn.q_proj.weight'?)"));
}

TEST(Checkpoint, Float32TensorsShareTheMappingAndKeepItAlive) {
  const auto folder = fresh_folder() / "tiny";
  write_tiny_model(folder);
  at::Tensor q;
  {
    const auto checkpoint = Checkpoint::open(folder);
    q = checkpoint.tensor(kQ0);
    EXPECT_EQ(q.data_ptr(), checkpoint.tensor(kQ0).data_ptr());
  }
  std::filesystem::remove_all(folder);
  EXPECT_NEAR(q.std().item<double>(), 1 / 8.0, 0.01);
}

TEST(Checkpoint, AGgufOfTheSameModelGivesTheSameTensors) {
  const auto folder = fresh_folder();
  const RopeScaling llama31{
      .rope_type = "llama3", .factor = 8, .original_max_position_embeddings = 8192};
  const std::vector<TinyModelOptions> models{
      {.seed = 5, .num_hidden_layers = 3},
      {.seed = 5, .num_hidden_layers = 3, .tie_word_embeddings = false},
      {.seed = 5, .attention_bias = true, .mlp_bias = true, .rope_scaling = llama31},
      {.seed = 5, .model_type = "qwen2"},
      {.seed = 5, .model_type = "qwen3", .attention_bias = true}};
  for (const TinyModelOptions& options : models) {
    SCOPED_TRACE(options.model_type);
    std::filesystem::remove_all(folder / "tiny");
    write_tiny_model(folder / "tiny", options);
    write_tiny_gguf(folder / "tiny.gguf", options);
    const auto a = Checkpoint::open(folder / "tiny"), b = Checkpoint::open(folder / "tiny.gguf");
    EXPECT_EQ(a.config(), b.config());
    ASSERT_EQ(a.tensors().size(), b.tensors().size());
    for (const auto& record : a.tensors()) {
      EXPECT_TRUE(at::equal(a.tensor(record.name), b.tensor(record.name))) << record.name;
    }
    EXPECT_EQ(b.description(), "tiny.gguf: float32");
  }
}

TEST(Checkpoint, DecodesHalfTypesOfAFolder) {
  const auto folder = fresh_folder() / "tiny";
  write_tiny_model(folder);
  const auto original = Checkpoint::open(folder);
  std::map<std::string, at::Tensor> expected;
  for (const auto& [dtype, type] :
       {std::pair{"BF16", at::kBFloat16}, std::pair{"F16", at::kHalf}}) {
    write_tiny_model(folder);
    rewrite(folder, [&, name = dtype, type = type](Changed& tensor) {
      const auto half = original.tensor(tensor.name).to(type);
      expected[tensor.name] = half.to(at::kFloat);
      tensor.dtype = dtype_named(name);
      tensor.bytes.assign(static_cast<const char*>(half.data_ptr()), half.nbytes());
      return true;
    });
    const auto checkpoint = Checkpoint::open(folder);
    for (const auto& [name, tensor] : expected) {
      EXPECT_TRUE(at::equal(checkpoint.tensor(name), tensor)) << dtype << name;
    }
    EXPECT_FALSE(checkpoint.quantized());
    EXPECT_THAT(checkpoint.description(), HasSubstr(dtype[0] == 'B' ? "bfloat16" : "float16"));
  }
}

TEST(Checkpoint, ShardsAreOneCheckpoint) {
  const auto folder = fresh_folder() / "tiny", sharded = folder.parent_path() / "sharded";
  write_tiny_model(folder);
  std::filesystem::copy(folder, sharded);
  Json weight_map = Json::object();
  for (const int part : {0, 1}) {
    const auto shard = "model-0000" + std::to_string(part + 1) + "-of-00002.safetensors";
    std::filesystem::copy(folder / "model.safetensors", sharded / "model.safetensors",
                          std::filesystem::copy_options::overwrite_existing);
    rewrite(sharded, [&](Changed& tensor) {
      const bool here = (tensor.name.find("layers.1") != std::string::npos) == (part == 1);
      if (here) weight_map[tensor.name] = shard;
      return here;
    });
    std::filesystem::rename(sharded / "model.safetensors", sharded / shard);
  }
  write_file_atomic(sharded / "model.safetensors.index.json",
                    Json{{"weight_map", weight_map}}.dump());
  EXPECT_EQ(Checkpoint::open(sharded).weights_hash(), Checkpoint::open(folder).weights_hash());
  EXPECT_TRUE(Checkpoint::open(sharded).warnings().empty());
  write_file_atomic(sharded / "model.safetensors.index.json",
                    Json{{"metadata", {{"total_size", 7}}}, {"weight_map", weight_map}}.dump());
  EXPECT_THAT(Checkpoint::open(sharded).warnings(),
              ElementsAre(HasSubstr("states a total_size of 7 bytes, its files hold ")));
}

TEST(Checkpoint, RefusesTensorsThatAreNotTheModels) {
  const auto folder = fresh_folder() / "tiny";
  const auto refused = [&](const std::function<bool(Changed&)>& keep) {
    write_tiny_model(folder);
    rewrite(folder, keep);
    return refusal(folder);
  };
  EXPECT_EQ(refused([](Changed&) { return true; }), "accepted");
  EXPECT_THAT(refused([](Changed& t) { return t.name != kQ0; }),
              AllOf(HasSubstr("tiny: "), HasSubstr("'" + kQ0 + "' is missing")));
  EXPECT_THAT(refused([](Changed& t) {
                if (t.name == kQ0) t.shape = {32, 128};
                return true;
              }),
              HasSubstr("'" + kQ0 + "' has shape [32, 128], the config needs [64, 64]"));
  EXPECT_THAT(refused([](Changed& t) {
                if (t.name == "model.norm.weight") t.name = "model.layers.0.self_attn.q_proj.bias";
                return true;
              }),
              HasSubstr("'model.norm.weight' is missing"));
  write_tiny_model(folder);
  auto config = tiny_config();
  config.num_hidden_layers = 1;
  write_file_atomic(folder / "config.json", config_to_json(config, "float32").dump());
  EXPECT_THAT(refusal(folder),
              HasSubstr("'model.layers.1.input_layernorm.weight' has no place in a model of type "
                        "llama with 1 layers"));
}

TEST(Checkpoint, NamesTheTensorOfANanAndATypeThatIsNotRead) {
  const auto folder = fresh_folder() / "tiny";
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    write_tiny_model(folder);
    rewrite(folder, [&](Changed& tensor) {
      if (tensor.name == kQ0) std::memcpy(tensor.bytes.data() + 4 * (64 * 3 + 7), &bad, sizeof bad);
      return true;
    });
    const auto checkpoint = Checkpoint::open(folder);
    EXPECT_THAT(
        message_of([&] { checkpoint.tensor(kQ0); }),
        HasSubstr("'" + kQ0 + "': 1 of 4096 values are NaN or infinite, the first at [3, 7]"));
    EXPECT_EQ(at::isfinite(checkpoint.tensor_as_stored(kQ0)).sum().item<int64_t>(), 4095);
    EXPECT_NO_THROW(checkpoint.tensor("model.norm.weight"));
  }
  EXPECT_NO_THROW(
      require_finite(at::full({4}, 3e38f), "huge"));  // the sum overflows, the values are finite
  rewrite(folder, [&](Changed& tensor) {
    if (tensor.name == kQ0) tensor.dtype = dtype_named("I32");
    return true;
  });
  EXPECT_THAT(message_of([&] { Checkpoint::open(folder).tensor(kQ0); }),
              HasSubstr("'" + kQ0 + "': type I32 is not read"));
}

TEST(Checkpoint, RefusesPathsThatAreNoModel) {
  const auto folder = fresh_folder();
  EXPECT_THAT(refusal(folder / "gone"), HasSubstr("no such file or folder"));
  EXPECT_THAT(refusal(folder), HasSubstr("no config.json"));
  write_file_atomic(folder / "model.bin", "x");
  EXPECT_THAT(refusal(folder / "model.bin"), HasSubstr("expected a folder"));
  write_file_atomic(folder / "config.json", "{");
  EXPECT_THAT(refusal(folder), HasSubstr("config.json: not valid JSON"));
}

void overwrite(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Cut at 50 places and with bits of its header flipped, a file is refused or still makes sense;
// nothing crashes.
TEST(Checkpoint, DamagedFilesAreRefused) {
  const auto folder = fresh_folder();
  write_tiny_model(folder / "tiny");
  write_tiny_gguf(folder / "tiny.gguf");
  std::mt19937 random(3);
  for (const auto& [opened, damaged] :
       {std::pair{folder / "tiny", folder / "tiny" / "model.safetensors"},
        std::pair{folder / "tiny.gguf", folder / "tiny.gguf"}}) {
    const auto whole = read_file(damaged);
    for (int i = 0; i < 50; ++i) {
      overwrite(damaged, whole.substr(0, random() % (whole.size() - 32)));
      EXPECT_NE(refusal(opened), "accepted") << opened;
    }
    for (int i = 0; i < 200; ++i) {
      auto bytes = whole;
      bytes[random() % 4000] ^= static_cast<char>(1u << (random() % 8));
      overwrite(damaged, bytes);
      message_of([&] {
        const auto checkpoint = Checkpoint::open(opened);
        for (const auto& record : checkpoint.tensors()) checkpoint.tensor(record.name);
      });
    }
  }
}

// The default model of the demo: 30 layers, Q4_1 linears, Q8_0 embedding, tied head.
TEST(Checkpoint, OpensSmolLM2) {
  const auto path = cache_folder() / catalogue_models()[0].file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto checkpoint = Checkpoint::open(path);
  const auto& c = checkpoint.config();
  EXPECT_EQ(c.num_hidden_layers, 30);
  EXPECT_EQ(c.hidden_size, 576);
  EXPECT_EQ(c.intermediate_size, 1536);
  EXPECT_EQ(c.num_attention_heads, 9);
  EXPECT_EQ(c.num_key_value_heads, 3);
  EXPECT_EQ(c.vocab_size, 49152);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_EQ(c.bos_token_id, 1);
  EXPECT_EQ(checkpoint.description(), "SmolLM2-135M-Instruct.Q4_1.gguf: decoded Q4_1");
  EXPECT_TRUE(checkpoint.quantized());
  EXPECT_EQ(checkpoint.tensor(kQ0).sizes(), (std::vector<int64_t>{576, 576}));
}

}  // namespace
}  // namespace assay
