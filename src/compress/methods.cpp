#include "compress/methods.h"

#include <algorithm>
#include <array>
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
    Setting<SparseGptConfig>{"mse", &SparseGptConfig::mse, kMseHelp}};
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

constexpr std::array kRtnSettings{
    Setting<RtnConfig>{"bits", &RtnConfig::bits, kBitsHelp, 1, 8},
    Setting<RtnConfig>{"group_size", &RtnConfig::group_size, kGroupHelp},
    Setting<RtnConfig>{"sym", &RtnConfig::sym, kSymHelp},
    Setting<RtnConfig>{"mse", &RtnConfig::mse, kMseHelp}};
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
    Setting<GptqConfig>{"block_size", &GptqConfig::block_size, kBlockHelp, 1, 65536}};
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
    row<RtnConfig, kRtnSettings, kRtnQuirks>("rtn", "baseline of arXiv:2210.17323",
                                             "rounds weights to a grid per group"),
    row<GptqConfig, kGptqSettings, kGptqQuirks, check_gptq>(
        "gptq", "arXiv:2210.17323", "rounds column by column, later ones make up for earlier ones",
        {.hessian = true}),
    row<PermuteConfig, kPermuteSettings, kPermuteQuirks>(
        "permute", "", "reorders hidden channels: the same function, a negative control"),
};
static_assert(kMethods.size() == std::variant_size_v<MethodConfig>);

}  // namespace

std::span<const Method> methods() { return kMethods; }

const Method& method_named(std::string_view name) {
  const auto found = std::ranges::find(kMethods, name, &Method::name);
  if (found != kMethods.end()) return *found;
  std::vector<std::string_view> known;
  known.reserve(kMethods.size());
  for (const Method& method : kMethods) known.push_back(method.name);
  fail(ErrorKind::kBadInput, "no method '", name, "'", suggest(name, known));
}

const Method& method_of(const MethodConfig& config) { return kMethods.at(config.index()); }

MethodConfig method_config(const Json& settings) {
  const Method& method = method_named(json_get<std::string>(settings, "method", "method"));
  return in_context(method.name, [&] {
    std::vector<std::string_view> known{"method"};
    for (const SettingInfo& setting : method.settings) known.push_back(setting.key);
    if (!method.parity.empty()) known.push_back("parity");
    require_known_keys(settings, known, "settings");
    return method.parse(settings);
  });
}

Json to_json(const MethodConfig& config) {
  const Method& method = method_of(config);
  Json json{{"method", method.name}};
  method.spell_out(config, json);
  return json;
}

std::string describe(const MethodConfig& config) {
  const Method& method = method_of(config);
  return std::string(method.name) + method.in_words(config);
}

}  // namespace assay
