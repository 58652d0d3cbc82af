#include "model/inspect.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/thread_pool.h"
#include "chat/lint.h"
#include "model/findings.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 22> kGroupOrder{"embed_tokens",
                                                       "position_embeddings",
                                                       "self_attn.q_proj",
                                                       "self_attn.k_proj",
                                                       "self_attn.v_proj",
                                                       "self_attn.o_proj",
                                                       "mlp.gate_proj",
                                                       "mlp.up_proj",
                                                       "mlp.down_proj",
                                                       "mlp.fc1",
                                                       "mlp.fc2",
                                                       "mlp.gate",
                                                       "mlp.experts.gate_proj",
                                                       "mlp.experts.up_proj",
                                                       "mlp.experts.down_proj",
                                                       "mlp.shared_expert_gate",
                                                       "mlp.shared_expert.gate_proj",
                                                       "mlp.shared_expert.up_proj",
                                                       "mlp.shared_expert.down_proj",
                                                       "norm",
                                                       "bias",
                                                       "lm_head"};

// A tensor's role; all norms are one group, all biases another.
std::string group_of(const std::string& name) {
  if (name.ends_with(".bias")) return "bias";
  return name.ends_with("norm.weight") ? "norm" : role_of(name);
}

struct TensorCounts {
  TensorFacts facts;
  int64_t magnitudes = 0;
};

// Their mean, and the root of their mean square.
void measure_(const float* data, int64_t count, TensorFacts& facts) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = data[i];
    sum += value;
    squares += value * value;
  }
  const auto n = static_cast<double>(std::max<int64_t>(count, 1));
  facts.mean = sum / n;
  facts.rms = std::sqrt(squares / n);
}

TensorCounts count_tensor(const Checkpoint& checkpoint, const TensorRecord& record) {
  const auto tensor = checkpoint.tensor_as_stored(record.name);
  const int64_t columns = tensor.dim() == 0 ? 1 : tensor.size(-1);
  const auto* data = tensor.const_data_ptr<float>();
  TensorCounts result;
  result.facts.name = record.name;
  result.facts.counts = count_weights(data, columns == 0 ? 0 : tensor.numel() / columns, columns);
  measure_(data, tensor.numel(), result.facts);
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
  const WeightCounts& counts = counted.facts.counts;
  group.weights_of_dtype[record.stored_dtype] += counts.weights;
  group.stored_bytes += record.stored_bytes;
  const bool first = group.num_tensors++ == 0;
  group.fewest_magnitudes =
      first ? counted.magnitudes : std::min(group.fewest_magnitudes, counted.magnitudes);
  group.most_magnitudes = std::max(group.most_magnitudes, counted.magnitudes);
  if (counts.non_finite > 0) group.non_finite_tensors.push_back(record.name);
  add(group.counts, counts);
}

std::vector<TensorGroup> group_tensors(const Checkpoint& checkpoint,
                                       const std::vector<TensorCounts>& counts) {
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

// What a scorer must know of the chat template; or {"error": why it cannot be rendered}.
Json template_facts(const Tokenizer& tokenizer) {
  if (tokenizer.chat_template().empty()) return nullptr;
  try {
    const auto lint = lint_chat(chat_format(tokenizer.chat_template(),
                                            special_token_texts(tokenizer.to_tokenizer_config())));
    constexpr std::array<std::string_view, 3> kSystemTurn{"used", "ignored", "refused"};
    return {{"begins_with_bos", lint.begins_with_bos},
            {"system_turn", kSystemTurn.at(static_cast<size_t>(lint.system_turn))},
            {"depends_on_date", lint.depends_on_date}};
  } catch (const Error& e) {
    return {{"error", e.what()}};
  }
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
            {"has_chat_template", !tokenizer.chat_template().empty()},
            {"chat_template", template_facts(tokenizer)}};
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
  const auto counts = count_all(checkpoint);
  result.groups = group_tensors(checkpoint, counts);
  for (const TensorCounts& counted : counts) result.tensors.push_back(counted.facts);
  result.tokenizer = tokenizer_facts(checkpoint);
  result.provenance = checkpoint.provenance();
  result.findings = find_faults(result);
  return result;
}

}  // namespace assay
