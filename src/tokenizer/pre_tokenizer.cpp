#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <string>

#include "tokenizer/byte_symbols.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

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

}  // namespace

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
