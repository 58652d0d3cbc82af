#include "compress/export_form.h"

#include <algorithm>
#include <array>
#include <optional>
#include <variant>

#include "base/error.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

constexpr std::array kFormats{
    ExportFormat{"gptq", "GPTQ, zero points stored less 1"},
    ExportFormat{"gptq_v2", "GPTQ, zero points as they are"},
    ExportFormat{"awq", "AWQ, GEMM"},
    ExportFormat{"awq_gemv", "AWQ, GEMV"},
    ExportFormat{"bnb", "bitsandbytes: nf4, fp4 and llm_int8"},
    ExportFormat{"compressed-tensors", "integers, 2:4 and unstructured zeros"},
    ExportFormat{"fp8", "FP8 in tiles of 128 x 128, of a model as it is"},
    ExportFormat{"fp8_channel", "FP8 of compressed-tensors, a scale a row"},
    ExportFormat{"fp8_tensor", "FP8 of compressed-tensors, a scale a tensor"},
};

// What the uniform grids of a method have in common.
struct Grid {
  int64_t bits = 4, group_size = 128;
  bool sym = false, is_scattered = false;
};

std::optional<Grid> grid_of(const MethodConfig& method) {
  if (const auto* rtn = std::get_if<RtnConfig>(&method)) {
    return Grid{rtn->bits, rtn->group_size, rtn->sym};
  }
  if (const auto* gptq = std::get_if<GptqConfig>(&method)) {
    return Grid{gptq->bits, gptq->group_size, gptq->sym, gptq->desc_act && !gptq->static_groups};
  }
  if (const auto* awq = std::get_if<AwqConfig>(&method)) {
    return Grid{awq->bits, awq->group_size, awq->sym};
  }
  return std::nullopt;
}

bool has_mixed_bits(const MethodConfig& method) {
  return std::visit(
      [](const auto& config) {
        if constexpr (requires { config.bits_by_tensor; }) return !config.bits_by_tensor.empty();
        return false;
      },
      method);
}

template <class Fn>
void for_each_linear(const ModelConfig& model, const Fn& fn) {
  for (const auto& tensor : all_tensors(model)) {
    if (is_block_linear(tensor.name))
      fn(tensor.name, LinearShape{tensor.shape[0], tensor.shape[1]});
  }
}

class FormOf {
 public:
  FormOf(std::string_view format, const MethodConfig& method, const ModelConfig& model,
         const std::string& dtype)
      : format_(format), method_(method), model_(model), dtype_(dtype) {}

  PackedForm get() const {
    if (has_mixed_bits(method_)) refuse("bits that differ between linears");
    if (format_.starts_with("gptq")) return gptq();
    if (format_.starts_with("awq")) return awq();
    if (format_ == "bnb") return bits_and_bytes();
    if (format_.starts_with("fp8")) return fp8();
    return compressed_tensors();
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(ErrorKind::kBadInput, "--export ", format_, " cannot hold ", what);
  }

  Grid grid() const {
    const auto grid = grid_of(method_);
    if (!grid) refuse("what method " + std::string(method_of(method_).name) + " makes");
    return *grid;
  }

  // Every linear must pass.
  template <class WhyNot>
  void require_each(const WhyNot& why_not) const {
    for_each_linear(model_, [&](const std::string& name, LinearShape shape) {
      const std::string why = why_not(shape);
      require(why.empty(), "--export ", format_, ": '", name, "': ", why);
    });
  }

  PackedForm gptq() const {
    const Grid g = grid();
    const bool is_v1 = format_ == "gptq";
    if (is_v1 && !g.sym) refuse("zero points that may be 0 (--sym, or --export gptq_v2)");
    const GptqLayout layout{g.bits, g.group_size,
                            is_v1 ? StoredZero::kMinusOne : StoredZero::kPlain};
    require_each([&](LinearShape shape) { return why_not_gptq(layout, shape); });
    return {layout,
            {{"quant_method", "gptq"},
             {"bits", g.bits},
             {"group_size", g.group_size},
             {"desc_act", g.is_scattered},
             {"sym", g.sym},
             {"lm_head", false},
             {"checkpoint_format", format_}},
            true,
            dtype_};
  }

