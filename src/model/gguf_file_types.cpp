#include "model/gguf_file_types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

constexpr std::array kFileTypes{
    GgufFileType{"F32", 0, "F32"},        GgufFileType{"F16", 1, "F16"},
    GgufFileType{"BF16", 32, "BF16"},     GgufFileType{"Q8_0", 7, "Q8_0"},
    GgufFileType{"Q4_0", 2, "Q4_0"},      GgufFileType{"Q4_1", 3, "Q4_1"},
    GgufFileType{"Q5_0", 8, "Q5_0"},      GgufFileType{"Q5_1", 9, "Q5_1"},
    GgufFileType{"Q2_K", 10, "Q2_K"},     GgufFileType{"Q3_K_S", 11, "Q3_K"},
    GgufFileType{"Q3_K_M", 12, "Q3_K"},   GgufFileType{"Q3_K_L", 13, "Q3_K"},
    GgufFileType{"Q4_K_S", 14, "Q4_K"},   GgufFileType{"Q4_K_M", 15, "Q4_K"},
    GgufFileType{"Q5_K_S", 16, "Q5_K"},   GgufFileType{"Q5_K_M", 17, "Q5_K"},
    GgufFileType{"Q6_K", 18, "Q6_K"},     GgufFileType{"IQ4_NL", 25, "IQ4_NL"},
    GgufFileType{"IQ4_XS", 30, "IQ4_XS"},
};

// "blk.12.attn_v.weight"
struct BlockTensor {
  int64_t layer = -1;
  std::string_view part;  // "attn_v"
};

BlockTensor block_tensor(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.", kEnding = ".weight";
  if (!name.starts_with(kPrefix) || !name.ends_with(kEnding)) return {};
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kEnding.size());
  BlockTensor tensor;
  const auto end = std::from_chars(name.data(), name.data() + name.size(), tensor.layer).ptr;
  const auto digits = static_cast<size_t>(end - name.data());
  if (digits + 1 < name.size()) tensor.part = name.substr(digits + 1);
  return tensor;
}

// The first and last eighth of the layers, and every third between.
bool wants_more_bits(int64_t layer, int64_t num_layers) {
  const int64_t eighth = num_layers / 8;
  return layer < eighth || layer >= 7 * num_layers / 8 || (layer - eighth) % 3 == 2;
}

// An empty name: the base type.
std::string_view value_type(std::string_view file, int64_t layer, const GgufMixture& m) {
  const bool is_shared = m.queries_per_key >= 4;
  if (file == "Q2_K") return is_shared ? "Q4_K" : "Q3_K";
  if (file == "Q3_K_M") return layer < 2 ? "Q5_K" : "Q4_K";
  if (file == "Q3_K_L") return "Q5_K";
  if (file == "Q4_K_S") return layer < 4 ? "Q5_K" : "";
  if (file == "Q4_K_M" || file == "Q5_K_M") {
    return wants_more_bits(layer, m.num_layers) ? "Q6_K" : "";
  }
  if (file == "IQ4_NL" || file == "IQ4_XS") return is_shared ? "Q5_K" : "";
  return "";
}

std::string_view attention_output_type(std::string_view file, const GgufMixture& m) {
  if (m.num_experts == 8) {
    constexpr std::array<std::string_view, 7> kLow{"Q2_K",   "Q3_K_S", "Q3_K_M", "Q4_K_S",
                                                   "Q4_K_M", "IQ4_NL", "IQ4_XS"};
    return std::ranges::find(kLow, file) != kLow.end() ? "Q5_K" : "";
  }
  if (file == "Q2_K") return "Q3_K";
  if (file == "Q3_K_M") return "Q4_K";
  if (file == "Q3_K_L") return "Q5_K";
  return "";
}

