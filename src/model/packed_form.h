#pragma once
// The formats of other software in which a model's quantized linears are written, and which linears
// each can hold.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "model/config.h"
#include "model/packed_export.h"

namespace assay {

// What the linears of a model have in common, as far as a format must be able to say it.

// Codes on uniform grids (pack/grid_codes.h).
struct GridKind {
  int64_t bits = 4, group_size = 128;         // -1 = whole rows
  bool is_scattered = false;                  // groups of inputs that do not stand together
  float smallest_zero = 0, largest_zero = 0;  // zero points
  bool has_whole_zeros = true;

  bool is_symmetric() const;
  bool operator==(const GridKind&) const = default;
};

// Rows of 8-bit codes.
struct RowKind {
  std::optional<double> outliers_from =
      std::nullopt;            // LLM.int8(): inputs from here on are not rounded
  bool rounds_inputs = false;  // SmoothQuant: all inputs are, to 8 bits a token
  bool operator==(const RowKind&) const = default;
};

// 4-bit floats of bitsandbytes.
struct CodebookKind {
  std::string quant_type;  // "nf4", "fp4"
  int64_t block_size = 64;
  bool is_nested = false;
  bool operator==(const CodebookKind&) const = default;
};

// Values without codes.
enum class ZeroPattern { kNone, kScattered, k24 };
struct ValueKind {
  ZeroPattern zeros = ZeroPattern::kNone;
  bool operator==(const ValueKind&) const = default;
};

using LinearKind = std::variant<GridKind, RowKind, CodebookKind, ValueKind>;

struct ExportFormat {
  std::string_view name, help;
};

// Without "dense", which is no packing.
std::span<const ExportFormat> export_formats();

// Error(kBadInput) names the nearest.
void require_export_format(std::string_view format);

// How linears of this kind are stored in a format; all other tensors in `dtype`. Error(kBadInput),
// in one line, what the format cannot hold: bits, tail groups, zero points, scattered groups, or
// `what` such linears are ("what method wanda makes").
PackedForm packed_form(std::string_view format, const LinearKind& kind, const ModelConfig& model,
                       const std::string& dtype, const std::string& what);

}  // namespace assay