  PackedForm awq() const {
    const Grid g = grid();
    const bool is_gemv = format_ == "awq_gemv";
    if (g.is_scattered) refuse("groups of scattered inputs (desc_act without static_groups)");
    const AwqLayout layout{g.group_size, is_gemv ? AwqVersion::kGemv : AwqVersion::kGemm};
    require_each([&](LinearShape shape) { return why_not_awq(layout, shape, g.bits); });
    return {layout,
            {{"quant_method", "awq"},
             {"bits", g.bits},
             {"group_size", g.group_size},
             {"zero_point", true},
             {"version", is_gemv ? "gemv" : "gemm"},
             {"modules_to_not_convert", {"lm_head"}}},
            false,
            dtype_};
  }

  PackedForm bits_and_bytes() const {
    Json config{{"quant_method", "bitsandbytes"}, {"llm_int8_skip_modules", {"lm_head"}}};
    if (const auto* int8 = std::get_if<LlmInt8Config>(&method_)) {
      config.update({{"load_in_8bit", true},
                     {"load_in_4bit", false},
                     {"llm_int8_threshold", int8->threshold}});
      return {BitsAndBytesLayout{false}, config, false, dtype_};
    }
    const CodebookConfig* codebook = std::get_if<Nf4Config>(&method_);
    if (codebook == nullptr) codebook = std::get_if<Fp4Config>(&method_);
    if (codebook == nullptr)
      refuse("what method " + std::string(method_of(method_).name) + " makes");
    if (codebook->block_size != 64) {
      refuse("blocks of " + std::to_string(codebook->block_size) +
             " (transformers makes layers of 64 before it reads the file)");
    }
    config.update({{"load_in_8bit", false},
                   {"load_in_4bit", true},
                   {"bnb_4bit_quant_type", codebook->codebook == Codebook::kNf4 ? "nf4" : "fp4"},
                   {"bnb_4bit_use_double_quant", codebook->double_quant},
                   {"bnb_4bit_compute_dtype", dtype_},
                   {"bnb_4bit_quant_storage", "uint8"}});
    return {BitsAndBytesLayout{true}, config, false, dtype_};
  }

  PackedForm fp8() const {
    if (!std::holds_alternative<DenseConfig>(method_)) {
      refuse("what method " + std::string(method_of(method_).name) +
             " makes: it rounds a model as it is (--method dense)");
    }
    if (format_ == "fp8") {
      return {Float8Layout{"weight_scale_inv", {128, 128}},
              {{"quant_method", "fp8"},
               {"fmt", "e4m3"},
               {"weight_block_size", {128, 128}},
               {"activation_scheme", "dynamic"},
               {"modules_to_not_convert", {"lm_head"}}},
              false,
              dtype_};
    }
    const bool is_row = format_ == "fp8_channel";
    return {CompressedTensorsLayout{
                Float8Layout{"weight_scale", is_row ? BlockShape{1, -1} : BlockShape{-1, -1}}, {}},
            compressed_config("float-quantized", {{"num_bits", 8},
                                                  {"type", "float"},
                                                  {"symmetric", true},
                                                  {"strategy", is_row ? "channel" : "tensor"},
                                                  {"dynamic", false}}),
            false, dtype_};
  }

  // Programs infer a group's format from its numbers unless it names one.
  static Json compressed_config(std::string_view format, const Json& weights,
                                const Json& inputs = nullptr) {
    Json config{{"quant_method", "compressed-tensors"},
                {"format", format},
                {"quantization_status", "compressed"},
                {"ignore", {"lm_head"}},
                {"config_groups", Json::object()}};
    if (weights.is_null()) return config;
    config["config_groups"]["group_0"] = {{"targets", {"Linear"}},
                                          {"format", format},
                                          {"weights", weights},
                                          {"input_activations", inputs},
                                          {"output_activations", nullptr}};
    return config;
  }

