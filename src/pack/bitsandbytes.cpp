#include "pack/bitsandbytes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "pack/small_float.h"

namespace assay {
namespace {

constexpr std::string_view kStatePrefix = "weight.quant_state.bitsandbytes__";
constexpr std::string_view kWhere = "quant_state";
constexpr int64_t kMaxBlock = int64_t{1} << 20;

struct StateDtype {
  std::string_view name, stored;
};
constexpr std::array kStateDtypes{StateDtype{"float32", "F32"}, StateDtype{"bfloat16", "BF16"},
                                  StateDtype{"float16", "F16"}};

std::string_view stored_dtype(const std::string& name) {
  const auto found = std::ranges::find(kStateDtypes, name, &StateDtype::name);
  require_intact(found != kStateDtypes.end(), kWhere, ": dtype '", name,
                 "' (known: float32, bfloat16, float16)");
  return found->stored;
}

int64_t divided_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

int64_t elements(LinearShape shape) { return shape.out_features * shape.in_features; }

int64_t positive(const Json& json, const std::string& key, int64_t most) {
  const auto value = json_get<int64_t>(json, key, kWhere);
  require_intact(value > 0 && value <= most, kWhere, ": '", key, "' must be in [1, ", most,
                 "], got ", value);
  return value;
}

QuantState quant_state(const Json& json) {
  constexpr std::array<std::string_view, 7> kKnown{
      "quant_type",       "blocksize",    "dtype",        "shape",
      "nested_blocksize", "nested_dtype", "nested_offset"};
  require_known_keys(json, kKnown, kWhere);
  QuantState state;
  state.quant_type = json_get<std::string>(json, "quant_type", kWhere);
  require_intact(state.quant_type == "nf4" || state.quant_type == "fp4", kWhere, ": quant_type '",
                 state.quant_type, "' (known: nf4, fp4)");
  state.blocksize = positive(json, "blocksize", kMaxBlock);
  state.dtype = json_get<std::string>(json, "dtype", kWhere);
  stored_dtype(state.dtype);
  const auto shape = json_get<std::vector<int64_t>>(json, "shape", kWhere);
  constexpr int64_t kMaxDim = int64_t{1} << 31;
  require_intact(
      shape.size() == 2 &&
          std::ranges::all_of(shape, [](int64_t dim) { return dim > 0 && dim <= kMaxDim; }),
      kWhere, ": 'shape' must be two sizes, got ", json["shape"].dump());
  state.shape = {shape[0], shape[1]};
  if (!json.contains("nested_blocksize")) return state;
  state.nested = NestedScales{positive(json, "nested_blocksize", kMaxBlock),
                              json_get<double>(json, "nested_offset", kWhere)};
  const auto nested_dtype = json_get<std::string>(json, "nested_dtype", kWhere);
  require_intact(nested_dtype == "float32", kWhere, ": nested_dtype '", nested_dtype,
                 "' (only float32)");
  require_intact(std::isfinite(state.nested->offset), kWhere, ": nested_offset is not finite");
  return state;
}

std::vector<uint8_t> bytes_of(const StoredPart& part) {
  std::vector<uint8_t> bytes(part.bytes.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), part.bytes.data(), bytes.size());
  return bytes;
}

// Scales [blocks]; those of nested ones are put together first.
std::vector<float> block_scales(const FourBitCodes& packed) {
  if (!packed.state.nested) return packed.absmax;
  const NestedScales& nested = *packed.state.nested;
  std::vector<float> scales(packed.absmax_codes.size());
  const auto offset = static_cast<float>(nested.offset);
  for (size_t b = 0; b < scales.size(); ++b) {
    const float outer = packed.nested_absmax[b / static_cast<size_t>(nested.blocksize)];
    scales[b] = packed.nested_quant_map[packed.absmax_codes[b]] * outer + offset;
  }
  return scales;
}

}  // namespace

QuantState parse_quant_state(std::string_view json) {
  try {
    return quant_state(parse_intact_json(json, kWhere));
  } catch (const Error& e) {
    throw Error(ErrorKind::kCorruptFile, e.what());  // a program wrote it
  }
}

