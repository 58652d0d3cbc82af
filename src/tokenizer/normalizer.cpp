#include "tokenizer/normalizer.h"

#include <array>

#include "base/error.h"
#include "tokenizer/base64.h"
#include "tokenizer/character_classes.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

constexpr std::array kTypes{"Sequence"sv,   "NFC"sv,       "NFD"sv,          "NFKC"sv,
                            "NFKD"sv,       "Replace"sv,   "Prepend"sv,      "Strip"sv,
                            "Nmt"sv,        "Lowercase"sv, "StripAccents"sv, "BertNormalizer"sv,
                            "Precompiled"sv};

void lower_case(char32_t c, std::string& text) { append_lower_case(text, c); }

void strip_accent(char32_t c, std::string& text) {
  if (!is_accent(c)) append_utf8(text, c);
}

void strip_bert_accent(char32_t c, std::string& text) {
  if (!is_bert_accent(c)) append_utf8(text, c);
}

void clean(char32_t c, std::string& text) {
  if (c == 0 || c == 0xFFFD || is_bert_control(c)) return;
  append_utf8(text, is_white_space(c) ? U' ' : c);
}

void space_ideograph(char32_t c, std::string& text) {
  const bool apart = is_bert_ideograph(c);
  if (apart) text += ' ';
  append_utf8(text, c);
  if (apart) text += ' ';
}

// Source: the `tokenizers` library's Nmt, from SentencePiece's nmt rules.
void nmt(char32_t c, std::string& text) {
  const bool gone = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                    c == 0x8F || c == 0x9F;
  if (gone) return;
  const bool space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
  append_utf8(text, space ? U' ' : c);
}

void apply(UnicodeForm form, AlignedText& text) { normalize_form(text, form); }
void apply(const ReplaceStep& step, AlignedText& text) { replace_all(text, step); }
void apply(const Charsmap& map, AlignedText& text) { map.apply(text); }

void apply(const PrependStep& step, AlignedText& text) {
  if (text.text().empty()) return;
  TextEdit edit(text);
  edit.insert(step.prefix);
  edit.finish();
}

void apply(const StripStep& step, AlignedText& aligned) {
  const std::string_view text = aligned.text();
  size_t begin = 0, end = 0;  // of what stays
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!is_white_space(c.value)) end = at + c.size;
    at += c.size;
    if (end == 0) begin = at;
  }
  TextEdit edit(aligned);
  if (step.left) edit.replace_until(begin, "");
  if (step.right && end > 0) {
    edit.keep_until(end);
    edit.replace_until(text.size(), "");
  } else if (step.right) {
    edit.replace_until(text.size(), "");
  }
  edit.finish();
}

void apply(CharacterMap map, AlignedText& aligned) {
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  std::string form;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.size;
    form.clear();
    map(c.value, form);
    edit.replace_until(at, form);
  }
  edit.finish();
}

void parse_bert(const Json& json, const std::string& where, Normalizer& steps) {
  const bool lower = bool_field_or(json, "lowercase", true, where);
  if (bool_field_or(json, "clean_text", true, where)) steps.emplace_back(CharacterMap{clean});
  if (bool_field_or(json, "handle_chinese_chars", true, where))
    steps.emplace_back(CharacterMap{space_ideograph});
  if (bool_field_or(json, "strip_accents", lower, where)) {
    steps.emplace_back(UnicodeForm::kNfd);
    steps.emplace_back(CharacterMap{strip_bert_accent});
  }
  if (lower) steps.emplace_back(CharacterMap{lower_case});
}

void parse_step(const Json& json, const std::string& where, Normalizer& steps) {
  const std::string type = string_field(json, "type", where);
  if (type == "Sequence") {
    const Json& list = field(json, "normalizers", where);
    require_intact(list.is_array(), where, ".normalizers: expected an array");
    for (size_t i = 0; i < list.size(); ++i)
      parse_step(list[i], where + ".normalizers[" + std::to_string(i) + "]", steps);
  } else if (type == "NFC") {
    steps.emplace_back(UnicodeForm::kNfc);
  } else if (type == "NFD") {
    steps.emplace_back(UnicodeForm::kNfd);
  } else if (type == "NFKC") {
    steps.emplace_back(UnicodeForm::kNfkc);
  } else if (type == "NFKD") {
    steps.emplace_back(UnicodeForm::kNfkd);
  } else if (type == "Replace") {
    steps.emplace_back(parse_replace(json, where));
  } else if (type == "Prepend") {
    steps.emplace_back(PrependStep{string_field(json, "prepend", where)});
  } else if (type == "Strip") {
    steps.emplace_back(
        StripStep{bool_field(json, "strip_left", where), bool_field(json, "strip_right", where)});
  } else if (type == "Nmt") {
    steps.emplace_back(CharacterMap{nmt});
  } else if (type == "Lowercase") {
    steps.emplace_back(CharacterMap{lower_case});
  } else if (type == "StripAccents") {
    steps.emplace_back(CharacterMap{strip_accent});
  } else if (type == "BertNormalizer") {
    parse_bert(json, where, steps);
  } else if (type == "Precompiled") {
    in_context(where, [&] {
      steps.emplace_back(Charsmap(from_base64(string_field(json, "precompiled_charsmap", where))));
    });
  } else {
    fail(ErrorKind::kCorruptFile, where, ": the type '", type, "' is not supported",
         suggest(type, kTypes));
  }
}

}  // namespace

ReplaceStep parse_replace(const Json& json, const std::string& where) {
  const Json& pattern = field(json, "pattern", where);
  require_intact(pattern.is_object() && pattern.size() == 1 &&
                     (pattern.contains("Regex") || pattern.contains("String")),
                 where, ".pattern: expected {\"Regex\": …} or {\"String\": …}");
  ReplaceStep step;
  step.content = string_field(json, "content", where);
  if (pattern.contains("String")) {
    step.literal = string_field(pattern, "String", where + ".pattern");
  } else {
    const auto text = string_field(pattern, "Regex", where + ".pattern");
    in_context(where, [&] { step.regex.emplace(text); });
  }
  return step;
}

void replace_all(AlignedText& aligned, const ReplaceStep& step) {
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  if (step.regex) {
    std::vector<RegexMatch> matches;
    step.regex->find_all(text, matches);
    for (const auto& [begin, end] : matches) {
      edit.keep_until(begin);
      edit.replace_until(end, step.content);
    }
  } else if (!step.literal.empty()) {
    for (size_t at = text.find(step.literal); at != std::string_view::npos;
         at = text.find(step.literal, at + step.literal.size())) {
      edit.keep_until(at);
      edit.replace_until(at + step.literal.size(), step.content);
    }
  }
  edit.finish();
}

Normalizer parse_normalizer(const Json& json) {
  Normalizer steps;
  if (!json.is_null()) parse_step(json, "normalizer", steps);
  return steps;
}

void normalize(AlignedText& text, const Normalizer& normalizer) {
  for (const NormalizerStep& step : normalizer)
    std::visit([&](const auto& s) { apply(s, text); }, step);
}

}  // namespace assay
