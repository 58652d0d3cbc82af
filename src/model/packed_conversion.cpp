#include "model/packed_conversion.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "model/conversion.h"
#include "model/inspect.h"
#include "model/stored_codes.h"
#include "model/stored_tensor.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

GridKind kind_of(const GridCodes& grid, int64_t group_size) {
  const auto [smallest, largest] = std::ranges::minmax(grid.zeros);
  return {.bits = grid.bits,
          .group_size = group_size,
          .is_scattered = !grid.has_consecutive_groups(group_size),
          .smallest_zero = smallest,
          .largest_zero = largest,
          .has_whole_zeros =
              std::ranges::all_of(grid.zeros, [](float zero) { return zero == std::round(zero); })};
}

// Zeros of a pruned weight: in groups of four, anywhere (a hundredth of all is no accident), or
// none.
ZeroPattern pattern_of(const at::Tensor& weight) {
  const auto values = weight.contiguous();
  const WeightCounts counts =
      count_weights(values.const_data_ptr<float>(), values.size(0), values.size(1));
  if (counts.groups_of_4 > 0 && counts.groups_2_4 == counts.groups_of_4) return ZeroPattern::k24;
  return counts.zeros * 100 > counts.weights ? ZeroPattern::kScattered : ZeroPattern::kNone;
}

// What a linear is, alone.
LinearKind kind_of(const Checkpoint& checkpoint, const std::string& name) {
  const StoredTensor& stored = checkpoint.stored(name);
  const LinearCodes codes = stored_codes(stored);
  if (const auto* grid = std::get_if<GridCodes>(&codes)) {
    return kind_of(*grid, stored_group_size(stored));
  }
  if (std::holds_alternative<RowCodes>(codes)) {
    const auto product = checkpoint.int8_product();
    return RowKind{product ? std::optional<double>(product->threshold) : std::nullopt};
  }
  if (const auto* four_bit = std::get_if<FourBitCodes>(&codes)) {
    const QuantState& state = four_bit->state;
    return CodebookKind{state.quant_type, state.blocksize, state.nested.has_value()};
  }
  return ValueKind{pattern_of(checkpoint.tensor(name))};
}

// What two linears are together; nothing where no format here holds both.
std::optional<LinearKind> joined(const LinearKind& a, const LinearKind& b) {
  if (a == b) return a;
  const auto *grid_a = std::get_if<GridKind>(&a), *grid_b = std::get_if<GridKind>(&b);
  if (grid_a != nullptr && grid_b != nullptr) {
    if (grid_a->bits != grid_b->bits || grid_a->group_size != grid_b->group_size) {
      return std::nullopt;
    }
    GridKind both = *grid_a;
    both.is_scattered |= grid_b->is_scattered;
    both.smallest_zero = std::min(both.smallest_zero, grid_b->smallest_zero);
    both.largest_zero = std::max(both.largest_zero, grid_b->largest_zero);
    both.has_whole_zeros &= grid_b->has_whole_zeros;
    return both;
  }
  const auto *values_a = std::get_if<ValueKind>(&a), *values_b = std::get_if<ValueKind>(&b);
  if (values_a == nullptr || values_b == nullptr) return std::nullopt;
  const bool are_pruned =
      values_a->zeros != ZeroPattern::kNone && values_b->zeros != ZeroPattern::kNone;
  return ValueKind{are_pruned ? ZeroPattern::kScattered : ZeroPattern::kNone};
}

std::vector<std::string> block_linears(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const TensorRecord& record : checkpoint.tensors()) {
    if (is_block_linear(record.name)) names.push_back(record.name);
  }
  return names;
}

std::string type_text(const Checkpoint& checkpoint, const std::string& name) {
  return "'" + name + "' (" + checkpoint.stored(name).record.stored_dtype + ")";
}

