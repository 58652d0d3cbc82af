#include "tokenizer/decoder.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Tokens = std::vector<std::string>;

constexpr std::array kTypes{"Sequence"sv, "ByteLevel"sv, "ByteFallback"sv, "Fuse"sv,
                            "Strip"sv,    "Metaspace"sv, "WordPiece"sv,    "Replace"sv};

void replace_in(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

void apply(const ByteLevelDecoder&, Tokens& tokens, StartOfText) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += bytes_of_symbols(token).value_or(token);
  tokens = {to_valid_utf8(bytes)};
}

void append_bytes(Tokens& tokens, std::string& bytes) {
  if (bytes.empty()) return;
  const bool text = to_valid_utf8(bytes) == bytes;
  if (text) {
    tokens.push_back(bytes);
  } else {
    tokens.insert(tokens.end(), bytes.size(), "\uFFFD");
  }
  bytes.clear();
}

void apply(const ByteFallbackDecoder&, Tokens& tokens, StartOfText) {
  Tokens joined;
  std::string bytes;
  for (std::string& token : tokens) {
    if (const auto byte = byte_of_token(token)) {
      bytes += static_cast<char>(*byte);
      continue;
    }
    append_bytes(joined, bytes);
    joined.push_back(std::move(token));
  }
  append_bytes(joined, bytes);
  tokens = std::move(joined);
}

void apply(const FuseDecoder&, Tokens& tokens, StartOfText) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens = {std::move(all)};
}

void apply(const StripDecoder& step, Tokens& tokens, StartOfText start) {
  if (start == StartOfText::kNo) return;
  for (std::string& token : tokens) {
    std::string_view rest = token;
    for (size_t i = 0; i < step.start && rest.starts_with(step.content); ++i)
      rest.remove_prefix(step.content.size());
    for (size_t i = 0; i < step.stop && rest.ends_with(step.content); ++i)
      rest.remove_suffix(step.content.size());
    token = std::string(rest);
  }
}

void apply(const MetaspaceDecoder& step, Tokens& tokens, StartOfText start) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool strip = i == 0 && start == StartOfText::kYes && step.strips_first;
    replace_in(tokens[i], step.replacement, strip ? "" : " ");
  }
}

// In the library's order.
void clean_up(std::string& token) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) replace_in(token, from, to);
}

void apply(const WordPieceDecoder& step, Tokens& tokens, StartOfText) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0 && token.starts_with(step.prefix)) {
      token.erase(0, step.prefix.size());
    } else if (i > 0) {
      token.insert(0, 1, ' ');
    }
    if (step.cleanup) clean_up(token);
  }
}

void apply(const ReplaceStep& step, Tokens& tokens, StartOfText) {
  for (std::string& token : tokens) {
    AlignedText text(token);
    replace_all(text, step);
    token = std::string(text.text());
  }
}

size_t count_field(const Json& json, const std::string& key, const std::string& where) {
  return static_cast<size_t>(id_of(field(json, key, where), where + "." + key));
}

void parse_step(const Json& json, const std::string& where, std::vector<DecoderStep>& steps) {
  const std::string type = string_field(json, "type", where);
  if (type == "Sequence") {
    const Json& list = field(json, "decoders", where);
    require_intact(list.is_array(), where, ".decoders: expected an array");
    for (size_t i = 0; i < list.size(); ++i)
      parse_step(list[i], where + ".decoders[" + std::to_string(i) + "]", steps);
  } else if (type == "ByteLevel") {
    steps.emplace_back(ByteLevelDecoder{});
  } else if (type == "ByteFallback") {
    steps.emplace_back(ByteFallbackDecoder{});
  } else if (type == "Fuse") {
    steps.emplace_back(FuseDecoder{});
  } else if (type == "Strip") {
    StripDecoder step{string_field(json, "content", where), count_field(json, "start", where),
                      count_field(json, "stop", where)};
    require_intact(!step.content.empty(), where, ".content: empty");
    steps.emplace_back(std::move(step));
  } else if (type == "Metaspace") {
    MetaspaceDecoder step{string_field_or(json, "replacement", "\u2581", where),
                          parse_prepend_scheme(json, where) != PrependScheme::kNever};
    require_intact(!step.replacement.empty(), where, ".replacement: empty");
    steps.emplace_back(std::move(step));
  } else if (type == "WordPiece") {
    steps.emplace_back(WordPieceDecoder{string_field_or(json, "prefix", "##", where),
                                        bool_field_or(json, "cleanup", true, where)});
  } else if (type == "Replace") {
    steps.emplace_back(parse_replace(json, where));
  } else {
    fail(ErrorKind::kCorruptFile, where, ": the type '", type, "' is not supported",
         suggest(type, kTypes));
  }
}

}  // namespace

Decoder parse_decoder(const Json& json) {
  Decoder decoder;
  if (json.is_null()) {
    decoder.separator = " ";
  } else {
    parse_step(json, "decoder", decoder.steps);
  }
  return decoder;
}

bool is_byte_level(const Decoder& decoder) {
  return decoder.steps.size() == 1 && std::holds_alternative<ByteLevelDecoder>(decoder.steps[0]);
}

std::string decode(const Decoder& decoder, std::vector<std::string> tokens, StartOfText start) {
  for (const DecoderStep& step : decoder.steps)
    std::visit([&](const auto& s) { apply(s, tokens, start); }, step);
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i)
    text.append(i > 0 ? decoder.separator : "").append(tokens[i]);
  return text;
}

}  // namespace assay
