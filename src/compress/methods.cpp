#include "compress/methods.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

// The settings of each method, as the command line and a study file know them.

constexpr std::string_view kSparsityHelp = "fraction of the weights to prune";
constexpr std::string_view kPatternHelp =
    "unstructured, or N:M (N kept of every M), which implies the sparsity";
constexpr std::string_view kBitsHelp = "bits of a code";
constexpr std::string_view kGroupHelp = "columns that share a scale; -1 = the whole row";
constexpr std::string_view kSymHelp = "a grid centred on zero";
constexpr std::string_view kMseHelp = "search the range of each group";

template <class Config>
constexpr Setting<Config> sparsity_setting() {
  return {"sparsity", &Config::sparsity, kSparsityHelp, 0, 1};
}
template <class Config>
constexpr Setting<Config> pattern_setting() {
  return {"pattern", &Config::pattern, kPatternHelp};
}

constexpr std::array<std::string_view, 4> kMaskSources{"none", "magnitude", "wanda", "ria"};
constexpr std::string_view kMaskHelp =
    "prune by this method's mask (magnitude, wanda, ria), then round or move what stays";

constexpr std::array<Setting<DenseConfig>, 0> kDenseSettings{};
constexpr std::array<Quirk<DenseConfig>, 0> kDenseQuirks{};

constexpr std::array kMagnitudeSettings{
    sparsity_setting<MagnitudeConfig>(), pattern_setting<MagnitudeConfig>(),
    Setting<MagnitudeConfig>{"exact_count", &MagnitudeConfig::exact_count,
                             "prune exactly int(n * sparsity) weights"}};
constexpr std::array kMagnitudeQuirks{
    Quirk<MagnitudeConfig>{"zero_ratio", &MagnitudeConfig::parity_zero_ratio},
    Quirk<MagnitudeConfig>{"nm_tail", &MagnitudeConfig::parity_nm_tail}};
void check_magnitude(const MagnitudeConfig& config) {
  require(!(config.exact_count && config.pattern),
          "exact_count is for unstructured pruning; a pattern always is exact");
}

constexpr std::array kWandaSettings{
    sparsity_setting<WandaConfig>(), pattern_setting<WandaConfig>(),
    Setting<WandaConfig>{"alpha", &WandaConfig::alpha, "the paper's variant"}};
constexpr std::array kWandaQuirks{
    Quirk<WandaConfig>{"nm_tail", &WandaConfig::parity_nm_tail},
    Quirk<WandaConfig>{"alpha_wrap", &WandaConfig::parity_alpha_wrap},
    Quirk<WandaConfig>{"running_mean", &WandaConfig::parity_running_mean}};
void check_wanda(const WandaConfig& config) {
  require(!(config.alpha && config.pattern),
          "the alpha variant is unstructured and takes no pattern");
}

constexpr std::string_view kDampHelp = "damping of the Hessian, of its mean diagonal";
constexpr std::string_view kBlockHelp = "columns between two updates of all columns to the right";

constexpr std::array kSparseGptSettings{
    sparsity_setting<SparseGptConfig>(),
    pattern_setting<SparseGptConfig>(),
    Setting<SparseGptConfig>{"exact_count", &SparseGptConfig::exact_count,
                             "prune exactly int(n * sparsity) weights"},
    Setting<SparseGptConfig>{"block_size", &SparseGptConfig::block_size, kBlockHelp, 1, 65536},
    Setting<SparseGptConfig>{"damp_percent", &SparseGptConfig::damp_percent, kDampHelp, 0, 1},
    Setting<SparseGptConfig>{"bits", &SparseGptConfig::bits, kBitsHelp, 1, 16},
    Setting<SparseGptConfig>{"group_size", &SparseGptConfig::group_size, kGroupHelp},
    Setting<SparseGptConfig>{"sym", &SparseGptConfig::sym, kSymHelp},
    Setting<SparseGptConfig>{"mse", &SparseGptConfig::mse, kMseHelp},
    Setting<SparseGptConfig>{"mask", choice<&SparseGptConfig::mask>(kMaskSources), kMaskHelp}};