std::string to_json_text(const QuantState& state) {
  std::string text = R"({"quant_type": ")" + state.quant_type + R"(", "blocksize": )" +
                     std::to_string(state.blocksize) + R"(, "dtype": ")" + state.dtype +
                     R"(", "shape": [)" + std::to_string(state.shape.out_features) + ", " +
                     std::to_string(state.shape.in_features) + "]";
  if (state.nested) {
    text += R"(, "nested_blocksize": )" + std::to_string(state.nested->blocksize) +
            R"(, "nested_dtype": "float32", "nested_offset": )" + Json(state.nested->offset).dump();
  }
  return text + "}";
}

bool is_four_bit(const StoredParts& parts) {
  const auto state = parts.lower_bound(kStatePrefix);
  return state != parts.end() && state->first.starts_with(kStatePrefix);
}

QuantState quant_state_of(const StoredParts& parts) {
  auto found = parts.lower_bound(kStatePrefix);
  require_intact(is_four_bit(parts), "'", kStatePrefix, "nf4' is missing");
  const auto next = std::next(found);
  require_intact(next == parts.end() || !next->first.starts_with(kStatePrefix), "'", found->first,
                 "' and '", next == parts.end() ? "" : next->first, "': two states of one weight");
  const StoredPart& part = part_of(parts, found->first, {"U8"});
  const auto state =
      parse_quant_state({reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size()});
  require_intact(found->first == std::string(kStatePrefix) + state.quant_type, "'", found->first,
                 "' has the quant_type '", state.quant_type, "'");
  return state;
}

LinearShape four_bit_shape(const StoredParts& parts) {
  const QuantState state = quant_state_of(parts);
  const int64_t n = elements(state.shape), blocks = divided_up(n, state.blocksize);
  const StoredPart* weight = find_part(parts, "weight");
  require_intact(weight != nullptr, "'weight' is missing");
  // Whatever type the bytes are stored as, there is room for n codes and no element more.
  const auto bytes = static_cast<int64_t>(weight->bytes.size());
  const int64_t unit = std::max<int64_t>(weight->dtype->bits / 8, 1);
  require_intact(bytes == divided_up(divided_up(n, 2), unit) * unit, "'weight' has ", bytes,
                 " bytes, ", n, " 4-bit codes of shape [", state.shape.out_features, ", ",
                 state.shape.in_features, "] need ", divided_up(n, 2));
  part_of(parts, "weight.quant_map", {"F32"}, {16});
  if (!state.nested) {
    part_of(parts, "weight.absmax", {"F32"}, {blocks});
    return state.shape;
  }
  part_of(parts, "weight.absmax", {"U8"}, {blocks});
  part_of(parts, "weight.nested_absmax", {"F32"}, {divided_up(blocks, state.nested->blocksize)});
  part_of(parts, "weight.nested_quant_map", {"F32"}, {256});
  return state.shape;
}

LinearShape int8_shape(const StoredParts& parts) {
  const auto shape = matrix_shape(part_of(parts, "weight", {"I8"}), "weight");
  part_of(parts, "SCB", {"F32"}, {shape.out_features});
  if (find_part(parts, "weight_format") != nullptr) {
    const auto format = integers_of(part_of(parts, "weight_format", {"U8"}));
    require_intact(format == std::vector<int64_t>{0}, "'weight_format' is ",
                   format.empty() ? -1 : format[0],
                   ": a tiled order of old GPUs; only 0, row after row, is read");
  }
  return shape;
}

RowCodes int8_unpack(const StoredParts& parts) {
  RowCodes rows;
  rows.shape = int8_shape(parts);
  const auto& bytes = parts.find("weight")->second.bytes;
  rows.codes.resize(bytes.size());
  std::memcpy(rows.codes.data(), bytes.data(), bytes.size());
  rows.absmax = floats_of(parts.find("SCB")->second);
  return rows;
}