std::string_view down_type(std::string_view file, int64_t layer, const GgufMixture& m) {
  const int64_t n = m.num_layers;
  const bool is_early = layer < n / 8;
  if (file == "Q2_K") return "Q3_K";
  if (file == "Q3_K_M") return layer < n / 16 ? "Q5_K" : "Q4_K";
  if (file == "Q3_K_L") return "Q5_K";
  if (file == "Q4_K_S") return is_early ? "Q5_K" : "";
  if (file == "Q4_K_M" || file == "Q5_K_M") return wants_more_bits(layer, n) ? "Q6_K" : "";
  if (file == "Q4_0") return is_early && m.has_importance ? "Q4_1" : "";
  if (file == "Q5_0") return is_early && m.has_importance ? "Q5_1" : "";
  if (file == "IQ4_NL" || file == "IQ4_XS") return is_early && !m.has_importance ? "Q5_K" : "";
  return "";
}

std::string_view fused_attention_type(std::string_view file) {
  if (file == "Q3_K_M" || file == "Q3_K_L") return "Q4_K";
  if (file == "Q4_K_M") return "Q5_K";
  return file == "Q5_K_M" ? "Q6_K" : "";
}

std::string_view block_type(const GgufFileType& file, const BlockTensor& tensor,
                            const GgufMixture& m) {
  const bool has_eight_experts = m.num_experts == 8;
  if (tensor.part == "attn_v") {
    if (has_eight_experts) return "Q8_0";
    const auto chosen = value_type(file.name, tensor.layer, m);
    const auto type = chosen.empty() ? file.base : chosen;
    // Of 70 B models, whose values are an eighth of the queries.
    const bool is_70b = m.num_layers == 80 && m.queries_per_key > 1;
    return is_70b && (type == "Q3_K" || type == "Q4_K") ? "Q5_K" : type;
  }
  if (tensor.part == "attn_k") return has_eight_experts ? "Q8_0" : "";
  if (tensor.part == "attn_output") return attention_output_type(file.name, m);
  if (tensor.part == "attn_qkv") return fused_attention_type(file.name);
  if (tensor.part == "ffn_down" || tensor.part == "ffn_down_exps") {
    return down_type(file.name, tensor.layer, m);
  }
  return "";
}

// Where the rows are not whole blocks.
std::string_view fallback(std::string_view type) {
  if (type == "Q2_K" || type == "Q3_K" || type == "IQ4_XS") return "IQ4_NL";
  if (type == "Q4_K") return "Q5_0";
  if (type == "Q5_K") return "Q5_1";
  return type == "Q6_K" ? "Q8_0" : "F16";
}

}  // namespace

std::span<const GgufFileType> gguf_file_types() { return kFileTypes; }

const GgufFileType& gguf_file_type_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const GgufFileType& type : kFileTypes) {
    if (type.name == name) return type;
    names.push_back(type.name);
  }
  fail(ErrorKind::kBadInput, "no GGUF file type '", name, "'", suggest(name, names));
}

bool is_always_float32(std::string_view gguf_name, size_t num_dims) {
  return num_dims < 2 || !gguf_name.ends_with(".weight") || gguf_name.ends_with("_norm.weight") ||
         gguf_name.ends_with(".ffn_gate_inp.weight");
}

const BlockFormat& matrix_format(const GgufFileType& type, std::string_view gguf_name,
                                 uint64_t row_length, const GgufMixture& mixture) {
  const BlockFormat* base = block_format_by_name(type.base);
  if (base->block_elements == 1) return *base;  // floats are not mixed
  const bool is_head =
      gguf_name == "output.weight" || (mixture.is_tied && gguf_name == "token_embd.weight");
  std::string_view chosen;
  if (is_head) {
    const bool is_whole = row_length % base->block_elements == 0;
    chosen = !is_whole || type.base == "Q8_0" ? "Q8_0" : "Q6_K";
  } else {
    chosen = block_type(type, block_tensor(gguf_name), mixture);
  }
  const BlockFormat* format = chosen.empty() ? base : block_format_by_name(chosen);
  while (row_length % format->block_elements != 0) {
    format = block_format_by_name(fallback(format->name));
  }
  return *format;
}

bool keeps_zeros(const BlockFormat& format) {
  constexpr std::array<std::string_view, 7> kWithout{"Q4_1", "Q5_1",   "Q2_K",  "Q4_K",
                                                     "Q5_K", "IQ4_NL", "IQ4_XS"};
  return std::ranges::find(kWithout, format.name) == kWithout.end();
}

}  // namespace assay
