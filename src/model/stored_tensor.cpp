#include "model/stored_tensor.h"

#include <ATen/ATen.h>

#include <array>

#include "base/error.h"
#include "model/packed_tensor.h"

namespace assay {

namespace {

// [heads, outer, inner, in_features], where of outer and inner one is 2 and the other `half`.
at::Tensor head_rows_swapped(const at::Tensor& weight, std::array<int64_t, 3> shape) {
  const auto [heads, outer, inner] = shape;
  return weight.view({heads, outer, inner, -1}).transpose(1, 2).reshape(weight.sizes());
}

int64_t half_head(const at::Tensor& weight, int64_t heads) {
  const int64_t rows = weight.size(0);
  require(heads > 0 && rows > 0 && rows % (2 * heads) == 0, "rotary order: ", rows,
          " rows are not ", heads, " heads of even size");
  return rows / heads / 2;
}

}  // namespace

at::Tensor undo_rotary_interleaving(const at::Tensor& weight, int64_t heads) {
  return head_rows_swapped(weight, {heads, half_head(weight, heads), 2});
}

at::Tensor rotary_interleaved(const at::Tensor& weight, int64_t heads) {
  return head_rows_swapped(weight, {heads, 2, half_head(weight, heads)});
}

namespace {

// The whole tensor of the file, of the shape given.
at::Tensor decode_whole(const StoredTensor& stored, const std::vector<int64_t>& shape) {
  const auto* data = stored.bytes.data();
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
  if (stored.format->name == "F32" && aligned) {
    return at::from_blob(
        const_cast<std::byte*>(data), shape,
        [mapping = stored.mapping, bytes = stored.bytes](void* /*data*/) {
          mapping->let_go(bytes);
        },
        at::kFloat);
  }
  auto decoded = at::empty(shape, at::kFloat);
  decode_blocks(*stored.format, stored.bytes,
                {decoded.data_ptr<float>(), static_cast<size_t>(decoded.numel())});
  stored.mapping->let_go(stored.bytes);
  return decoded;
}

at::Tensor part_of(const at::Tensor& whole, const PartOfTensor& part) {
  const auto rows = part.transposed ? whole.t() : whole;
  const auto selected = part.rows.num_runs == 1
                            ? rows.narrow(0, part.rows.first_row, part.rows.run_rows)
                            : rows.index_select(0, at::tensor(row_indices(part.rows), at::kLong));
  return selected.contiguous();
}

}  // namespace

at::Tensor decode(const StoredTensor& stored) {
  const std::string& name = stored.record.name;
  require(stored.packed || (stored.format != nullptr && stored.format->decoder != nullptr),
          "tensor '", name, "': type ", stored.record.stored_dtype, " is not read; ",
          decoded_types(), " are");
  auto tensor = stored.packed
                    ? in_context("tensor '" + name + "'", [&] { return decode(*stored.packed); })
                    : decode_whole(stored, stored.part ? stored.part->shape : stored.record.shape);
  if (stored.mapping) stored.mapping->require_unchanged();
  if (stored.part) tensor = part_of(tensor, *stored.part);
  if (stored.interleaved_heads > 0)
    tensor = undo_rotary_interleaving(tensor, stored.interleaved_heads);
  return stored.added == 0 ? tensor : tensor + stored.added;
}

void require_finite(const at::Tensor& tensor, const std::string& name) {
  // A NaN or infinity makes the sum one; so may an overflow, hence the exact search.
  if (std::isfinite(tensor.sum().item<float>())) return;
  const auto places = at::isfinite(tensor).logical_not().nonzero();
  if (places.size(0) == 0) return;
  const auto place = places[0];
  std::ostringstream index;
  for (int64_t d = 0; d < place.size(0); ++d) index << (d ? ", " : "") << place[d].item<int64_t>();
  fail(ErrorKind::kCorruptFile, "tensor '", name, "': ", places.size(0), " of ", tensor.numel(),
       " values are NaN or infinite, the first at [", index.str(), "]");
}

}  // namespace assay
