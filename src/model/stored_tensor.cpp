#include "model/stored_tensor.h"

#include <ATen/ATen.h>

#include <array>

#include "base/error.h"

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

at::Tensor decode(const StoredTensor& stored) {
  const auto& name = stored.record.name;
  require(stored.format != nullptr, "tensor '", name, "': type ", stored.record.stored_dtype,
          " is not read; F32, F16, BF16 are");
  require(stored.format->decoder != nullptr, "tensor '", name, "': type ",
          stored.record.stored_dtype, " is not read; ", decoded_types(), " are");
  const auto* data = stored.bytes.data();
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
  if (stored.format->name == "F32" && aligned && stored.interleaved_heads == 0) {
    return at::from_blob(
        const_cast<std::byte*>(data), stored.record.shape,
        [mapping = stored.mapping, bytes = stored.bytes](void* /*data*/) {
          mapping->let_go(bytes);
        },
        at::kFloat);
  }
  auto decoded = at::empty(stored.record.shape, at::kFloat);
  decode_blocks(*stored.format, stored.bytes,
                {decoded.data_ptr<float>(), static_cast<size_t>(decoded.numel())});
  stored.mapping->let_go(stored.bytes);
  if (stored.interleaved_heads == 0) return decoded;
  return undo_rotary_interleaving(decoded, stored.interleaved_heads);
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