constexpr std::array<Quirk<SparseGptConfig>, 0> kSparseGptQuirks{};
void check_sparsegpt(const SparseGptConfig& config) {
  require(config.bits <= 8 || config.bits == 16,
          "bits must be in [1, 8], or 16 to prune alone, got ", config.bits);
  require(!(config.exact_count && config.pattern),
          "exact_count is for unstructured pruning; a pattern always is exact");
  require(!config.pattern || config.block_size % config.pattern->of == 0, "block_size ",
          config.block_size, " must be a multiple of the pattern's M, ",
          config.pattern ? config.pattern->of : 0);
  require(config.bits == 16 || !config.pattern || config.group_size == -1 ||
              config.group_size % config.pattern->of == 0,
          "group_size ", config.group_size, " must be a multiple of the pattern's M, ",
          config.pattern ? config.pattern->of : 0);
}

constexpr std::array<std::string_view, 3> kGblmScores{"blend", "gradient", "inverse"};
constexpr std::array<std::string_view, 2> kGradientNorms{"l1", "l2"};
constexpr std::array kGblmSettings{
    sparsity_setting<GblmConfig>(), pattern_setting<GblmConfig>(),
    Setting<GblmConfig>{"alpha", &GblmConfig::alpha, "weight of the gradient", 0, 1e9},
    Setting<GblmConfig>{"gradient_norm", choice<&GblmConfig::norm>(kGradientNorms),
                        "how gradients of samples are summed: l1 or l2"},
    Setting<GblmConfig>{"score", choice<&GblmConfig::score>(kGblmScores),
                        "blend, gradient (alone) or inverse"}};
constexpr std::array kGblmQuirks{
    Quirk<GblmConfig>{"nm_tail", &GblmConfig::parity_nm_tail},
    Quirk<GblmConfig>{"sample_count", &GblmConfig::parity_sample_count},
    Quirk<GblmConfig>{"half_gradient", &GblmConfig::parity_half}};

constexpr std::array kRiaSettings{
    sparsity_setting<RiaConfig>(), pattern_setting<RiaConfig>(),
    Setting<RiaConfig>{"power", &RiaConfig::power, "of the input norm", 0, 2}};
constexpr std::array kRiaQuirks{Quirk<RiaConfig>{"nm_tail", &RiaConfig::parity_nm_tail}};

constexpr std::array kDsnotSettings{
    sparsity_setting<DsnotMethodConfig>(),
    pattern_setting<DsnotMethodConfig>(),
    Setting<DsnotMethodConfig>{"first", choice<&DsnotMethodConfig::first>(kMaskSources),
                               "the mask to start from: wanda, magnitude or ria"},
    Setting<DsnotMethodConfig>{"max_cycles", &DsnotMethodConfig::max_cycles, "swaps of a row", 0,
                               1e6},
    Setting<DsnotMethodConfig>{"threshold", &DsnotMethodConfig::threshold,
                               "a row stops at this expected error", 0, 1e9},
    Setting<DsnotMethodConfig>{"variance_power", &DsnotMethodConfig::variance_power,
                               "of the input's variance", 0, 10}};
void check_dsnot(const DsnotMethodConfig& config) {
  require(config.first != MaskSource::kNone, "first must be wanda, magnitude or ria");
}
constexpr std::array kDsnotQuirks{
    Quirk<DsnotMethodConfig>{"any_sign", &DsnotMethodConfig::parity_any_sign},
    Quirk<DsnotMethodConfig>{"past_end", &DsnotMethodConfig::parity_past_end},
    Quirk<DsnotMethodConfig>{"nm_lowest", &DsnotMethodConfig::parity_nm_lowest}};

constexpr std::array<std::string_view, 5> kPrunedBy{"wanda", "magnitude", "sparsegpt", "ria",
                                                    "gblm"};
constexpr std::array kOwlSettings{
    Setting<OwlMethodConfig>{"sparsity", &OwlMethodConfig::sparsity, kSparsityHelp, 0, 1},
    Setting<OwlMethodConfig>{"by", choice<&OwlMethodConfig::by>(kPrunedBy),
                             "who prunes: wanda, magnitude, sparsegpt, ria or gblm"},
    Setting<OwlMethodConfig>{"lambda", &OwlMethodConfig::lambda,
                             "sparsities of blocks span twice this", 0, 0.5},
    Setting<OwlMethodConfig>{"outlier_multiple", &OwlMethodConfig::outlier_multiple,
                             "scores above this many means are outliers", 1e-3, 1e6}};
