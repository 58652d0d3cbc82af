#include "model/file_layout.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>

#include "base/error.h"
#include "model/family.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

// "mlp.experts.12.up_proj" and "12" of "mlp.experts.#.up_proj"; a name without digits is its own.
struct Numbered {
  std::string pattern, number;
};

Numbered numbered(std::string_view part) {
  const auto expert = expert_part(part);
  if (!expert) return {std::string(part), ""};
  return {"mlp.experts.#." + std::string(expert->part), std::to_string(expert->expert)};
}

std::string with_number(std::string_view pattern, const std::string& number) {
  std::string name(pattern);
  if (const auto at = name.find('#'); at != std::string::npos) name.replace(at, 1, number);
  return name;
}

// "self_attn.q_proj" and ".weight"
struct Ended {
  std::string_view stem, ending;
};

Ended ended(std::string_view name) {
  const auto dot = name.rfind('.');
  return {name.substr(0, dot), name.substr(dot)};
}

RowRuns group_rows(size_t part, const ModelConfig& c) {
  const int64_t queries = c.num_attention_heads / c.num_key_value_heads, dim = c.head_dim,
                first = part == 0 ? 0 : queries + static_cast<int64_t>(part) - 1;
  return {.first_row = first * dim,
          .run_rows = part == 0 ? queries * dim : dim,
          .stride = (queries + 2) * dim,
          .num_runs = c.num_key_value_heads};
}

// A file's tensor out of its parts, whose rows are laid out anew.
FileTensor joined(std::string name, std::vector<FilePart> parts, PartLayout layout,
                  const ModelConfig& config) {
  FileTensor tensor;
  tensor.name = std::move(name);
  tensor.shape = parts[0].shape;
  tensor.parts = std::move(parts);
  int64_t rows = 0;
  for (size_t i = 0; i < tensor.parts.size(); ++i) {
    FilePart& part = tensor.parts[i];
    part.rows =
        layout == PartLayout::kGroups
            ? group_rows(i, config)
            : RowRuns{.first_row = rows, .run_rows = part.shape[0], .stride = part.shape[0]};
    rows += part.shape[0];
  }
  tensor.shape[0] = rows;
  if (layout == PartLayout::kColumns && tensor.shape.size() == 2) {
    tensor.transposed = true;
    std::swap(tensor.shape[0], tensor.shape[1]);
  }
  return tensor;
}

// The tensors of a block under the names of a list; what the list does not name keeps its own.
std::vector<FileTensor> block_files(const ModelConfig& config, int64_t layer,
                                    std::span<const FileName> names, const std::string& prefix) {
  const auto tensors = block_tensors(config, layer);
  const std::string own_prefix = "model.layers." + std::to_string(layer) + ".";
  const auto find = [&](const std::string& part) {
    return std::ranges::find(tensors, own_prefix + part, &ExpectedTensor::name);
  };
  std::set<std::string_view> taken;
  std::vector<FileTensor> files;
  for (const ExpectedTensor& tensor : tensors) {
    if (taken.contains(tensor.name)) continue;
    const auto [stem, ending] = ended(std::string_view(tensor.name).substr(own_prefix.size()));
    const auto [pattern, number] = numbered(stem);
    const auto file = std::ranges::find_if(names, [&p = pattern](const FileName& name) {
      return std::ranges::find(name.parts, p) != name.parts.end();
    });
    if (file == names.end()) {
      const std::string own = prefix + std::string(stem) + std::string(ending);
      files.push_back(joined(own, {{tensor.name, tensor.shape, {}}}, PartLayout::kRows, config));
      continue;
    }
    std::vector<FilePart> parts;
    for (const auto part : file->parts) {
      if (part.empty()) continue;
      const auto found = find(with_number(part, number) + std::string(ending));
      if (found == tensors.end()) fail(ErrorKind::kInternal, "no part ", part, " of ", file->name);
      taken.insert(found->name);
      parts.push_back({found->name, found->shape, {}});
    }
    files.push_back(joined(prefix + with_number(file->name, number) + std::string(ending),
                           std::move(parts), file->layout, config));
  }
  return files;
}

