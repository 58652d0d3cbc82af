#include "model/gguf_file_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

std::string types_of(std::string_view file, std::string_view part, const GgufMixture& mixture,
                     uint64_t row_length = 4096) {
  std::string text;
  for (int64_t layer = 0; layer < mixture.num_layers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + "." + std::string(part) + ".weight";
    const auto& format = matrix_format(gguf_file_type_named(file), name, row_length, mixture);
    text += (text.empty() ? "" : " ") + std::string(format.name);
  }
  return text;
}

std::string type_of(std::string_view file, std::string_view name, const GgufMixture& mixture,
                    uint64_t row_length = 4096) {
  return std::string(matrix_format(gguf_file_type_named(file), name, row_length, mixture).name);
}

// 16 layers: an eighth is 2, seven are 14; between, those with (i - 2) % 3 == 2: 4, 7, 10, 13.
TEST(GgufFileTypes, MoreBitsAtBothEndsAndEveryThirdBetween) {
  const GgufMixture m{.num_layers = 16};
  const std::string expected =
      "Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K";
  EXPECT_EQ(types_of("Q4_K_M", "attn_v", m), expected);
  EXPECT_EQ(types_of("Q4_K_M", "ffn_down", m), expected);
  EXPECT_EQ(type_of("Q4_K_M", "blk.0.attn_q.weight", m), "Q4_K");
  EXPECT_EQ(type_of("Q5_K_M", "blk.0.attn_v.weight", m), "Q6_K");
  EXPECT_EQ(type_of("Q5_K_M", "blk.2.attn_v.weight", m), "Q5_K");
}