constexpr std::array<Quirk<OwlMethodConfig>, 0> kOwlQuirks{};

constexpr std::array kAwqSettings{
    Setting<AwqConfig>{"bits", &AwqConfig::bits, kBitsHelp, 1, 8},
    Setting<AwqConfig>{"group_size", &AwqConfig::group_size, kGroupHelp},
    Setting<AwqConfig>{"sym", &AwqConfig::sym, kSymHelp},
    Setting<AwqConfig>{"duo_scaling", &AwqConfig::duo_scaling,
                       "scales look at weights too, as AutoAWQ's"},
    Setting<AwqConfig>{"search_tokens", &AwqConfig::search_tokens,
                       "tokens that the searches look at; 0 = all", 0, 1e9},
    Setting<AwqConfig>{"scale", &AwqConfig::scale, "search scales of input channels"},
    Setting<AwqConfig>{"clip", &AwqConfig::clip, "search the range of each group"}};
constexpr std::array<Quirk<AwqConfig>, 0> kAwqQuirks{};
void check_awq(const AwqConfig& config) { check_awq_quantizer(config); }

constexpr std::array kSmoothQuantSettings{Setting<SmoothQuantConfig>{
    "alpha", &SmoothQuantConfig::alpha, "share of the difficulty that weights take over", 0, 1}};
constexpr std::array<Quirk<SmoothQuantConfig>, 0> kSmoothQuantQuirks{};

template <class Config>
constexpr std::array<Setting<Config>, 2> codebook_settings() {
  return {Setting<Config>{"block_size", &Config::block_size,
                          "weights that share a scale (4-bit codebooks)", 32, 4096},
          Setting<Config>{"double_quant", &Config::double_quant, "quantize the scales too"}};
}
constexpr auto kNf4Settings = codebook_settings<Nf4Config>();
constexpr auto kFp4Settings = codebook_settings<Fp4Config>();
constexpr std::array<Quirk<Nf4Config>, 0> kNf4Quirks{};
constexpr std::array<Quirk<Fp4Config>, 0> kFp4Quirks{};
void check_codebook(const CodebookConfig& config) {
  require(std::has_single_bit(static_cast<uint64_t>(config.block_size)),
          "block_size must be a power of two, got ", config.block_size);
}

constexpr std::array kHqqSettings{
    Setting<HqqConfig>{"bits", &HqqConfig::bits, kBitsHelp, 2, 8},
    Setting<HqqConfig>{"group_size", &HqqConfig::group_size, kGroupHelp},
    Setting<HqqConfig>{"p", &HqqConfig::p, "the loss is the sum of |error|^p", 0.01, 1},
    Setting<HqqConfig>{"beta", &HqqConfig::beta, "weight of the quadratic term at first", 1e-3,
                       1e6},
    Setting<HqqConfig>{"kappa", &HqqConfig::kappa, "its growth from step to step", 1, 2},
    Setting<HqqConfig>{"iterations", &HqqConfig::iterations, "steps at most", 0, 1000}};
constexpr std::array kHqqQuirks{Quirk<HqqConfig>{"last_zero", &HqqConfig::parity_last_zero}};

constexpr std::array<std::string_view, 2> kOutlierColumns{"per_row", "batch"};
constexpr std::array kLlmInt8Settings{
    Setting<LlmInt8Config>{"threshold", &LlmInt8Config::threshold,
                           "inputs at least this large stay in float; 0 = none", 0, 1e9},
    Setting<LlmInt8Config>{"outliers", choice<&LlmInt8Config::outliers>(kOutlierColumns),
                           "columns kept in float: per_row, or batch as published"}};
constexpr std::array<Quirk<LlmInt8Config>, 0> kLlmInt8Quirks{};

constexpr std::array kRtnSettings{
    Setting<RtnConfig>{"bits", &RtnConfig::bits, kBitsHelp, 1, 8},
    Setting<RtnConfig>{"group_size", &RtnConfig::group_size, kGroupHelp},
    Setting<RtnConfig>{"sym", &RtnConfig::sym, kSymHelp},
    Setting<RtnConfig>{"mse", &RtnConfig::mse, kMseHelp},
    Setting<RtnConfig>{"mask", choice<&RtnConfig::mask>(kMaskSources), kMaskHelp},
    sparsity_setting<RtnConfig>(),
    pattern_setting<RtnConfig>()};
