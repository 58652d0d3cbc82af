// Any config and any parts are refused with an Error or give finite work: values of the shape that
// was promised. The input is a config in JSON up to a zero byte, then parts: a byte for the name, a
// byte for the type, a byte for the number of dims, the dims a byte each, and as many bytes as they
// take.

#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "pack/quantization_config.h"

namespace {

using assay::StoredPart;
using assay::StoredParts;

constexpr std::array<const char*, 26> kNames{"qweight",
                                             "qzeros",
                                             "scales",
                                             "g_idx",
                                             "zeros",
                                             "B",
                                             "s",
                                             "weight",
                                             "SCB",
                                             "weight_format",
                                             "weight.absmax",
                                             "weight.quant_map",
                                             "weight.nested_absmax",
                                             "weight.nested_quant_map",
                                             "weight.quant_state.bitsandbytes__nf4",
                                             "weight_packed",
                                             "weight_scale",
                                             "weight_zero_point",
                                             "weight_shape",
                                             "weight_global_scale",
                                             "compressed",
                                             "bitmask",
                                             "shape",
                                             "row_offsets",
                                             "meta",
                                             "scale_packed"};

// What is left behind the part.
std::span<const std::byte> take_part(std::span<const std::byte> in, StoredParts& parts) {
  const auto next = [&] {
    const auto byte = in.empty() ? uint8_t{0} : static_cast<uint8_t>(in.front());
    in = in.subspan(in.empty() ? 0 : 1);
    return byte;
  };
  StoredPart part;
  const char* name = kNames.at(next() % kNames.size());
  part.dtype = &assay::kDtypes.at(next() % (assay::kDtypes.size() - 3));  // whole bytes
  uint64_t bytes = part.dtype->bits / 8;
  for (int dims = next() % 3; dims > 0; --dims) {
    part.shape.push_back(next());
    bytes *= static_cast<uint64_t>(part.shape.back());
  }
  if (bytes > in.size()) return {};
  part.bytes = in.first(bytes);
  parts.emplace(name, part);
  return in.subspan(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\0'), size);
  try {
    const auto config =
        assay::quantization_config(assay::parse_json(text.substr(0, end), "config"));
    StoredParts parts;
    auto rest = std::as_bytes(std::span(data, size)).subspan(std::min(end + 1, size));
    while (!rest.empty()) rest = take_part(rest, parts);
    const auto layout = layout_of(config, "model.layers.0.mlp.up_proj");
    if (!layout) return 0;
    const auto own = settled(*layout, parts);
    const auto shape = packed_shape(own, parts);
    if (shape.out_features <= 0 || shape.in_features <= 0) std::abort();
    packed_type(own, parts);
    packed_warning(own, parts);
    std::vector<float> values(static_cast<size_t>(shape.out_features * shape.in_features));
    packed_values(own, parts, values);
  } catch (const assay::Error&) {
  }
  return 0;
}