TEST(GgufFileTypes, RowsOfTheTable) {
  const GgufMixture m{.num_layers = 16}, shared{.num_layers = 16, .queries_per_key = 4};
  const GgufMixture weighted{.num_layers = 16, .has_importance = true};
  struct Row {
    const char *file, *name;
    const GgufMixture& mixture;
    const char* type;
  };
  const Row rows[] = {
      {"Q2_K", "blk.3.attn_v.weight", m, "Q3_K"},
      {"Q2_K", "blk.3.attn_v.weight", shared, "Q4_K"},
      {"Q2_K", "blk.3.attn_output.weight", m, "Q3_K"},
      {"Q2_K", "blk.3.ffn_down.weight", m, "Q3_K"},
      {"Q2_K", "blk.3.ffn_up.weight", m, "Q2_K"},
      {"Q3_K_S", "blk.0.ffn_down.weight", m, "Q3_K"},
      {"Q3_K_M", "blk.1.attn_v.weight", m, "Q5_K"},
      {"Q3_K_M", "blk.2.attn_v.weight", m, "Q4_K"},
      {"Q3_K_M", "blk.2.attn_output.weight", m, "Q4_K"},
      {"Q3_K_M", "blk.0.ffn_down.weight", m, "Q5_K"},
      {"Q3_K_M", "blk.1.ffn_down.weight", m, "Q4_K"},
      {"Q3_K_L", "blk.9.attn_v.weight", m, "Q5_K"},
      {"Q3_K_L", "blk.9.attn_output.weight", m, "Q5_K"},
      {"Q3_K_L", "blk.9.ffn_down.weight", m, "Q5_K"},
      {"Q4_K_S", "blk.3.attn_v.weight", m, "Q5_K"},
      {"Q4_K_S", "blk.4.attn_v.weight", m, "Q4_K"},
      {"Q4_K_S", "blk.1.ffn_down.weight", m, "Q5_K"},
      {"Q4_K_S", "blk.2.ffn_down.weight", m, "Q4_K"},
      {"Q5_K_S", "blk.0.ffn_down.weight", m, "Q5_K"},
      {"Q6_K", "blk.0.ffn_down.weight", m, "Q6_K"},
      {"Q4_0", "blk.0.ffn_down.weight", m, "Q4_0"},
      {"Q4_0", "blk.1.ffn_down.weight", weighted, "Q4_1"},
      {"Q4_0", "blk.2.ffn_down.weight", weighted, "Q4_0"},
      {"Q5_0", "blk.1.ffn_down.weight", weighted, "Q5_1"},
      {"Q4_1", "blk.1.ffn_down.weight", weighted, "Q4_1"},
      {"IQ4_NL", "blk.9.attn_v.weight", shared, "Q5_K"},
      {"IQ4_XS", "blk.9.attn_v.weight", m, "IQ4_XS"},
      {"IQ4_XS", "blk.1.ffn_down.weight", m, "Q5_K"},
      {"IQ4_XS", "blk.1.ffn_down.weight", weighted, "IQ4_XS"},
      {"Q4_K_M", "blk.9.attn_qkv.weight", m, "Q5_K"},
      {"Q3_K_L", "blk.9.attn_qkv.weight", m, "Q4_K"},
      {"Q5_K_M", "blk.9.attn_qkv.weight", m, "Q6_K"},
      {"F16", "blk.0.ffn_down.weight", m, "F16"},
      {"BF16", "output.weight", m, "BF16"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(type_of(row.file, row.name, row.mixture), row.type) << row.file << ' ' << row.name;
  }
}

TEST(GgufFileTypes, TheHeadHasMore) {
  const GgufMixture tied{.num_layers = 16, .is_tied = true}, apart{.num_layers = 16};
  EXPECT_EQ(type_of("Q4_K_M", "output.weight", apart), "Q6_K");
  EXPECT_EQ(type_of("Q4_0", "output.weight", apart), "Q6_K");
  EXPECT_EQ(type_of("Q8_0", "output.weight", apart), "Q8_0");
  EXPECT_EQ(type_of("Q4_K_M", "token_embd.weight", apart), "Q4_K");
  EXPECT_EQ(type_of("Q4_K_M", "token_embd.weight", tied), "Q6_K");
  EXPECT_EQ(type_of("Q4_K_M", "token_embd.weight", tied, 576), "Q8_0");
  EXPECT_EQ(type_of("Q4_0", "token_embd.weight", tied, 576), "Q8_0");
}

TEST(GgufFileTypes, LargeModels) {
  const GgufMixture m70{.num_layers = 80, .queries_per_key = 8};
  EXPECT_EQ(type_of("Q4_K_M", "blk.11.attn_v.weight", m70), "Q5_K");
  EXPECT_EQ(type_of("Q4_K_M", "blk.0.attn_v.weight", m70), "Q6_K");
  EXPECT_EQ(type_of("Q3_K_S", "blk.11.attn_v.weight", m70), "Q5_K");
  const GgufMixture m65{.num_layers = 80};
  EXPECT_EQ(type_of("Q4_K_M", "blk.11.attn_v.weight", m65), "Q4_K");
  const GgufMixture experts{.num_layers = 32, .queries_per_key = 4, .num_experts = 8};
  EXPECT_EQ(type_of("Q4_K_M", "blk.11.attn_v.weight", experts), "Q8_0");
  EXPECT_EQ(type_of("Q4_K_M", "blk.11.attn_k.weight", experts), "Q8_0");
  EXPECT_EQ(type_of("Q4_K_M", "blk.11.attn_output.weight", experts), "Q5_K");
  EXPECT_EQ(type_of("Q5_K_M", "blk.11.attn_output.weight", experts), "Q5_K");
  EXPECT_EQ(type_of("Q6_K", "blk.11.attn_output.weight", experts), "Q6_K");
}

TEST(GgufFileTypes, RowsThatAreNoWholeBlocksFallBack) {
  const GgufMixture m{.num_layers = 16};
  const auto at_576 = [&](std::string_view file) {
    return type_of(file, "blk.8.ffn_up.weight", m, 576);
  };
  EXPECT_EQ(at_576("Q2_K"), "IQ4_NL");
  EXPECT_EQ(at_576("Q3_K_M"), "IQ4_NL");
  EXPECT_EQ(at_576("IQ4_XS"), "IQ4_NL");
  EXPECT_EQ(at_576("Q4_K_M"), "Q5_0");
  EXPECT_EQ(at_576("Q5_K_S"), "Q5_1");
  EXPECT_EQ(at_576("Q6_K"), "Q8_0");
  EXPECT_EQ(at_576("Q4_0"), "Q4_0");
  EXPECT_EQ(type_of("Q4_K_M", "blk.8.ffn_up.weight", m, 40), "F16");
  EXPECT_EQ(type_of("Q8_0", "blk.8.ffn_up.weight", m, 40), "F16");
  EXPECT_EQ(type_of("Q8_0", "output.weight", m, 40), "F16");
}

TEST(GgufFileTypes, SmallTensorsStayFloat32) {
  EXPECT_TRUE(is_always_float32("blk.0.attn_norm.weight", 1));
  EXPECT_TRUE(is_always_float32("blk.0.attn_q.bias", 1));
  EXPECT_TRUE(is_always_float32("output_norm.weight", 2));
  EXPECT_TRUE(is_always_float32("blk.0.ffn_gate_inp.weight", 2));
  EXPECT_FALSE(is_always_float32("blk.0.ffn_gate.weight", 2));
  EXPECT_FALSE(is_always_float32("token_embd.weight", 2));
}

TEST(GgufFileTypes, UnknownNamesAreRefusedWithTheNearest) {
  try {
    gguf_file_type_named("Q4_K_N");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr("no GGUF file type 'Q4_K_N' (did you mean 'Q4_K_"));
  }
}

}  // namespace
}  // namespace assay
