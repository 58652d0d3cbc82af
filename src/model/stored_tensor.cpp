#include "model/stored_tensor.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "model/packed_tensor.h"

namespace assay {

at::Tensor undo_rotary_interleaving(const at::Tensor& weight, int64_t heads) {
  const int64_t rows = weight.size(0), in_features = rows > 0 ? weight.numel() / rows : 0;
  require(heads > 0 && rows % (2 * heads) == 0, "rotary order: ", rows, " rows are not ", heads,
          " heads of even size");
  return weight.view({heads, rows / heads / 2, 2, in_features})
      .transpose(1, 2)
      .reshape(weight.sizes());
}

at::Tensor decode(const StoredTensor& stored) {
  const auto& name = stored.record.name;
  if (stored.packed)
    return in_context("tensor '" + name + "'", [&] { return decode(*stored.packed); });
  require(stored.format != nullptr && stored.format->decoder != nullptr, "tensor '", name,
          "': type ", stored.record.stored_dtype, " is not read; ", decoded_types(), " are");
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