constexpr std::array kRtnQuirks{Quirk<RtnConfig>{"one_sided", &RtnConfig::parity_one_sided}};

constexpr std::array kGptqSettings{
    Setting<GptqConfig>{"bits", &GptqConfig::bits, kBitsHelp, 1, 8},
    Setting<GptqConfig>{"group_size", &GptqConfig::group_size, kGroupHelp},
    Setting<GptqConfig>{"sym", &GptqConfig::sym, kSymHelp},
    Setting<GptqConfig>{"mse", &GptqConfig::mse, kMseHelp},
    Setting<GptqConfig>{"desc_act", &GptqConfig::desc_act,
                        "round the columns with the largest inputs first"},
    Setting<GptqConfig>{"act_group_aware", &GptqConfig::act_group_aware,
                        "the same inside groups, and groups by their largest: no g_idx needed"},
    Setting<GptqConfig>{"static_groups", &GptqConfig::static_groups,
                        "grids of all groups from the weights before rounding"},
    Setting<GptqConfig>{"true_sequential", &GptqConfig::true_sequential,
                        "inside a block later linears see the rounded earlier ones"},
    Setting<GptqConfig>{"damp_percent", &GptqConfig::damp_percent, kDampHelp, 0, 1},
    Setting<GptqConfig>{"block_size", &GptqConfig::block_size, kBlockHelp, 1, 65536},
    Setting<GptqConfig>{"mask", choice<&GptqConfig::mask>(kMaskSources), kMaskHelp},
    sparsity_setting<GptqConfig>(),
    pattern_setting<GptqConfig>()};
constexpr std::array kGptqQuirks{Quirk<GptqConfig>{"one_sided", &GptqConfig::parity_one_sided},
                                 Quirk<GptqConfig>{"lazy_groups", &GptqConfig::parity_lazy_groups}};

void check_gptq(const GptqConfig& config) {
  require(!(config.desc_act && config.act_group_aware),
          "desc_act and act_group_aware exclude each other");
}

constexpr std::array<std::string_view, 3> kPermutedUnits{"hidden", "mlp", "both"};
constexpr std::array kPermuteSettings{
    Setting<PermuteConfig>{"units", choice<&PermuteConfig::units>(kPermutedUnits),
                           "what to reorder: hidden, mlp or both"},
    Setting<PermuteConfig>{"seed", &PermuteConfig::seed, "of the order"}};
constexpr std::array<Quirk<PermuteConfig>, 0> kPermuteQuirks{};

constexpr std::string_view kCacheGroupHelp = "channels of a head that share a range; -1 = the head";
constexpr std::array kKvCacheSettings{
    Setting<KvCacheConfig>{"bits", &KvCacheConfig::bits, kBitsHelp, 2, 8},
    Setting<KvCacheConfig>{"group_size", &KvCacheConfig::group_size, kCacheGroupHelp},
    Setting<KvCacheConfig>{"sym", &KvCacheConfig::sym, kSymHelp}};
constexpr std::array<Quirk<KvCacheConfig>, 0> kKvCacheQuirks{};

// The same beside another method.
constexpr std::array kSharedSettings{
    Setting<KvCacheConfig>{"kv_bits", &KvCacheConfig::bits,
                           "bits of a cached key or value; 16 = float32", 2, 16},
    Setting<KvCacheConfig>{"kv_group_size", &KvCacheConfig::group_size, kCacheGroupHelp},
    Setting<KvCacheConfig>{"kv_sym", &KvCacheConfig::sym, "a grid of the cache centred on zero"}};

std::optional<KvCacheConfig> shared_settings_of(const Json& settings) {
  const auto is_given = [&](const auto& s) { return settings.contains(std::string(s.key)); };
  if (std::ranges::none_of(kSharedSettings, is_given)) return std::nullopt;
  require(settings.contains("kv_bits"), "a KV cache needs kv_bits");
  const auto config = in_context("KV cache", [&] {
    return settings::parse<KvCacheConfig>(settings, kSharedSettings, kKvCacheQuirks);
  });
  require(config.bits <= 8 || config.bits == 16,
          "kv_bits must be in [2, 8], or 16 for float32, got ", config.bits);
  return config;
}

