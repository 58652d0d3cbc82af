#include "model/packed_form.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
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
    ExportFormat{"fp8", "FP8 in tiles of 128 x 128"},
    ExportFormat{"fp8_channel", "FP8 of compressed-tensors, a scale a row"},
    ExportFormat{"fp8_tensor", "FP8 of compressed-tensors, a scale a tensor"},
};

template <class Fn>
void for_each_linear(const ModelConfig& model, const Fn& fn) {
  for (const auto& tensor : all_tensors(model)) {
    if (is_block_linear(tensor.name))
      fn(tensor.name, LinearShape{tensor.shape[0], tensor.shape[1]});
  }
}

// Programs infer a group's format from its numbers unless it names one.
Json compressed_config(std::string_view format, const Json& weights, const Json& inputs = nullptr) {
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

class FormOf {
 public:
  FormOf(std::string_view format, const ModelConfig& model, const std::string& dtype,
         const std::string& what)
      : format_(format), model_(model), dtype_(dtype), what_(what) {}

  PackedForm operator()(const GridKind& kind) const {
    require(kind.has_whole_zeros, "format ", format_, " cannot hold zero points between integers");
    if (format_.starts_with("gptq")) return gptq(kind);
    if (format_.starts_with("awq")) return awq(kind);
    if (format_ != "compressed-tensors") refuse(what_);
    return integers(kind);
  }

  PackedForm operator()(const RowKind& kind) const {
    if (format_ == "bnb") return eight_bits(kind);
    if (format_ != "compressed-tensors") refuse(what_);
    return rows(kind);
  }

  PackedForm operator()(const CodebookKind& kind) const {
    if (format_ != "bnb") refuse(what_);
    return four_bits(kind);
  }

  PackedForm operator()(const ValueKind& kind) const {
    if (format_ == "fp8") return fp8_tiles();
    if (format_.starts_with("fp8")) return fp8_of_compressed_tensors();
    if (format_ != "compressed-tensors" || kind.zeros == ZeroPattern::kNone) refuse(what_);
    return sparse(kind.zeros);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(ErrorKind::kBadInput, "format ", format_, " cannot hold ", what);
  }

  // Every linear must pass.
  template <class WhyNot>
  void require_each(const WhyNot& why_not) const {
    for_each_linear(model_, [&](const std::string& name, LinearShape shape) {
      const std::string why = why_not(shape);
      require(why.empty(), "format ", format_, ": '", name, "': ", why);
    });
  }

  // Zero points that a field of so many bits can hold, less `offset`.
  void require_zeros(const GridKind& kind, float offset) const {
    if (kind.smallest_zero < offset) {
      refuse("zero points of 0 (gptq_v2 can; symmetric grids, --sym, have none)");
    }
    const auto largest = static_cast<float>((1 << kind.bits) - 1) + offset;
    if (kind.largest_zero > largest) {
      refuse("zero points of " + std::to_string(static_cast<int>(kind.largest_zero)));
    }
  }

  void require_consecutive(const GridKind& kind) const {
    if (kind.is_scattered) refuse("groups of scattered inputs (desc_act without static_groups)");
  }

  PackedForm gptq(const GridKind& kind) const {
    const bool is_v1 = format_ == "gptq";
    const GptqLayout layout{kind.bits, kind.group_size,
                            is_v1 ? StoredZero::kMinusOne : StoredZero::kPlain};
    require_each([&](LinearShape shape) { return why_not_gptq(layout, shape); });
    require_zeros(kind, is_v1 ? 1 : 0);
    return {layout,
            {{"quant_method", "gptq"},
             {"bits", kind.bits},
             {"group_size", kind.group_size},
             {"desc_act", kind.is_scattered},
             {"sym", kind.is_symmetric()},
             {"lm_head", false},
             {"checkpoint_format", format_}},
            true,
            dtype_};
  }

  PackedForm awq(const GridKind& kind) const {
    const bool is_gemv = format_ == "awq_gemv";
    require_consecutive(kind);
    const AwqLayout layout{kind.group_size, is_gemv ? AwqVersion::kGemv : AwqVersion::kGemm};
    require_each([&](LinearShape shape) { return why_not_awq(layout, shape, kind.bits); });
    require_zeros(kind, 0);
    return {layout,
            {{"quant_method", "awq"},
             {"bits", kind.bits},
             {"group_size", kind.group_size},
             {"zero_point", true},
             {"version", is_gemv ? "gemv" : "gemm"},
             {"modules_to_not_convert", {"lm_head"}}},
            false,
            dtype_};
  }

  PackedForm integers(const GridKind& kind) const {
    require_consecutive(kind);
    require_each([&](LinearShape shape) -> std::string {
      if (shape.in_features % group_width(shape.in_features, kind.group_size) == 0) return "";
      return "groups of " + std::to_string(kind.group_size) + " do not divide a row of " +
             std::to_string(shape.in_features);
    });
    require_zeros(kind, 0);
    Json weights{{"num_bits", kind.bits},
                 {"type", "int"},
                 {"symmetric", kind.is_symmetric()},
                 {"strategy", kind.group_size == -1 ? "channel" : "group"},
                 {"dynamic", false}};
    if (kind.group_size != -1) weights["group_size"] = kind.group_size;
    const CtInteger layout{kind.bits, {1, kind.group_size}, kind.is_symmetric(), true};
    return {CompressedTensorsLayout{layout, {}}, compressed_config("pack-quantized", weights),
            false, dtype_};
  }

  // SmoothQuant rounds every input, as such files can say; LLM.int8() leaves outliers alone, so of
  // it they hold the weights.
  PackedForm rows(const RowKind& kind) const {
    Json inputs;
    if (kind.rounds_inputs) {
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

  PackedForm eight_bits(const RowKind& kind) const {
    if (!kind.outliers_from) refuse(what_);
    return {BitsAndBytesLayout{false},
            {{"quant_method", "bitsandbytes"},
             {"llm_int8_skip_modules", {"lm_head"}},
             {"load_in_8bit", true},
             {"load_in_4bit", false},
             {"llm_int8_threshold", *kind.outliers_from}},
            false,
            dtype_};
  }

  PackedForm four_bits(const CodebookKind& kind) const {
    if (kind.block_size != 64) {
      refuse("blocks of " + std::to_string(kind.block_size) +
             " (transformers makes layers of 64 before it reads the file)");
    }
    return {BitsAndBytesLayout{true},
            {{"quant_method", "bitsandbytes"},
             {"llm_int8_skip_modules", {"lm_head"}},
             {"load_in_8bit", false},
             {"load_in_4bit", true},
             {"bnb_4bit_quant_type", kind.quant_type},
             {"bnb_4bit_use_double_quant", kind.is_nested},
             {"bnb_4bit_compute_dtype", dtype_},
             {"bnb_4bit_quant_storage", "uint8"}},
            false,
            dtype_};
  }

  PackedForm fp8_tiles() const {
    return {Float8Layout{"weight_scale_inv", {128, 128}},
            {{"quant_method", "fp8"},
             {"fmt", "e4m3"},
             {"weight_block_size", {128, 128}},
             {"activation_scheme", "dynamic"},
             {"modules_to_not_convert", {"lm_head"}}},
            false,
            dtype_};
  }

  PackedForm fp8_of_compressed_tensors() const {
    const bool is_row = format_ == "fp8_channel";
    const BlockShape block = is_row ? BlockShape{1, -1} : BlockShape{-1, -1};
    return {CompressedTensorsLayout{Float8Layout{"weight_scale", block}, {}},
            compressed_config("float-quantized", {{"num_bits", 8},
                                                  {"type", "float"},
                                                  {"symmetric", true},
                                                  {"strategy", is_row ? "channel" : "tensor"},
                                                  {"dynamic", false}}),
            false, dtype_};
  }

  PackedForm sparse(ZeroPattern zeros) const {
    const bool is_24 = zeros == ZeroPattern::k24;
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
  const ModelConfig& model_;
  const std::string& dtype_;
  const std::string& what_;
};

}  // namespace

bool GridKind::is_symmetric() const {
  const auto middle = static_cast<float>(1 << (bits - 1));
  return smallest_zero == middle && largest_zero == middle;
}

std::span<const ExportFormat> export_formats() { return kFormats; }

void require_export_format(std::string_view format) {
  std::array<std::string_view, kFormats.size()> names{};
  std::ranges::transform(kFormats, names.begin(), &ExportFormat::name);
  require(std::ranges::find(names, format) != names.end(), "no export format '", format, "'",
          suggest(format, names));
}

PackedForm packed_form(std::string_view format, const LinearKind& kind, const ModelConfig& model,
                       const std::string& dtype, const std::string& what) {
  require_export_format(format);
  return std::visit(FormOf(format, model, dtype, what), kind);
}

}  // namespace assay
