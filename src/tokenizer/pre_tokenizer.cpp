#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/character_classes.h"
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

void parts_of_characters(bool (*matches)(char32_t), std::string_view text,
                         std::vector<Part>& parts) {
  parts.clear();
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (matches(c.value)) {
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

void split(const CharacterStep& step, std::string_view text, const Word& piece, Scratch& scratch,
           std::vector<Word>& words) {
  parts_of_characters(step.matches, text, scratch.parts);
  join(scratch.parts, step.behavior);
  append(words, piece, scratch.parts);
}

void split(const WhitespaceStep&, std::string_view text, const Word& piece, Scratch&,
           std::vector<Word>& words) {
  enum Kind { kSpace, kOfWord, kOther } kind = kSpace;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const Kind next = is_white_space(c.value)      ? kSpace
                      : is_word_character(c.value) ? kOfWord
                                                   : kOther;
    const size_t begin = piece.begin + at;
    at += c.size;
    if (next != kSpace && next == kind) {
      words.back().end += c.size;
    } else if (next != kSpace) {
      words.push_back({begin, begin + c.size, false});
    }
    kind = next;
  }
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

// The words where the text is split at each replacement, which starts the word behind it.
void split(const MetaspaceStep& step, std::string_view text, const Word& piece, Scratch& scratch,
           std::vector<Word>& words) {
  scratch.matches.clear();
  for (size_t at = text.find(step.replacement); at != std::string_view::npos;
       at = text.find(step.replacement, at + step.replacement.size())) {
    scratch.matches.push_back({at, at + step.replacement.size()});
  }
  parts_of(scratch.matches, text.size(), scratch.parts);
  join(scratch.parts, SplitBehavior::kMergedWithNext);
  append(words, piece, scratch.parts);
}

// Steps that change the text before they split it; `words` are moved along.
void rewrite(const auto&, AlignedText&, std::vector<Word>&, StartOfText) {}

void rewrite(const MetaspaceStep& step, AlignedText& aligned, std::vector<Word>& words,
             StartOfText start) {
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  for (Word& word : words) {
    edit.keep_until(word.begin);
    const size_t begin = edit.size();
    const std::string_view piece = text.substr(word.begin, word.end - word.begin);
    const bool has_one = piece.starts_with(step.replacement) || piece.starts_with(' ');
    const bool wanted = step.scheme == PrependScheme::kAlways ||
                        (step.scheme == PrependScheme::kFirst && start == StartOfText::kYes &&
                         aligned.original_begin(word.begin) == 0);
    if (wanted && !has_one) edit.insert(step.replacement);
    for (size_t at = piece.find(' '); at != std::string_view::npos; at = piece.find(' ', at + 1)) {
      edit.keep_until(word.begin + at);
      edit.replace_until(word.begin + at + 1, step.replacement);
    }
    edit.keep_until(word.end);
    word = {begin, edit.size(), false};
  }
  edit.finish();
}

// The symbols of the bytes of words, and of the spaces in front of them.
void write_symbols(AlignedText& aligned, std::vector<Word>& words) {
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  for (Word& word : words) {
    edit.keep_until(word.begin);
    const size_t begin = edit.size();
    if (word.leading_space) edit.insert(byte_symbol(' '));
    for (size_t at = word.begin; at < word.end; ++at)
      edit.replace_until(at + 1, byte_symbol(static_cast<uint8_t>(text[at])));
    word = {begin, edit.size(), false};
  }
  edit.finish();
}

bool splits(const auto&) { return true; }
bool splits(const MetaspaceStep& step) { return step.split; }

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

bool is_byte_level(const std::vector<PreTokenizerStep>& steps) {
  const auto* last = steps.empty() ? nullptr : std::get_if<ByteLevelStep>(&steps.back());
  return last != nullptr && !last->writes_symbols;
}

std::vector<Word> pre_tokenize(AlignedText& text, const std::vector<PreTokenizerStep>& steps,
                               StartOfText start) {
  if (text.text().empty()) return {};
  std::vector<Word> words{{0, text.text().size(), false}}, pieces;
  Scratch scratch;
  for (const auto& step : steps) {
    std::visit(
        [&](const auto& s) {
          rewrite(s, text, words, start);
          if (!splits(s)) return;
          std::swap(words, pieces);
          words.clear();
          for (const Word& piece : pieces) {
            const auto part = text.text().substr(piece.begin, piece.end - piece.begin);
            split(s, part, piece, scratch, words);
          }
        },
        step);
    const auto* byte_level = std::get_if<ByteLevelStep>(&step);
    if (byte_level != nullptr && byte_level->writes_symbols) write_symbols(text, words);
  }
  return words;
}

}  // namespace assay
