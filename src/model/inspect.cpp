#include "model/inspect.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/thread_pool.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 11> kGroupOrder{"embed_tokens",
                                                       "self_attn.q_proj",
                                                       "self_attn.k_proj",
                                                       "self_attn.v_proj",
                                                       "self_attn.o_proj",
                                                       "mlp.gate_proj",
                                                       "mlp.up_proj",
                                                       "mlp.down_proj",
                                                       "norm",
                                                       "bias",
                                                       "lm_head"};

// "model.layers.3.mlp.up_proj.weight" -> "mlp.up_proj"; all norms are one group, all biases
// another; anything else goes by its own name.
std::string group_of(const std::string& name) {
  if (name.ends_with(".bias")) return "bias";
  if (name.find("norm.weight") != std::string::npos) return "norm";
  const auto has_part = [&](std::string_view group) {
    return name.ends_with(std::string(group) + ".weight");
  };
  const auto found = std::ranges::find_if(kGroupOrder, has_part);
  return found == kGroupOrder.end() ? name : std::string(*found);
}

struct TensorCounts {
  WeightCounts counts;
  int64_t magnitudes = 0;
};

TensorCounts count_tensor(const Checkpoint& checkpoint, const TensorRecord& record) {
  const auto tensor = checkpoint.tensor_as_stored(record.name);
  const int64_t columns = tensor.dim() == 0 ? 1 : tensor.size(-1);
  const auto* data = tensor.const_data_ptr<float>();
  TensorCounts result;
  result.counts = count_weights(data, columns == 0 ? 0 : tensor.numel() / columns, columns);
  if (is_block_linear(record.name)) result.magnitudes = count_magnitudes(data, tensor.numel());
  return result;
}

// Counts of all tensors, a tensor at a time on every core.
std::vector<TensorCounts> count_all(const Checkpoint& checkpoint) {
  const auto& tensors = checkpoint.tensors();
  std::vector<TensorCounts> counts(tensors.size());
  parallel_for(static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    counts[index] = count_tensor(checkpoint, tensors[index]);
  });
  return counts;
}

void add(WeightCounts& sum, const WeightCounts& counts) {
  sum.weights += counts.weights;
  sum.zeros += counts.zeros;
  sum.non_finite += counts.non_finite;
  sum.groups_of_4 += counts.groups_of_4;
  sum.groups_2_4 += counts.groups_2_4;
  sum.groups_of_8 += counts.groups_of_8;
  sum.groups_4_8 += counts.groups_4_8;
}

void add(TensorGroup& group, const TensorRecord& record, const TensorCounts& counted) {
  group.linear = is_block_linear(record.name);
  group.weights_of_dtype[record.stored_dtype] += counted.counts.weights;
  group.stored_bytes += record.stored_bytes;
  const bool first = group.num_tensors++ == 0;
  group.fewest_magnitudes =
      first ? counted.magnitudes : std::min(group.fewest_magnitudes, counted.magnitudes);
  group.most_magnitudes = std::max(group.most_magnitudes, counted.magnitudes);
  if (counted.counts.non_finite > 0) group.non_finite_tensors.push_back(record.name);
  add(group.counts, counted.counts);
}

std::vector<TensorGroup> group_tensors(const Checkpoint& checkpoint) {
  const auto counts = count_all(checkpoint);
  const auto& tensors = checkpoint.tensors();
  std::vector<TensorGroup> groups;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto name = group_of(tensors[i].name);
    auto found = std::ranges::find(groups, name, &TensorGroup::name);
    if (found == groups.end()) {
      groups.emplace_back().name = name;
      found = groups.end() - 1;
    }
    add(*found, tensors[i], counts[i]);
  }
  std::ranges::stable_sort(groups, {}, [](const TensorGroup& group) {
    return std::ranges::find(kGroupOrder, group.name) - kGroupOrder.begin();
  });
  return groups;
}

Json tokenizer_facts(const Checkpoint& checkpoint) {
  try {
    const auto tokenizer = checkpoint.tokenizer();
    const auto id = [](const std::optional<int32_t>& value) {
      return value ? Json(*value) : Json();
    };
    return {{"kind", tokenizer.to_tokenizer_json()["model"]["type"]},
            {"vocab_size", tokenizer.vocab_size()},
            {"bos_token_id", id(tokenizer.bos_id())},
            {"adds_bos", tokenizer.adds_bos()},
            {"eos_token_id", id(tokenizer.eos_id())},
            {"has_chat_template", !tokenizer.chat_template().empty()}};
  } catch (const Error& e) {
    return {{"error", e.what()}};  // the rest of the file is still worth a look
  }
}

}  // namespace

WeightCounts count_weights(const float* data, int64_t rows, int64_t columns) {
  WeightCounts c;
  c.weights = rows * columns;
  for (int64_t row = 0; row < rows; ++row, data += columns) {
    int64_t in_4 = 0, in_8 = 0;  // non-zeros of the open groups
    for (int64_t j = 0; j < columns; ++j) {
      const bool zero = data[j] == 0;
      c.zeros += zero;
      c.non_finite += !std::isfinite(data[j]);
      in_4 += !zero;
      in_8 += !zero;
      const bool last = j + 1 == columns;
      if (j % 4 == 3 || last) {
        ++c.groups_of_4;
        c.groups_2_4 += in_4 <= 2;
        in_4 = 0;
      }
      if (j % 8 == 7 || last) {
        ++c.groups_of_8;
        c.groups_4_8 += in_8 <= 4;
        in_8 = 0;
      }
    }
  }
  return c;
}

int64_t count_magnitudes(const float* data, int64_t count) {
  // A table with open addressing, at most half full; all ones (a NaN) marks a free slot, and NaNs
  // count as one value.
  constexpr uint32_t kFree = ~0u, kNan = 0x7fc00000u;
  const size_t size = std::bit_ceil(static_cast<size_t>(std::max<int64_t>(count, 1)) * 2);
  std::vector<uint32_t> table(size, kFree);
  int64_t distinct = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = std::isnan(data[i]) ? kNan : std::bit_cast<uint32_t>(std::fabs(data[i]));
    size_t slot = (bits * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);
    while (table[slot] != kFree && table[slot] != bits) slot = (slot + 1) & (size - 1);
    if (table[slot] == bits) continue;
    table[slot] = bits;
    ++distinct;
  }
  return distinct;
}

Inspection inspect(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::open(path);
  Inspection result;
  result.path = path.string();
  result.description = checkpoint.description();
  result.weights_hash = checkpoint.weights_hash();
  result.warnings = checkpoint.warnings();
  result.config = checkpoint.config();
  result.groups = group_tensors(checkpoint);
  result.tokenizer = tokenizer_facts(checkpoint);
  result.provenance = checkpoint.provenance();
  return result;
}

}  // namespace assay
