#include "tokenizer/post_processor.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Kind = TemplatePiece::Kind;
using Template = std::vector<TemplatePiece>;

constexpr std::array kTypes{"TemplateProcessing"sv, "ByteLevel"sv, "Sequence"sv, "BertProcessing"sv,
                            "RobertaProcessing"sv};

int32_t type_id_of(const Json& piece, const std::string& where) {
  const Json& type_id = field_or_null(piece, "type_id");
  return type_id.is_null() ? 0 : id_of(type_id, where + ".type_id");
}

void append_piece(const Json& piece, const Json& special_tokens, const std::string& where,
                  Template& result) {
  if (piece.is_object() && piece.contains("Sequence")) {
    const Json& sequence = piece["Sequence"];
    const std::string id = string_field(sequence, "id", where + ".Sequence");
    require_intact(id == "A" || id == "B", where, ".Sequence.id: '", id, "' is not A or B");
    result.push_back(
        {id == "A" ? Kind::kFirstText : Kind::kSecondText, 0, type_id_of(sequence, where)});
    return;
  }
  const Json& token = field(piece, "SpecialToken", where);
  const std::string name = string_field(token, "id", where + ".SpecialToken");
  const std::string entry = "post_processor.special_tokens['" + name + "']";
  const Json& ids =
      field(field(special_tokens, name, "post_processor.special_tokens"), "ids", entry);
  require_intact(ids.is_array(), entry, ".ids: expected an array");
  for (const Json& id : ids)
    result.push_back({Kind::kToken, id_of(id, entry + ".ids"), type_id_of(token, where)});
}

Template parse_template(const Json& processor, const std::string& key) {
  const std::string where = "post_processor." + key;
  const Json& list = field(processor, key, "post_processor");
  require_intact(list.is_array(), where, ": expected an array");
  Template result;
  for (const Json& piece : list)
    append_piece(piece, field_or_null(processor, "special_tokens"), where, result);
  const auto texts = std::ranges::count(result, Kind::kFirstText, &TemplatePiece::kind);
  require_intact(texts == 1, where, ": the text is there ", texts, " times");
  return result;
}

PostProcessor parse_templates(const Json& json) {
  PostProcessor result;
  result.single = parse_template(json, "single");
  result.pair = result.single;
  result.pair.push_back({Kind::kSecondText, 0, 1});
  if (json.contains("pair")) result.pair = parse_template(json, "pair");
  return result;
}

int32_t named_id(const Json& json, const std::string& key) {
  const std::string where = "post_processor." + key;
  const Json& pair = field(json, key, "post_processor");
  require_intact(pair.is_array() && pair.size() == 2, where, ": expected [token, id]");
  return id_of(pair[1], where);
}

PostProcessor bert(int32_t cls, int32_t sep) {
  return {{{Kind::kToken, cls, 0}, {Kind::kFirstText, 0, 0}, {Kind::kToken, sep, 0}},
          {{Kind::kToken, cls, 0},
           {Kind::kFirstText, 0, 0},
           {Kind::kToken, sep, 0},
           {Kind::kSecondText, 0, 1},
           {Kind::kToken, sep, 1}}};
}

PostProcessor roberta(int32_t cls, int32_t sep) {
  return {{{Kind::kToken, cls, 0}, {Kind::kFirstText, 0, 0}, {Kind::kToken, sep, 0}},
          {{Kind::kToken, cls, 0},
           {Kind::kFirstText, 0, 0},
           {Kind::kToken, sep, 0},
           {Kind::kToken, sep, 0},
           {Kind::kSecondText, 0, 0},
           {Kind::kToken, sep, 0}}};
}

// `outer` with `inner` around its texts.
Template nested(const Template& outer, const Template& inner) {
  Template result;
  for (const TemplatePiece& piece : outer) {
    if (piece.kind == Kind::kToken) {
      result.push_back(piece);
      continue;
    }
    for (TemplatePiece part : inner) {
      if (part.kind != Kind::kToken) part.kind = piece.kind;
      part.type_id = piece.type_id;
      result.push_back(part);
    }
  }
  return result;
}

}  // namespace

std::vector<int32_t> PostProcessor::before() const {
  std::vector<int32_t> ids;
  for (const TemplatePiece& piece : single) {
    if (piece.kind != Kind::kToken) break;
    ids.push_back(piece.id);
  }
  return ids;
}

std::vector<int32_t> PostProcessor::behind() const {
  std::vector<int32_t> ids;
  for (auto piece = single.rbegin(); piece->kind == Kind::kToken; ++piece) ids.push_back(piece->id);
  std::ranges::reverse(ids);
  return ids;
}

PostProcessor parse_post_processor(const Json& json) {
  if (json.is_null()) return {};
  const std::string type = string_field(json, "type", "post_processor");
  if (type == "ByteLevel") return {};  // it trims offsets
  if (type == "TemplateProcessing") return parse_templates(json);
  if (type == "BertProcessing") return bert(named_id(json, "cls"), named_id(json, "sep"));
  if (type == "RobertaProcessing") return roberta(named_id(json, "cls"), named_id(json, "sep"));
  require_intact(type == "Sequence", "post_processor: the type '", type, "' is not supported",
                 suggest(type, kTypes));
  const Json& list = field(json, "processors", "post_processor");
  require_intact(list.is_array(), "post_processor.processors: expected an array");
  PostProcessor all;
  for (const Json& one : list) {
    const PostProcessor outer = parse_post_processor(one);
    all = {nested(outer.single, all.single), nested(outer.pair, all.single)};
  }
  return all;
}

Json bos_eos_template(const std::optional<NamedToken>& bos, const std::optional<NamedToken>& eos) {
  Json tokens = Json::object(), single = Json::array(), pair = Json::array();
  const auto add = [&](const std::optional<NamedToken>& token, Json& list, int type_id) {
    if (!token) return;
    list.push_back(Json{{"SpecialToken", {{"id", token->content}, {"type_id", type_id}}}});
    tokens[token->content] = {{"id", token->content},
                              {"ids", Json::array({token->id})},
                              {"tokens", Json::array({token->content})}};
  };
  for (const int type_id : {0, 1}) {
    add(bos, pair, type_id);
    pair.push_back(Json{{"Sequence", {{"id", type_id == 0 ? "A" : "B"}, {"type_id", type_id}}}});
    add(eos, pair, type_id);
    if (type_id == 0) single = pair;
  }
  return Json{{"type", "TemplateProcessing"},
              {"single", std::move(single)},
              {"pair", std::move(pair)},
              {"special_tokens", std::move(tokens)}};
}

Json bert_template(const NamedToken& cls, const NamedToken& sep) {
  Json json = bos_eos_template(cls, sep);
  Json& pair = json["pair"];
  pair.erase(pair.begin() + 3);  // [CLS] A [SEP] [CLS] B [SEP]
  return json;
}

}  // namespace assay