  PackedForm compressed_tensors() const {
    if (const auto grid = grid_of(method_)) return integers(*grid);
    if (std::holds_alternative<LlmInt8Config>(method_) ||
        std::holds_alternative<SmoothQuantConfig>(method_)) {
      return rows();
    }
    return sparse();
  }

  // SmoothQuant rounds every input, as such files can say; LLM.int8() leaves outliers alone, so of
  // it they hold the weights.
  PackedForm rows() const {
    Json inputs;
    if (std::holds_alternative<SmoothQuantConfig>(method_)) {
      inputs = {{"num_bits", 8},
                {"type", "int"},
                {"symmetric", true},
                {"strategy", "token"},
                {"dynamic", true}};
    }
    return {CompressedTensorsLayout{CtInteger{8, {1, -1}, true, false}, {}},
            compressed_config("int-quantized",
                              {{"num_bits", 8},
                               {"type", "int"},
                               {"symmetric", true},
                               {"strategy", "channel"},
                               {"dynamic", false}},
                              inputs),
            false, dtype_};
  }

  PackedForm integers(const Grid& g) const {
    if (g.is_scattered) refuse("groups of scattered inputs (desc_act without static_groups)");
    require_each([&](LinearShape shape) -> std::string {
      if (shape.in_features % group_width(shape.in_features, g.group_size) == 0) return "";
      return "groups of " + std::to_string(g.group_size) + " do not divide a row of " +
             std::to_string(shape.in_features);
    });
    Json weights{{"num_bits", g.bits},
                 {"type", "int"},
                 {"symmetric", g.sym},
                 {"strategy", g.group_size == -1 ? "channel" : "group"},
                 {"dynamic", false}};
    if (g.group_size != -1) weights["group_size"] = g.group_size;
    return {CompressedTensorsLayout{CtInteger{g.bits, {1, g.group_size}, g.sym, true}, {}},
            compressed_config("pack-quantized", weights), false, dtype_};
  }

  PackedForm sparse() const {
    const auto pattern = std::visit(
        [](const auto& config) -> std::optional<NmPattern> {
          if constexpr (requires { config.pattern; }) return config.pattern;
          return std::nullopt;
        },
        method_);
    const bool prunes = std::visit(
        [](const auto& config) {
          return requires { config.sparsity; };
        },
        method_);
    const auto* sparse_gpt = std::get_if<SparseGptConfig>(&method_);
    if (!prunes || (sparse_gpt != nullptr && sparse_gpt->bits < 16)) {
      refuse("what method " + std::string(method_of(method_).name) + " makes");
    }
    const bool is_24 = pattern && pattern->of == 4 && pattern->sparsity() == 0.5;
    if (is_24) {
      require_each([](LinearShape shape) -> std::string {
        return shape.in_features % 4 == 0 ? "" : "a row is no multiple of 4";
      });
    }
    Json config = compressed_config("dense", {});
    config["sparsity_config"] = {{"format", is_24 ? "sparse-24-bitmask" : "sparse-bitmask"},
                                 {"targets", {"Linear"}},
                                 {"ignore", {"lm_head"}},
                                 {"sparsity_structure", is_24 ? "2:4" : "unstructured"}};
    return {CompressedTensorsLayout{CtDense{},
                                    is_24 ? SparseFormat::k24Bitmask : SparseFormat::kBitmask},
            config, false, dtype_};
  }

  std::string_view format_;
  const MethodConfig& method_;
  const ModelConfig& model_;
  std::string dtype_;
};

}  // namespace

std::span<const ExportFormat> export_formats() { return kFormats; }

PackedForm export_form(std::string_view format, const MethodConfig& method,
                       const ModelConfig& model, const std::string& dtype) {
  std::array<std::string_view, kFormats.size()> names{};
  std::ranges::transform(kFormats, names.begin(), &ExportFormat::name);
  require(std::ranges::find(names, format) != names.end(), "no export format '", format, "'",
          suggest(format, names));
  return FormOf(format, method, model, dtype).get();
}

}  // namespace assay