template <const auto& kList>
constexpr auto kInfos = settings::infos_of(kList);
template <const auto& kQuirks>
constexpr auto kNames = settings::names_of(kQuirks);

// A row of the table: name, paper, what it does, what it needs; settings, quirks and a check of the
// settings together come as types.
template <class Config, const auto& kList, const auto& kQuirks, auto kCheck = nullptr>
constexpr Method row(std::string_view name, std::string_view source, std::string_view does,
                     Needs needs = {}) {
  return {.name = name,
          .source = source,
          .does = does,
          .needs = needs,
          .settings = kInfos<kList>,
          .parity = kNames<kQuirks>,
          .parse = [](const Json& given) -> MethodConfig {
            const auto config = settings::parse<Config>(given, kList, kQuirks);
            if constexpr (!std::is_null_pointer_v<decltype(kCheck)>) kCheck(config);
            return config;
          },
          .spell_out =
              [](const MethodConfig& config, Json& json) {
                settings::spell_out<Config>(std::get<Config>(config), kList, kQuirks, json);
              },
          .in_words =
              [](const MethodConfig& config) {
                return settings::in_words<Config>(std::get<Config>(config), kList);
              }};
}

constexpr std::array kMethods{
    row<DenseConfig, kDenseSettings, kDenseQuirks>("dense", "",
                                                   "writes the decoded weights unchanged"),
    row<MagnitudeConfig, kMagnitudeSettings, kMagnitudeQuirks, check_magnitude>(
        "magnitude", "baseline of arXiv:2306.11695 and arXiv:2301.00774",
        "prunes the weights closest to zero"),
    row<WandaConfig, kWandaSettings, kWandaQuirks, check_wanda>(
        "wanda", "arXiv:2306.11695", "prunes by weight times input norm, per output row",
        {.input_norms = true}),
    row<SparseGptConfig, kSparseGptSettings, kSparseGptQuirks, check_sparsegpt>(
        "sparsegpt", "arXiv:2301.00774",
        "prunes where the weights that stay can make up for it, and lets them", {.hessian = true}),
    row<GblmConfig, kGblmSettings, kGblmQuirks>(
        "gblm", "arXiv:2311.04902",
        "prunes by weight times input norm and gradient, per output row",
        {.input_norms = true, .gradients = true}),
    row<RiaConfig, kRiaSettings, kRiaQuirks>("ria", "ICLR 2024 (Zhang et al.)",
                                             "prunes by a weight's share of its row and column",
                                             {.input_norms = true}),
    row<DsnotMethodConfig, kDsnotSettings, kDsnotQuirks, check_dsnot>(
        "dsnot", "arXiv:2310.08915", "swaps pruned and kept weights until rows lose little",
        {.moments = true}),
    row<OwlMethodConfig, kOwlSettings, kOwlQuirks>(
        "owl", "arXiv:2310.05175", "prunes blocks with many outliers less, by another method",
        {.input_norms = true}),
    row<RtnConfig, kRtnSettings, kRtnQuirks>("rtn", "baseline of arXiv:2210.17323",
                                             "rounds weights to a grid per group"),
    row<GptqConfig, kGptqSettings, kGptqQuirks, check_gptq>(
        "gptq", "arXiv:2210.17323", "rounds column by column, later ones make up for earlier ones",
        {.hessian = true}),
    row<AwqConfig, kAwqSettings, kAwqQuirks, check_awq>(
        "awq", "arXiv:2306.00978", "rounds after scaling up the input channels that matter",
        {.inputs = true}),
    row<Nf4Config, kNf4Settings, kNf4Quirks, check_codebook>(
        "nf4", "arXiv:2305.14314", "rounds to 16 quantiles of a normal, a scale per block"),
    row<Fp4Config, kFp4Settings, kFp4Quirks, check_codebook>(
        "fp4", "arXiv:2305.14314 (released code)", "rounds to 4-bit floats, a scale per block"),
    row<HqqConfig, kHqqSettings, kHqqQuirks>(
        "hqq", "Badri & Shaji 2023", "rounds to a grid whose zero is moved to fit the weights"),
    row<LlmInt8Config, kLlmInt8Settings, kLlmInt8Quirks>(
        "llm_int8", "arXiv:2208.07339", "8-bit weights and inputs, outlier inputs in float"),
    row<SmoothQuantConfig, kSmoothQuantSettings, kSmoothQuantQuirks>(
        "smoothquant", "arXiv:2211.10438", "8-bit weights and inputs, outliers moved into weights",
        {.inputs = true}),
    row<KvCacheConfig, kKvCacheSettings, kKvCacheQuirks>(
        "kv_cache", "arXiv:2303.06865", "keys and values in few bits, weights as they are"),
    row<PermuteConfig, kPermuteSettings, kPermuteQuirks>(
        "permute", "", "reorders hidden channels: the same function, a negative control"),
};
static_assert(kMethods.size() == std::variant_size_v<AnyMethod>);

}  // namespace