LinearKind kind_of_all(const Checkpoint& checkpoint) {
  const auto names = block_linears(checkpoint);
  LinearKind all = kind_of(checkpoint, names.front());
  for (size_t i = 1; i < names.size(); ++i) {
    const auto both = joined(all, kind_of(checkpoint, names[i]));
    require(both.has_value(), "no packed format holds ", type_text(checkpoint, names.front()),
            " and ", type_text(checkpoint, names[i]), " alike");
    all = *both;
  }
  return all;
}

// What values without codes are, to one who wants codes.
std::string what_of(const Checkpoint& checkpoint, const LinearKind& kind) {
  const auto first = block_linears(checkpoint).front();
  const std::string text = "what the linears are: " + type_text(checkpoint, first);
  if (!std::holds_alternative<ValueKind>(kind)) return text;
  return text + " has no codes of it (assay compress --export quantizes)";
}

// How the source means its linears to be computed beyond their values.
std::vector<std::string> unsaid_of(const Checkpoint& checkpoint, std::string_view format) {
  std::vector<std::string> unsaid;
  if (checkpoint.int8_product() && format != "bnb") {
    unsaid.emplace_back("8-bit products: other programs compute the file in floating point");
  }
  // "fp8" means them as well.
  const auto note = checkpoint.input_note();
  if (!note.empty() && format != "fp8") unsaid.push_back(note);
  return unsaid;
}

}  // namespace

std::string dtype_of_the_rest(const Checkpoint& checkpoint) {
  std::string stored;
  for (const TensorRecord& record : checkpoint.tensors()) {
    if (is_block_linear(record.name)) continue;
    if (!stored.empty() && record.stored_dtype != stored) return "float32";
    stored = record.stored_dtype;
  }
  return stored == "BF16" ? "bfloat16" : stored == "F16" ? "float16" : "float32";
}

PackedConversion plan_packed_conversion(const Checkpoint& checkpoint, std::string_view format,
                                        const std::string& dtype) {
  require_export_format(format);
  // FP8 formats round whatever is there.
  const LinearKind kind =
      format.starts_with("fp8") ? LinearKind(ValueKind{}) : kind_of_all(checkpoint);
  return {packed_form(format, kind, checkpoint.config(), dtype, what_of(checkpoint, kind)),
          unsaid_of(checkpoint, format)};
}

std::map<std::string, StorageLoss> export_packed(const Checkpoint& checkpoint,
                                                 const PackedForm& form,
                                                 const std::filesystem::path& folder,
                                                 ExistingFolder existing,
                                                 const ExportProgress& on_tensor) {
  const auto total = static_cast<double>(2 * num_weights(checkpoint.config()));  // write, read
  double done = 0;
  PackedExport target(folder, checkpoint.config(), form, existing);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  for (const auto& tensor : all_tensors(checkpoint.config())) {
    const std::string& name = tensor.name;
    if (on_tensor) on_tensor(done, total, name);
    const auto values = checkpoint.tensor(name);
    if (is_block_linear(name)) {
      in_context("'" + name + "'",
                 [&] { return target.pack(name, values, stored_codes(checkpoint.stored(name))); });
    } else {
      target.write(name, values);
    }
    done += static_cast<double>(values.numel());
  }
  target.commit(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config(),
                converted_provenance(checkpoint, form.dtype));

  const auto written = Checkpoint::open(folder);
  std::map<std::string, StorageLoss> losses;
  for (const TensorRecord& record : written.tensors()) {
    if (on_tensor) on_tensor(done, total, record.name);
    const auto values = checkpoint.tensor(record.name).contiguous(),
               stored = written.tensor(record.name).contiguous();
    const auto count = static_cast<size_t>(values.numel());
    auto loss = loss_of({values.const_data_ptr<float>(), count},
                        {stored.const_data_ptr<float>(), count}, record.name, record.stored_dtype);
    loss.tensors = 1;
    loss.bytes = static_cast<int64_t>(record.stored_bytes);
    losses[record.stored_dtype].add(loss);
    done += static_cast<double>(count);
  }
  return losses;
}

}  // namespace assay
