#include "compress/export_form.h"

#include <optional>
#include <variant>

#include "base/error.h"

namespace assay {
namespace {

bool has_mixed_bits(const MethodConfig& method) {
  return std::visit(
      [](const auto& config) {
        if constexpr (requires { config.bits_by_tensor; }) return !config.bits_by_tensor.empty();
        return false;
      },
      method);
}

LinearKind grid_kind(int64_t bits, int64_t group_size, bool sym) {
  const auto middle = static_cast<float>(1 << (bits - 1)),
             largest = static_cast<float>((1 << bits) - 1);
  return GridKind{.bits = bits,
                  .group_size = group_size,
                  .smallest_zero = sym ? middle : 0,
                  .largest_zero = sym ? middle : largest};
}

LinearKind codebook_kind(const char* quant_type, const CodebookConfig& config) {
  return CodebookKind{quant_type, config.block_size, config.double_quant};
}

// Of methods that prune and keep the rest as it is.
template <class Config>
std::optional<LinearKind> pruned_kind(const Config& config) {
  if constexpr (std::is_same_v<Config, SparseGptConfig>) {
    if (config.bits < 16) return std::nullopt;
  }
  if constexpr (requires { config.sparsity; }) {
    bool is_24 = false;
    if constexpr (requires { config.pattern; }) {
      is_24 = config.pattern && config.pattern->of == 4 && config.pattern->sparsity() == 0.5;
    }
    return ValueKind{is_24 ? ZeroPattern::k24 : ZeroPattern::kScattered};
  }
  return std::nullopt;
}

struct KindOf {
  std::optional<LinearKind> operator()(const DenseConfig&) const { return ValueKind{}; }
  std::optional<LinearKind> operator()(const RtnConfig& c) const {
    return grid_kind(c.bits, c.group_size, c.sym);
  }
  std::optional<LinearKind> operator()(const AwqConfig& c) const {
    return grid_kind(c.bits, c.group_size, c.sym);
  }
  std::optional<LinearKind> operator()(const GptqConfig& c) const {
    auto kind = grid_kind(c.bits, c.group_size, c.sym);
    std::get<GridKind>(kind).is_scattered = c.desc_act && !c.static_groups;
    return kind;
  }
  std::optional<LinearKind> operator()(const LlmInt8Config& c) const {
    return RowKind{.outliers_from = c.threshold};
  }
  std::optional<LinearKind> operator()(const SmoothQuantConfig&) const {
    return RowKind{.rounds_inputs = true};
  }
  std::optional<LinearKind> operator()(const Nf4Config& c) const { return codebook_kind("nf4", c); }
  std::optional<LinearKind> operator()(const Fp4Config& c) const { return codebook_kind("fp4", c); }
  template <class Config>
  std::optional<LinearKind> operator()(const Config& c) const {
    return pruned_kind(c);
  }
};

}  // namespace

PackedForm export_form(std::string_view format, const MethodConfig& method,
                       const ModelConfig& model, const std::string& dtype) {
  require_export_format(format);
  const std::string what = "what method " + std::string(method_of(method).name) + " makes";
  require(!has_mixed_bits(method), "format ", format,
          " cannot hold bits that differ between linears");
  require(!format.starts_with("fp8") || std::holds_alternative<DenseConfig>(method), "format ",
          format, " cannot hold ", what, ": it rounds a model as it is (--method dense)");
  const auto kind = std::visit(KindOf{}, method);
  require(kind.has_value(), "format ", format, " cannot hold ", what);
  return packed_form(format, *kind, model, dtype, what);
}

}  // namespace assay
