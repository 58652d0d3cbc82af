#pragma once
// The methods by name, and their settings as data: the keys of a study file and the flags of `assay
// compress` are the same words. The type of a setting struct picks the method; one that the
// pipeline cannot apply does not compile.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "compress/awq.h"
#include "compress/codebook.h"
#include "compress/dsnot.h"
#include "compress/gblm.h"
#include "compress/gptq.h"
#include "compress/hqq.h"
#include "compress/llm_int8.h"
#include "compress/magnitude.h"
#include "compress/owl.h"
#include "compress/permute.h"
#include "compress/ria.h"
#include "compress/rtn.h"
#include "compress/settings.h"
#include "compress/smoothquant.h"
#include "compress/sparsegpt.h"
#include "compress/wanda.h"
#include "kernels/kv_cache.h"

namespace assay {

// No compression: the decoded weights as they are (a GGUF file becomes a folder that transformers
// loads).
struct DenseConfig {};

struct Nf4Config : CodebookConfig {};
struct Fp4Config : CodebookConfig {
  Fp4Config() { codebook = Codebook::kFp4; }
};

// DSnoT swaps weights of a mask that a simpler method made.
struct DsnotMethodConfig : DsnotConfig {
  double sparsity = 0.5;
  MaskSource first = MaskSource::kWanda;  // not kNone
};

// OWL says how much of each block goes, another method which weights.
enum class PrunedBy { kWanda, kMagnitude, kSparseGpt, kRia, kGblm };
struct OwlMethodConfig : OwlConfig {
  PrunedBy by = PrunedBy::kWanda;
};

// Keys and values in few bits; the weights stay as they are.
using KvCacheConfig = kernels::KvCacheFormat;

using AnyMethod = std::variant<DenseConfig, MagnitudeConfig, WandaConfig, SparseGptConfig,
                               GblmConfig, RiaConfig, DsnotMethodConfig, OwlMethodConfig, RtnConfig,
                               GptqConfig, AwqConfig, Nf4Config, Fp4Config, HqqConfig,
                               LlmInt8Config, SmoothQuantConfig, KvCacheConfig, PermuteConfig>;

// A method, and what every method of weights takes beside its own settings (shared_settings).
struct MethodConfig : AnyMethod {
  using AnyMethod::AnyMethod;
  std::optional<KvCacheConfig> kv_cache = std::nullopt;  // of the result; 16 bits mean float32
};

// The pruning method that OWL runs on a block of this sparsity.
MethodConfig pruning_of(const OwlMethodConfig& config, double sparsity);

// What a method wants to know of the inputs of each linear; all of it comes from calibration text.
struct Needs {
  bool input_norms = false;
  bool moments = false;  // norm, mean and variance
  bool hessian = false;
  bool gradients = false;  // of the loss by each weight
  bool inputs = false;     // of a whole dense block, themselves

  constexpr bool calibration() const {
    return input_norms || moments || hessian || gradients || inputs;
  }
};

struct Method {
  std::string_view name;    // in a plan and on the command line
  std::string_view source;  // paper
  std::string_view does;    // one line for `assay ls methods`
  Needs needs;
  std::span<const SettingInfo> settings;     // keys beside "method" and "parity"
  std::span<const std::string_view> parity;  // quirks of its reference, as --parity NAME
  MethodConfig (*parse)(const Json& settings) = nullptr;
  void (*spell_out)(const MethodConfig& config, Json& json) = nullptr;
  std::string (*in_words)(const MethodConfig& config) = nullptr;
};

// In the order of AnyMethod's types.
std::span<const Method> methods();
// kv_bits, kv_group_size, kv_sym: keys of every method but kv_cache, which has its own.
std::span<const SettingInfo> shared_settings();

// Error(kBadInput) names the nearest known method.
const Method& method_named(std::string_view name);
const Method& method_of(const MethodConfig& config);
// The needs of its row, and those of the method that it runs on.
Needs needs_of(const MethodConfig& config);

// The cache that the result's keys and values go through, nothing for float32: the one that the
// settings ask for, else that of the model which is compressed.
std::optional<KvCacheConfig> kv_cache_of(const MethodConfig& config,
                                         const std::optional<KvCacheConfig>& of_source);
// The values of the weights are those of the model that is compressed, wherever they stand.
bool keeps_weights(const MethodConfig& config);

// {"method": "wanda", "sparsity": 0.5, "pattern": "2:4", "kv_bits": 8, "parity": "reference" | NAME
// | [NAME, ...]} -> settings. Error(kBadInput) on a missing or unknown method, an unknown key (with
// the nearest), a value of the wrong type or range, a pattern beside a sparsity that it does not
// imply, or a cache without bits.
MethodConfig method_config(const Json& settings);

// Every setting spelled out, so that method_config(to_json(c)) is c: for provenance and cache keys.
Json to_json(const MethodConfig& config);

// "wanda 2:4", "rtn 4-bit g128", "rtn 4-bit g128, kv 8-bit g64": for tables and folder names of
// people.
std::string describe(const MethodConfig& config);

}  // namespace assay
