#include "report/html.h"

#include "report/text.h"

namespace assay::report {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : clean_text(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

// `value` with every string and every key cleaned.
Json clean_json(const Json& value) {
  if (value.is_string()) return clean_text(value.get_ref<const std::string&>());
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& entry : value) out.push_back(clean_json(entry));
    return out;
  }
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [key, entry] : value.items()) out[clean_text(key)] = clean_json(entry);
    return out;
  }
  return value;
}

}  // namespace

std::string script_json(const Json& value) {
  const std::string json = clean_json(value).dump();
  std::string out;
  out.reserve(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string_view rest = std::string_view(json).substr(i);
    if (json[i] == '<') {
      out += "\\u003c";
    } else if (json[i] == '>') {
      out += "\\u003e";
    } else if (json[i] == '&') {
      out += "\\u0026";
    } else if (rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9")) {
      out += json[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += json[i];
    }
  }
  return out;
}

Html& Html::operator<<(Literal markup) { return embed(markup.text); }

Html& Html::operator<<(const Html& other) { return embed(other.out_); }

Html& Html::embed(std::string_view trusted) {
  out_ += trusted;
  return *this;
}

Html& Html::escaped(std::string_view text) { return embed(escape_html(text)); }

}  // namespace assay::report
