#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

// Source: GPT-2's encoder.py.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Part {
  size_t begin, end;
  bool match;
};

// Matches and what lies between them; together they are the whole text.
void parts_of(const std::vector<RegexMatch>& matches, size_t size, std::vector<Part>& parts) {
  parts.clear();
  size_t at = 0;
  for (const auto& [begin, end] : matches) {
    if (begin > at) parts.push_back({at, begin, false});
    parts.push_back({begin, end, true});
    at = end;
  }
  if (at < size) parts.push_back({at, size, false});
}

void parts_of_digits(std::string_view text, std::vector<Part>& parts) {
  parts.clear();
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (is_numeric(c.value)) {
      if (begin < at) parts.push_back({begin, at, false});
      parts.push_back({at, at + c.size, true});
      begin = at + c.size;
    }
    at += c.size;
  }
  if (begin < text.size()) parts.push_back({begin, text.size(), false});
}

// Joins parts as the behavior says; a part of the result is a word whatever its `match`.
void join(std::vector<Part>& parts, SplitBehavior behavior) {
  std::vector<Part> words;
  bool previous_match = false;
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.match; });
      return;
    case SplitBehavior::kContiguous:
      for (const Part& part : parts) {
        if (part.match == previous_match && !words.empty()) {
          words.back().end = part.end;
        } else {
          words.push_back(part);
        }
        previous_match = part.match;
      }
      break;
    case SplitBehavior::kMergedWithPrevious:
      for (const Part& part : parts) {
        if (part.match && !previous_match && !words.empty()) {
          words.back().end = part.end;
        } else {
          words.push_back(part);
        }
        previous_match = part.match;
      }
      break;
    case SplitBehavior::kMergedWithNext:
      for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->match && !previous_match && !words.empty()) {
          words.back().begin = part->begin;
        } else {
          words.push_back(*part);
        }
        previous_match = part->match;
      }
      std::ranges::reverse(words);
      break;
  }
  parts = std::move(words);
}

// Scratch space, so that a step allocates once for all pieces.
struct Scratch {
  std::vector<RegexMatch> matches;
  std::vector<Part> parts;
  std::string spaced;
};

void append(std::vector<Word>& words, const Word& piece, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (part.begin < part.end)
      words.push_back({piece.begin + part.begin, piece.begin + part.end, false});
  }
}

void split(const SplitStep& step, std::string_view text, const Word& piece, Scratch& scratch,
           std::vector<Word>& words) {
  step.regex.find_all(text, scratch.matches);
  parts_of(scratch.matches, text.size(), scratch.parts);
  if (step.invert) {
    for (Part& part : scratch.parts) part.match = !part.match;
  }
  join(scratch.parts, step.behavior);
  append(words, piece, scratch.parts);
}

void split(const DigitsStep& step, std::string_view text, const Word& piece, Scratch& scratch,
           std::vector<Word>& words) {
  parts_of_digits(text, scratch.parts);
  join(scratch.parts, step.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  append(words, piece, scratch.parts);
}

void split(const ByteLevelStep& step, std::string_view text, const Word& piece, Scratch& scratch,
           std::vector<Word>& words) {
  const bool space = step.add_prefix_space && !text.starts_with(' ');
  if (!step.regex) {
    words.push_back({piece.begin, piece.end, space});
    return;
  }
  if (space) {
    scratch.spaced.assign(1, ' ').append(text);
    text = scratch.spaced;
  }
  step.regex->find_all(text, scratch.matches);
  parts_of(scratch.matches, text.size(), scratch.parts);
  if (!space) return append(words, piece, scratch.parts);
  for (const Part& part : scratch.parts) {  // offsets of the text without the space
    if (part.begin == part.end) continue;
    const bool first = part.begin == 0;
    words.push_back(
        {piece.begin + (first ? 0 : part.begin - 1), piece.begin + part.end - 1, first});
  }
}

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

void parse_step(const Json& json, const std::string& where, std::vector<PreTokenizerStep>& steps) {
  const std::string type = string_field(json, "type", where);
  if (type == "Sequence") {
    const Json& list = field(json, "pretokenizers", where);
    require_intact(list.is_array(), where, ".pretokenizers: expected an array");
    for (size_t i = 0; i < list.size(); ++i) {
      parse_step(list[i], where + ".pretokenizers[" + std::to_string(i) + "]", steps);
    }
    return;
  }
  require_intact(steps.empty() || !std::holds_alternative<ByteLevelStep>(steps.back()), where,
                 ": '", type, "' behind ByteLevel is not supported");
  if (type == "Split") {
    steps.emplace_back(parse_split(json, where));
  } else if (type == "Digits") {
    steps.emplace_back(DigitsStep{bool_field(json, "individual_digits", where)});
  } else if (type == "ByteLevel") {
    ByteLevelStep step{bool_field(json, "add_prefix_space", where), std::nullopt};
    if (bool_field_or(json, "use_regex", true, where)) step.regex.emplace(kGpt2Pattern);
    steps.emplace_back(std::move(step));
  } else {
    fail(ErrorKind::kCorruptFile, where, ": the type '", type,
         "' is not supported (known: Sequence, Split, Digits, ByteLevel)");
  }
}

}  // namespace

std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json) {
  require_intact(!json.is_null(), "pre_tokenizer: null; only byte-level BPE is supported so far");
  std::vector<PreTokenizerStep> steps;
  parse_step(json, "pre_tokenizer", steps);
  require_intact(!steps.empty() && std::holds_alternative<ByteLevelStep>(steps.back()),
                 "pre_tokenizer: no ByteLevel step; only byte-level BPE is supported so far");
  return steps;
}

std::vector<Word> pre_tokenize(std::string_view text, const std::vector<PreTokenizerStep>& steps) {
  if (text.empty()) return {};
  std::vector<Word> words{{0, text.size(), false}}, pieces;
  Scratch scratch;
  for (const auto& step : steps) {
    std::swap(words, pieces);
    words.clear();
    for (const Word& piece : pieces) {
      const auto part = text.substr(piece.begin, piece.end - piece.begin);
      std::visit([&](const auto& s) { split(s, part, piece, scratch, words); }, step);
    }
  }
  return words;
}

}  // namespace assay
