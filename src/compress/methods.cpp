#include "compress/methods.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

template <class... Fn>
struct Overloaded : Fn... {
  using Fn::operator()...;
};
template <class... Fn>
Overloaded(Fn...) -> Overloaded<Fn...>;  // clang 14 does not deduce from an aggregate

using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 3> kMagnitudeKeys{"sparsity", "pattern", "exact_count"};
constexpr std::array<std::string_view, 3> kWandaKeys{"sparsity", "pattern", "alpha"};
constexpr std::array<std::string_view, 4> kRtnKeys{"bits", "group_size", "sym", "mse"};
constexpr std::array<std::string_view, 2> kPermuteKeys{"units", "seed"};

// A quirk of a reference program and the field that switches it on.
template <class Config>
struct Quirk {
  std::string_view name;
  bool Config::*field;
};
constexpr std::array kMagnitudeQuirks{
    Quirk<MagnitudeConfig>{"zero_ratio", &MagnitudeConfig::parity_zero_ratio},
    Quirk<MagnitudeConfig>{"nm_tail", &MagnitudeConfig::parity_nm_tail}};
constexpr std::array kWandaQuirks{
    Quirk<WandaConfig>{"nm_tail", &WandaConfig::parity_nm_tail},
    Quirk<WandaConfig>{"alpha_wrap", &WandaConfig::parity_alpha_wrap},
    Quirk<WandaConfig>{"running_mean", &WandaConfig::parity_running_mean}};
constexpr std::array kRtnQuirks{
    Quirk<QuantizerConfig>{"one_sided", &QuantizerConfig::parity_one_sided}};

template <class Config, size_t n>
constexpr std::array<std::string_view, n> names_of(const std::array<Quirk<Config>, n>& quirks) {
  std::array<std::string_view, n> names{};
  for (size_t i = 0; i < n; ++i) names[i] = quirks[i].name;
  return names;
}
constexpr auto kMagnitudeParity = names_of(kMagnitudeQuirks);
constexpr auto kWandaParity = names_of(kWandaQuirks);
constexpr auto kRtnParity = names_of(kRtnQuirks);

// "parity": "reference", a name, or an array of names.
template <class Config, size_t n>
void read_parity(const Json& settings, const std::array<Quirk<Config>, n>& quirks, Config& config) {
  if (!settings.contains("parity")) return;
  const Json& value = settings["parity"];
  const auto switch_on = [&](const Json& one) {
    require(one.is_string(), "'parity' must be a name or an array of names, got ", one.dump());
    const auto name = one.get<std::string>();
    std::vector<std::string_view> known{"reference"};
    for (const auto& quirk : quirks) known.push_back(quirk.name);
    require(std::ranges::find(known, name) != known.end(), "no parity flag '", name, "'",
            suggest(name, known));
    for (const auto& quirk : quirks) {
      if (name == quirk.name || name == "reference") config.*quirk.field = true;
    }
  };
  if (!value.is_array()) return switch_on(value);
  for (const Json& one : value) switch_on(one);
}

template <class Config, size_t n>
Json parity_to_json(const std::array<Quirk<Config>, n>& quirks, const Config& config) {
  Json names = Json::array();
  for (const auto& quirk : quirks) {
    if (config.*quirk.field) names.push_back(quirk.name);
  }
  return names;
}

// "pattern": "unstructured" (the default) or N:M, which implies the sparsity and refuses another.
template <class Config>
void read_sparsity_and_pattern(const Json& settings, Config& config) {
  const auto pattern = json_get_or<std::string>(settings, "pattern", "unstructured", "method");
  config.sparsity = json_get_or(settings, "sparsity", config.sparsity, "method");
  require(config.sparsity >= 0 && config.sparsity <= 1, "sparsity must be in [0, 1], got ",
          config.sparsity);
  if (pattern == "unstructured") return;
  config.pattern = parse_nm_pattern(pattern);
  const double implied = config.pattern->sparsity();
  require(!settings.contains("sparsity") || std::abs(config.sparsity - implied) < 1e-9, "pattern ",
          pattern, " implies sparsity ", implied, ", got ", config.sparsity);
  config.sparsity = implied;
}

template <class Config>
Json sparsity_and_pattern(std::string_view method, const Config& config) {
  return {{"method", method},
          {"sparsity", config.sparsity},
          {"pattern", config.pattern ? to_string(*config.pattern) : "unstructured"}};
}

MethodConfig parse_dense(const Json&) { return DenseConfig{}; }

MethodConfig parse_magnitude(const Json& settings) {
  MagnitudeConfig config;
  read_sparsity_and_pattern(settings, config);
  config.exact_count = json_get_or(settings, "exact_count", config.exact_count, "method");
  require(!(config.exact_count && config.pattern),
          "exact_count is for unstructured pruning; a pattern always is exact");
  read_parity(settings, kMagnitudeQuirks, config);
  return config;
}

MethodConfig parse_wanda(const Json& settings) {
  WandaConfig config;
  read_sparsity_and_pattern(settings, config);
  config.alpha = json_get_or(settings, "alpha", config.alpha, "method");
  require(!(config.alpha && config.pattern),
          "the alpha variant is unstructured and takes no pattern");
  read_parity(settings, kWandaQuirks, config);
  return config;
}