std::span<const Method> methods() { return kMethods; }

std::span<const SettingInfo> shared_settings() { return kInfos<kSharedSettings>; }

const Method& method_named(std::string_view name) {
  const auto found = std::ranges::find(kMethods, name, &Method::name);
  if (found != kMethods.end()) return *found;
  std::vector<std::string_view> known;
  known.reserve(kMethods.size());
  for (const Method& method : kMethods) known.push_back(method.name);
  fail(ErrorKind::kBadInput, "no method '", name, "'", suggest(name, known));
}

const Method& method_of(const MethodConfig& config) { return kMethods.at(config.index()); }

MethodConfig pruning_of(const OwlMethodConfig& config, double sparsity) {
  return method_config(
      {{"method", kPrunedBy.at(static_cast<size_t>(config.by))}, {"sparsity", sparsity}});
}

Needs needs_of(const MethodConfig& config) {
  Needs needs = method_of(config).needs;
  const auto looks_at_norms = [](const auto& c) {
    if constexpr (requires { c.mask; }) {
      return c.mask == MaskSource::kWanda || c.mask == MaskSource::kRia;
    }
    return false;
  };
  needs.input_norms |= std::visit(looks_at_norms, config);
  if (const auto* owl = std::get_if<OwlMethodConfig>(&config)) {
    const Needs of_pruning = method_of(pruning_of(*owl, owl->sparsity)).needs;
    needs.hessian |= of_pruning.hessian;
    needs.gradients |= of_pruning.gradients;
  }
  return needs;
}

std::optional<KvCacheConfig> kv_cache_of(const MethodConfig& config,
                                         const std::optional<KvCacheConfig>& of_source) {
  if (const auto* own = std::get_if<KvCacheConfig>(&config)) return *own;
  if (!config.kv_cache) return of_source;
  return config.kv_cache->bits == 16 ? std::nullopt : config.kv_cache;
}

bool keeps_weights(const MethodConfig& config) {
  return std::holds_alternative<DenseConfig>(config) ||
         std::holds_alternative<KvCacheConfig>(config) ||
         std::holds_alternative<PermuteConfig>(config);
}

MethodConfig method_config(const Json& settings) {
  const Method& method = method_named(json_get<std::string>(settings, "method", "method"));
  return in_context(method.name, [&] {
    std::vector<std::string_view> known{"method"};
    for (const SettingInfo& setting : method.settings) known.push_back(setting.key);
    if (!method.parity.empty()) known.push_back("parity");
    const bool takes_shared = method.name != "kv_cache";
    for (const SettingInfo& setting : shared_settings()) {
      if (takes_shared) known.push_back(setting.key);
    }
    require_known_keys(settings, known, "settings");
    MethodConfig config = method.parse(settings);
    config.kv_cache = shared_settings_of(settings);
    return config;
  });
}

Json to_json(const MethodConfig& config) {
  const Method& method = method_of(config);
  Json json{{"method", method.name}};
  method.spell_out(config, json);
  if (config.kv_cache) {
    settings::spell_out<KvCacheConfig>(*config.kv_cache, kSharedSettings, kKvCacheQuirks, json);
  }
  return json;
}

std::string describe(const MethodConfig& config) {
  const Method& method = method_of(config);
  std::string text = std::string(method.name) + method.in_words(config);
  if (config.kv_cache) {
    text += ", kv" + settings::in_words<KvCacheConfig>(*config.kv_cache, kKvCacheSettings);
  }
  return text;
}

}  // namespace assay
