// The field `pre_tokenizer` of tokenizer.json (declared in tokenizer/pre_tokenizer.h).

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "tokenizer/character_classes.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/pre_tokenizer.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

// Source: GPT-2's encoder.py.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

SplitBehavior parse_behavior(const std::string& name, const std::string& where) {
  constexpr std::array kNames{"Isolated"sv, "Removed"sv, "MergedWithPrevious"sv, "MergedWithNext"sv,
                              "Contiguous"sv};
  const auto found = std::ranges::find(kNames, name);
  require_intact(found != kNames.end(), where, ".behavior: unknown '", name, "'",
                 suggest(name, kNames));
  return static_cast<SplitBehavior>(found - kNames.begin());
}

std::string escaped(std::string_view literal) {
  std::string pattern;
  for (const char c : literal) {
    if (static_cast<signed char>(c) > 0 && std::ispunct(c)) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

SplitStep parse_split(const Json& json, const std::string& where) {
  const Json& pattern = field(json, "pattern", where);
  require_intact(pattern.is_object() && pattern.size() == 1 &&
                     (pattern.contains("Regex") || pattern.contains("String")),
                 where, ".pattern: expected {\"Regex\": …} or {\"String\": …}");
  const bool literal = pattern.contains("String");
  const auto text = string_field(pattern, literal ? "String" : "Regex", where + ".pattern");
  const auto behavior = parse_behavior(string_field(json, "behavior", where), where);
  return {in_context(where, [&] { return Regex(literal ? escaped(text) : text); }), behavior,
          bool_field(json, "invert", where)};
}

MetaspaceStep parse_metaspace(const Json& json, const std::string& where) {
  MetaspaceStep step;
  step.replacement = string_field_or(json, "replacement", step.replacement, where);
  require_intact(!step.replacement.empty() && to_valid_utf8(step.replacement) == step.replacement &&
                     code_point_at(step.replacement, 0).size == step.replacement.size(),
                 where, ".replacement: '", step.replacement, "' is not one character");
  step.split = bool_field_or(json, "split", true, where);
  step.scheme = parse_prepend_scheme(json, where);
  return step;
}

ByteLevelStep parse_byte_level(const Json& json, const std::string& where) {
  ByteLevelStep step;
  step.add_prefix_space = bool_field(json, "add_prefix_space", where);
  if (bool_field_or(json, "use_regex", true, where)) step.regex.emplace(kGpt2Pattern);
  return step;
}

constexpr std::array kTypes{"Sequence"sv,    "Split"sv,           "Digits"sv,
                            "ByteLevel"sv,   "Metaspace"sv,       "Whitespace"sv,
                            "Punctuation"sv, "WhitespaceSplit"sv, "BertPreTokenizer"sv};

void parse_step(const Json& json, const std::string& where, std::vector<PreTokenizerStep>& steps) {
  const std::string type = string_field(json, "type", where);
  if (type == "Sequence") {
    const Json& list = field(json, "pretokenizers", where);
    require_intact(list.is_array(), where, ".pretokenizers: expected an array");
    for (size_t i = 0; i < list.size(); ++i) {
      parse_step(list[i], where + ".pretokenizers[" + std::to_string(i) + "]", steps);
    }
  } else if (type == "Split") {
    steps.emplace_back(parse_split(json, where));
  } else if (type == "Digits") {
    const bool individual = bool_field(json, "individual_digits", where);
    steps.emplace_back(CharacterStep{
        is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous});
  } else if (type == "ByteLevel") {
    steps.emplace_back(parse_byte_level(json, where));
  } else if (type == "Metaspace") {
    steps.emplace_back(parse_metaspace(json, where));
  } else if (type == "Whitespace") {
    steps.emplace_back(WhitespaceStep{});
  } else if (type == "WhitespaceSplit" || type == "BertPreTokenizer") {
    steps.emplace_back(CharacterStep{is_white_space, SplitBehavior::kRemoved});
    if (type == "BertPreTokenizer")
      steps.emplace_back(CharacterStep{is_punctuation, SplitBehavior::kIsolated});
  } else if (type == "Punctuation") {
    const auto behavior = string_field_or(json, "behavior", "Isolated", where);
    steps.emplace_back(CharacterStep{is_punctuation, parse_behavior(behavior, where)});
  } else {
    fail(ErrorKind::kCorruptFile, where, ": the type '", type, "' is not supported",
         suggest(type, kTypes));
  }
}

}  // namespace

PrependScheme parse_prepend_scheme(const Json& json, const std::string& where) {
  constexpr std::array kNames{"always"sv, "first"sv, "never"sv};
  const bool prefix = bool_field_or(json, "add_prefix_space", true, where);
  const auto name = string_field_or(json, "prepend_scheme", prefix ? "always" : "never", where);
  const auto found = std::ranges::find(kNames, name);
  require_intact(found != kNames.end(), where, ".prepend_scheme: unknown '", name, "'",
                 suggest(name, kNames));
  return static_cast<PrependScheme>(found - kNames.begin());
}

std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json, LastByteLevel last) {
  std::vector<PreTokenizerStep> steps;
  if (!json.is_null()) parse_step(json, "pre_tokenizer", steps);
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool spells = i + 1 == steps.size() && last == LastByteLevel::kSpellsBytes;
    if (auto* byte_level = std::get_if<ByteLevelStep>(&steps[i]))
      byte_level->writes_symbols = !spells;
  }
  return steps;
}

}  // namespace assay