MethodConfig parse_rtn(const Json& settings) {
  QuantizerConfig config;
  config.bits = json_get_or(settings, "bits", config.bits, "method");
  config.group_size = json_get_or(settings, "group_size", config.group_size, "method");
  config.sym = json_get_or(settings, "sym", config.sym, "method");
  config.mse = json_get_or(settings, "mse", config.mse, "method");
  require(1 <= config.bits && config.bits <= 8, "bits must be in [1, 8], got ", config.bits);
  require(config.group_size == -1 || config.group_size > 0,
          "group_size must be positive or -1 (the whole row), got ", config.group_size);
  read_parity(settings, kRtnQuirks, config);
  return RtnConfig{config};
}

MethodConfig parse_permute(const Json& settings) {
  constexpr std::array<std::string_view, 3> kUnits{"hidden", "mlp", "both"};
  const auto units = json_get_or<std::string>(settings, "units", "hidden", "method");
  require(std::ranges::find(kUnits, units) != kUnits.end(), "no units '", units, "' to permute",
          suggest(units, kUnits));
  return PermuteConfig{units != "mlp", units != "hidden",
                       json_get_or<uint64_t>(settings, "seed", 0, "method")};
}

constexpr std::array kMethods{
    Method{"dense", "", "writes the decoded weights unchanged", false, {}, {}, parse_dense},
    Method{"magnitude", "baseline of arXiv:2306.11695 and arXiv:2301.00774",
           "prunes the weights closest to zero", false, kMagnitudeKeys, kMagnitudeParity,
           parse_magnitude},
    Method{"wanda", "arXiv:2306.11695", "prunes by weight times input norm, per output row", true,
           kWandaKeys, kWandaParity, parse_wanda},
    Method{"rtn", "baseline of arXiv:2210.17323", "rounds weights to a grid per group", false,
           kRtnKeys, kRtnParity, parse_rtn},
    Method{"permute",
           "",
           "reorders hidden channels: the same function, a negative control",
           false,
           kPermuteKeys,
           {},
           parse_permute},
};

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

const Method& method_of(const MethodConfig& config) {
  return method_named(std::visit(
      Overloaded{[](const DenseConfig&) { return "dense"; },
                 [](const MagnitudeConfig&) { return "magnitude"; },
                 [](const WandaConfig&) { return "wanda"; }, [](const RtnConfig&) { return "rtn"; },
                 [](const PermuteConfig&) { return "permute"; }},
      config));
}

MethodConfig method_config(const Json& settings) {
  const Method& method = method_named(json_get<std::string>(settings, "method", "method"));
  return in_context(method.name, [&] {
    std::vector<std::string_view> known{"method"};
    known.insert(known.end(), method.keys.begin(), method.keys.end());
    if (!method.parity.empty()) known.push_back("parity");
    require_known_keys(settings, known, "settings");
    return method.parse(settings);
  });
}

Json to_json(const MethodConfig& config) {
  const auto as_json = Overloaded{
      [](const DenseConfig&) {
        return Json{{"method", "dense"}};
      },
      [](const MagnitudeConfig& c) {
        Json json = sparsity_and_pattern("magnitude", c);
        json["exact_count"] = c.exact_count;
        json["parity"] = parity_to_json(kMagnitudeQuirks, c);
        return json;
      },
      [](const WandaConfig& c) {
        Json json = sparsity_and_pattern("wanda", c);
        json["alpha"] = c.alpha;
        json["parity"] = parity_to_json(kWandaQuirks, c);
        return json;
      },
      [](const RtnConfig& c) {
        const QuantizerConfig& q = c.quantizer;
        return Json{{"method", "rtn"}, {"bits", q.bits}, {"group_size", q.group_size},
                    {"sym", q.sym},    {"mse", q.mse},   {"parity", parity_to_json(kRtnQuirks, q)}};
      },
      [](const PermuteConfig& c) {
        return Json{{"method", "permute"},
                    {"units", c.hidden ? (c.mlp ? "both" : "hidden") : "mlp"},
                    {"seed", c.seed}};
      }};
  return std::visit(as_json, config);
}

std::string describe(const MethodConfig& config) {
  std::ostringstream text;
  text << method_of(config).name;
  const auto pruning = [&](const auto& c) {
    if (c.pattern) {
      text << ' ' << to_string(*c.pattern);
    } else {
      text << ' ' << c.sparsity * 100 << " %";
    }
  };
  std::visit(Overloaded{[](const DenseConfig&) {}, [&](const MagnitudeConfig& c) { pruning(c); },
                        [&](const WandaConfig& c) {
                          pruning(c);
                          if (c.alpha) text << " alpha";
                        },
                        [&](const RtnConfig& c) {
                          text << ' ' << c.quantizer.bits << "-bit";
                          if (c.quantizer.group_size > 0) text << " g" << c.quantizer.group_size;
                          if (c.quantizer.sym) text << " sym";
                          if (c.quantizer.mse) text << " mse";
                        },
                        [&](const PermuteConfig& c) {
                          text << ' ' << (c.hidden ? (c.mlp ? "both" : "hidden") : "mlp")
                               << " seed " << c.seed;
                        }},
             config);
  return text.str();
}

}  // namespace assay
