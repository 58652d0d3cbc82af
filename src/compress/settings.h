#pragma once
// The settings of a method as data. One list gives the keys of a study file, the flags of the
// command line, the form in provenance, the text in tables, and the errors.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "compress/bits_by_tensor.h"
#include "compress/mask_source.h"
#include "compress/nm_pattern.h"
#include "compress/scalar_quantizer.h"

namespace assay {

// One of several words, kept as an enumerator whose value is the word's place in the list.
template <class Config>
struct Choice {
  std::span<const std::string_view> words;
  int64_t (*get)(const Config&);
  void (*set)(Config&, int64_t);
};

template <auto kMember>
struct MemberOf;
template <class C, class E, E C::*kMember>
struct MemberOf<kMember> {
  using Config = C;
  using Enum = E;
};

// choice<&PermuteConfig::units>(kWords): the enumerators count from 0 in the order of the words.
template <auto kMember>
constexpr auto choice(std::span<const std::string_view> words) {
  using Config = typename MemberOf<kMember>::Config;
  using Enum = typename MemberOf<kMember>::Enum;
  return Choice<Config>{words, [](const Config& c) { return static_cast<int64_t>(c.*kMember); },
                        [](Config& c, int64_t place) { c.*kMember = static_cast<Enum>(place); }};
}

template <class Config>
using SettingField =
    std::variant<bool Config::*, int64_t Config::*, uint64_t Config::*, double Config::*,
                 std::optional<NmPattern> Config::*, Choice<Config>>;

template <class Config>
struct Setting {
  std::string_view key;  // in a study file and, behind "--", on the command line
  SettingField<Config> field;
  std::string_view help;
  double least = -std::numeric_limits<double>::infinity();  // of a number
  double most = std::numeric_limits<double>::infinity();
};

// A quirk of a reference program and the field that switches it on: --parity NAME.
template <class Config>
struct Quirk {
  std::string_view name;
  bool Config::*field;
};

// What the command line and the documentation see of a setting.
enum class SettingKind { kFlag, kInteger, kNumber, kWord };
struct SettingInfo {
  std::string_view key, help;
  SettingKind kind = SettingKind::kFlag;
};

namespace settings {

template <class... Fn>
struct Overloaded : Fn... {
  using Fn::operator()...;
};
template <class... Fn>
Overloaded(Fn...) -> Overloaded<Fn...>;  // clang 14 does not deduce from an aggregate

inline std::string pattern_word(const std::optional<NmPattern>& pattern) {
  return pattern ? to_string(*pattern) : "unstructured";
}

template <class Config>
constexpr SettingKind kind_of(const Setting<Config>& setting) {
  if (std::holds_alternative<bool Config::*>(setting.field)) return SettingKind::kFlag;
  if (std::holds_alternative<double Config::*>(setting.field)) return SettingKind::kNumber;
  if (std::holds_alternative<int64_t Config::*>(setting.field) ||
      std::holds_alternative<uint64_t Config::*>(setting.field)) {
    return SettingKind::kInteger;
  }
  return SettingKind::kWord;
}

template <class Config, size_t n>
constexpr std::array<SettingInfo, n> infos_of(const std::array<Setting<Config>, n>& list) {
  std::array<SettingInfo, n> infos{};
  for (size_t i = 0; i < n; ++i) infos[i] = {list[i].key, list[i].help, kind_of(list[i])};
  return infos;
}

template <class Config, size_t n>
constexpr std::array<std::string_view, n> names_of(const std::array<Quirk<Config>, n>& quirks) {
  std::array<std::string_view, n> names{};
  for (size_t i = 0; i < n; ++i) names[i] = quirks[i].name;
  return names;
}

template <class Config, class T>
void read_number(const Json& settings, const Setting<Config>& setting, T Config::*field,
                 Config& config) {
  const std::string key(setting.key);
  config.*field = json_get<T>(settings, key, "method");
  const auto value = static_cast<double>(config.*field);
  require(std::isfinite(value) && setting.least <= value && value <= setting.most, key,
          " must be in [", setting.least, ", ", setting.most, "], got ", config.*field);
}

// {"default": 3, "layers.0.*": 8}
template <class Config>
void read_bits_by_tensor(const Json& value, const Setting<Config>& setting, Config& config) {
  const auto checked = [&](const std::string& name) {
    const auto bits = json_get<int64_t>(value, name, "bits");
    const auto number = static_cast<double>(bits);
    require(setting.least <= number && number <= setting.most, "bits of '", name, "' must be in [",
            setting.least, ", ", setting.most, "], got ", bits);
    return bits;
  };
  config.bits = checked("default");
  for (const auto& [name, bits] : value.items()) {
    if (name != "default") config.bits_by_tensor.push_back({name, checked(name)});
  }
}

template <class Config>
void read_setting(const Json& settings, const Setting<Config>& setting, Config& config) {
  const std::string key(setting.key);
  if (!settings.contains(key)) return;
  std::visit(
      Overloaded{
          [&](bool Config::*field) { config.*field = json_get<bool>(settings, key, "method"); },
          [&](int64_t Config::*field) {
            if constexpr (requires { config.bits_by_tensor; }) {
              if (key == "bits" && settings[key].is_object()) {
                return read_bits_by_tensor(settings[key], setting, config);
              }
            }
            read_number(settings, setting, field, config);
          },
          [&](uint64_t Config::*field) {
            config.*field = json_get<uint64_t>(settings, key, "method");
          },
          [&](double Config::*field) { read_number(settings, setting, field, config); },
          [&](std::optional<NmPattern> Config::*field) {
            const auto word = json_get<std::string>(settings, key, "method");
            if (word != "unstructured") config.*field = parse_nm_pattern(word);
          },
          [&](const Choice<Config>& field) {
            const auto word = json_get<std::string>(settings, key, "method");
            const auto found = std::ranges::find(field.words, word);
            require(found != field.words.end(), "no ", key, " '", word, "'",
                    suggest(word, field.words));
            field.set(config, found - field.words.begin());
          }},
      setting.field);
}

template <class Config>
Json value_of(const Setting<Config>& setting, const Config& config) {
  return std::visit(Overloaded{[&](std::optional<NmPattern> Config::*field) -> Json {
                                 return pattern_word(config.*field);
                               },
                               [&](const Choice<Config>& field) -> Json {
                                 return field.words[static_cast<size_t>(field.get(config))];
                               },
                               [&](int64_t Config::*field) -> Json {
                                 if constexpr (requires { config.bits_by_tensor; }) {
                                   if (setting.key == "bits" && !config.bits_by_tensor.empty()) {
                                     Json bits{{"default", config.bits}};
                                     for (const auto& [name, of_name] : config.bits_by_tensor) {
                                       bits[name] = of_name;
                                     }
                                     return bits;
                                   }
                                 }
                                 return config.*field;
                               },
                               [&](auto Config::*field) -> Json { return config.*field; }},
                    setting.field);
}

// A quantizer whose sparsity and pattern are those of a mask, where it has one.
template <class Config>
constexpr bool kMayHaveMask = std::is_base_of_v<QuantizerConfig, Config>&& requires(Config config) {
  config.mask;
};

// Sparsity and pattern say something: all pruning methods, and quantizers beside a mask.
template <class Config>
bool prunes(const Config& config) {
  if constexpr (kMayHaveMask<Config>) return config.mask != MaskSource::kNone;
  return true;
}

// A pattern implies its sparsity and refuses another; a group is a number of columns or the row.
template <class Config>
void settle(const Json& settings, Config& config) {
  if constexpr (requires { config.pattern, config.sparsity; }) {
    if (config.pattern) {
      const double implied = config.pattern->sparsity();
      require(!settings.contains("sparsity") || std::abs(config.sparsity - implied) < 1e-9,
              "pattern ", to_string(*config.pattern), " implies sparsity ", implied, ", got ",
              config.sparsity);
      config.sparsity = implied;
    }
  }
  require(prunes(config) || !(settings.contains("sparsity") || settings.contains("pattern")),
          "sparsity and pattern are those of a mask: say whose (mask: wanda)");
  if constexpr (requires { config.group_size; }) {
    require(config.group_size == -1 || config.group_size > 0,
            "group_size must be positive or -1 (the whole row), got ", config.group_size);
  }
}

// "parity": "reference" (all), a name, or an array of names.
template <class Config>
void read_parity(const Json& settings, std::span<const Quirk<Config>> quirks, Config& config) {
  if (!settings.contains("parity")) return;
  const Json& value = settings["parity"];
  const auto switch_on = [&](const Json& one) {
    require(one.is_string(), "'parity' must be a name or an array of names, got ", one.dump());
    const auto name = one.template get<std::string>();
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

template <class Config>
Config parse(const Json& settings, std::span<const Setting<Config>> list,
             std::span<const Quirk<Config>> quirks) {
  Config config;
  for (const auto& setting : list) read_setting(settings, setting, config);
  settle(settings, config);
  read_parity(settings, quirks, config);
  return config;
}

// Every setting that says something, in the order of the list, then the quirks that are on.
template <class Config>
void spell_out(const Config& config, std::span<const Setting<Config>> list,
               std::span<const Quirk<Config>> quirks, Json& json) {
  for (const auto& setting : list) {
    const bool is_of_mask = setting.key == "sparsity" || setting.key == "pattern";
    if (!is_of_mask || prunes(config)) json[std::string(setting.key)] = value_of(setting, config);
  }
  if (quirks.empty()) return;
  json["parity"] = Json::array();
  for (const auto& quirk : quirks) {
    if (config.*quirk.field) json["parity"].push_back(quirk.name);
  }
}

// " 50 %", " 2:4", " 3-bit g64", then what differs from the defaults: " sym", " alpha 0.3".
template <class Config>
std::string in_words(const Config& config, std::span<const Setting<Config>> list) {
  std::ostringstream text;
  if constexpr (requires { config.pattern, config.sparsity; }) {
    if (config.pattern) {
      text << ' ' << to_string(*config.pattern);
    } else if (prunes(config)) {
      text << ' ' << config.sparsity * 100 << " %";
    }
  }
  if constexpr (requires { config.bits; }) text << ' ' << config.bits << "-bit";
  if constexpr (requires { config.bits_by_tensor; }) {
    if (!config.bits_by_tensor.empty()) text << " mixed";
  }
  if constexpr (requires { config.group_size; }) {
    if (config.group_size > 0) text << " g" << config.group_size;
  }
  constexpr std::array<std::string_view, 4> kSaid{"sparsity", "pattern", "bits", "group_size"};
  const Config defaults;
  for (const auto& setting : list) {
    const Json value = value_of(setting, config);
    if (std::ranges::find(kSaid, setting.key) != kSaid.end() ||
        value == value_of(setting, defaults)) {
      continue;
    }
    if (value.is_boolean()) {
      text << (value.template get<bool>() ? " " : " no ") << setting.key;
    } else if (setting.key == "mask") {
      text << " mask " << value.template get<std::string>();
    } else if (value.is_string()) {
      text << ' ' << value.template get<std::string>();
    } else {
      text << ' ' << setting.key << ' ' << value.dump();
    }
  }
  return text.str();
}

}  // namespace settings
}  // namespace assay