OwnedParts int8_pack(const RowCodes& rows) {
  constexpr std::array<uint8_t, 1> kRowMajor{0};
  const auto [out, in] = rows.shape;
  OwnedParts parts;
  parts.push_back(make_part<int8_t>("weight", "I8", {out, in}, rows.codes));
  parts.push_back(make_part<float>("SCB", "F32", {out}, rows.absmax));
  parts.push_back(make_part<uint8_t>("weight_format", "U8", {}, kRowMajor));
  return parts;
}

GridCodes grid_of_rows(const RowCodes& rows) {
  GridCodes grid = GridCodes::sized(rows.shape, 8, -1);
  std::ranges::transform(rows.codes, grid.codes.begin(),
                         [](int8_t code) { return static_cast<uint8_t>(code + 128); });
  std::ranges::transform(rows.absmax, grid.scales.begin(),
                         [](float absmax) { return absmax / 127; });
  std::ranges::fill(grid.zeros, 128.0f);
  return grid;
}

FourBitCodes four_bit_unpack(const StoredParts& parts) {
  four_bit_shape(parts);
  FourBitCodes packed;
  packed.state = quant_state_of(parts);
  packed.codes = bytes_of(parts.find("weight")->second);
  packed.codes.resize(static_cast<size_t>(divided_up(elements(packed.state.shape), 2)));
  packed.quant_map = floats_of(parts.find("weight.quant_map")->second);
  const StoredPart& absmax = parts.find("weight.absmax")->second;
  if (!packed.state.nested) {
    packed.absmax = floats_of(absmax);
    return packed;
  }
  packed.absmax_codes = bytes_of(absmax);
  packed.nested_absmax = floats_of(parts.find("weight.nested_absmax")->second);
  packed.nested_quant_map = floats_of(parts.find("weight.nested_quant_map")->second);
  return packed;
}

void four_bit_values(const FourBitCodes& packed, std::span<float> values) {
  const QuantState& state = packed.state;
  require(static_cast<int64_t>(values.size()) == elements(state.shape),
          "four_bit_values: ", values.size(), " values for ", elements(state.shape), " codes");
  const auto scales = block_scales(packed);
  const SmallFloat* rounding =
      state.dtype == "float32" ? nullptr : &small_float(stored_dtype(state.dtype));
  parallel_for(static_cast<int64_t>(scales.size()), [&](int64_t block) {
    const auto first = static_cast<size_t>(block * state.blocksize);
    const size_t end = std::min(values.size(), first + static_cast<size_t>(state.blocksize));
    std::array<float, 16> levels{};  // one product a code, whichever weights have it
    for (size_t code = 0; code < levels.size(); ++code) {
      float& level = levels.at(code);
      level = packed.quant_map[code] * scales[static_cast<size_t>(block)];
      if (rounding != nullptr) level = to_float(*rounding, from_float(*rounding, level));
    }
    for (size_t i = first; i < end; ++i) {
      const uint8_t byte = packed.codes[i / 2];
      values[i] = levels.at(i % 2 == 0 ? byte >> 4 : byte & 15);
    }
  });
}

OwnedParts four_bit_pack(const FourBitCodes& packed) {
  const auto size = [](const auto& values) { return static_cast<int64_t>(values.size()); };
  OwnedParts parts;
  parts.push_back(make_part<uint8_t>("weight", "U8", {size(packed.codes), 1}, packed.codes));
  if (packed.state.nested) {
    parts.push_back(make_part<uint8_t>("weight.absmax", "U8", {size(packed.absmax_codes)},
                                       packed.absmax_codes));
    parts.push_back(make_part<float>("weight.nested_absmax", "F32", {size(packed.nested_absmax)},
                                     packed.nested_absmax));
    parts.push_back(
        make_part<float>("weight.nested_quant_map", "F32", {256}, packed.nested_quant_map));
  } else {
    parts.push_back(make_part<float>("weight.absmax", "F32", {size(packed.absmax)}, packed.absmax));
  }
  parts.push_back(make_part<float>("weight.quant_map", "F32", {16}, packed.quant_map));
  const std::string text = to_json_text(packed.state);
  parts.push_back(make_part<char>(std::string(kStatePrefix) + packed.state.quant_type, "U8",
                                  {size(text)}, text));
  return parts;
}

}  // namespace assay