// What a tensor of no block is called by a list of outer names.
std::string outer_file_name(const std::string& name, const OuterNames& names,
                            const std::string& trunk) {
  const auto [stem, ending] = ended(name);
  if (stem == "lm_head") return std::string(names.lm_head) + std::string(ending);
  const std::array<std::pair<std::string_view, std::string_view>, 4> pairs{
      {{"model.embed_tokens", names.embed_tokens},
       {"model.position_embeddings", names.position_embeddings},
       {"model.embedding_norm", names.embedding_norm},
       {"model.norm", names.norm}}};
  for (const auto& [own, file] : pairs) {
    if (stem == own) return trunk + std::string(file) + std::string(ending);
  }
  fail(ErrorKind::kInternal, "no file name of ", name);
}

// The names of a GGUF file, without its family's own.
constexpr std::array kGgufNames{
    FileName{"attn_norm", {"input_layernorm"}},
    FileName{"attn_q", {"self_attn.q_proj"}},
    FileName{"attn_k", {"self_attn.k_proj"}},
    FileName{"attn_v", {"self_attn.v_proj"}},
    FileName{"attn_q_norm", {"self_attn.q_norm"}},
    FileName{"attn_k_norm", {"self_attn.k_norm"}},
    FileName{"attn_output", {"self_attn.o_proj"}},
    FileName{"post_attention_norm", {"attention_output_norm"}},
    FileName{"ffn_norm", {"post_attention_layernorm"}},
    FileName{"ffn_gate", {"mlp.gate_proj"}},
    FileName{"ffn_up", {"mlp.up_proj"}},
    FileName{"ffn_down", {"mlp.down_proj"}},
    FileName{"post_ffw_norm", {"mlp_output_norm"}},
};
constexpr OuterNames kGgufOuter{
    .trunk = "", .embed_tokens = "token_embd", .norm = "output_norm", .lm_head = "output"};

std::vector<FileTensor> file_tensors(const ModelConfig& config, const OuterNames& outer,
                                     std::span<const FileName> names, const std::string& trunk,
                                     const std::string& layers) {
  std::vector<FileTensor> files;
  for (const ExpectedTensor& tensor : outer_tensors(config)) {
    files.push_back(joined(outer_file_name(tensor.name, outer, trunk),
                           {{tensor.name, tensor.shape, {}}}, PartLayout::kRows, config));
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (auto& file : block_files(config, layer, names, layers + std::to_string(layer) + "."))
      files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

std::vector<FileTensor> hugging_face_tensors(const ModelConfig& config, std::string_view trunk) {
  const Family& family = family_of_model_type(config.model_type);
  const std::string prefix(trunk);
  return file_tensors(config, family.outer,
                      family.names == nullptr ? std::span<const FileName>() : family.names(config),
                      prefix, prefix + std::string(family.outer.layers));
}

std::vector<FileTensor> hugging_face_tensors(const ModelConfig& config) {
  return hugging_face_tensors(config, family_of_model_type(config.model_type).outer.trunk);
}

std::vector<FileTensor> gguf_tensors(const ModelConfig& config) {
  require(!family_of_model_type(config.model_type).gguf.empty(), "GGUF files of models of type ",
          config.model_type, " are not known");
  return file_tensors(config, kGgufOuter, kGgufNames, "", "blk.");
}

GgufConversion gguf_conversion(std::string_view name, const ModelConfig& config) {
  GgufConversion conversion;
  if (config.norms_store_minus_one && name.ends_with("norm.weight")) conversion.added = 1;
  if (!family_of_model_type(config.model_type).interleaved_gguf) return conversion;
  if (name.find(".q_proj.") != std::string_view::npos)
    conversion.interleaved_heads = config.num_attention_heads;
  if (name.find(".k_proj.") != std::string_view::npos)
    conversion.interleaved_heads = config.num_key_value_heads;
  return conversion;
}

std::vector<int64_t> row_indices(const RowRuns& rows) {
  std::vector<int64_t> indices;
  for (int64_t run = 0; run < rows.num_runs; ++run) {
    for (int64_t i = 0; i < rows.run_rows; ++i)
      indices.push_back(rows.first_row + run * rows.stride + i);
  }
  return indices;
}

}  // namespace assay
