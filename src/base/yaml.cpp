#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"

namespace assay {
namespace {

constexpr int kMaxDepth = 64;
constexpr int64_t kMaxNodes = 100'000;

template <class T>
bool parses_as(const std::string& text, T& value) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(begin, end, value);
  return status == std::errc() && stop == end && begin != end;
}

bool is_utf8(std::string_view text) { return !first_invalid_utf8(text); }

// A plain scalar by YAML's core schema; the tag "!" marks a quoted one.
Json scalar_value(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  if (text.empty() || text == "~" || text == "null") return nullptr;
  if (text == "true") return true;
  if (text == "false") return false;
  if (int64_t integer = 0; parses_as(text, integer)) return integer;
  const bool numeric = text.find_first_not_of("+-.0123456789eE") == std::string::npos;
  if (double real = 0; numeric && parses_as(text, real) && std::isfinite(real)) return real;
  return text;
}

class Converter {
 public:
  explicit Converter(std::string_view where) : where_(where) {}

  Json convert(const YAML::Node& node, int depth) {
    check(node, depth < kMaxDepth, "nested too deeply");
    check(node, ++num_nodes_ <= kMaxNodes, "too many values");
    if (!node.IsDefined() || node.IsNull()) return nullptr;
    if (node.IsScalar()) {
      check(node, is_utf8(node.Scalar()), "text that is not UTF-8");
      return scalar_value(node);
    }
    if (node.IsSequence()) {
      Json array = Json::array();
      for (const auto& item : node) array.push_back(convert(item, depth + 1));
      return array;
    }
    Json object = Json::object();
    for (const auto& entry : node) {
      check(entry.first, entry.first.IsScalar(), "a key must be a plain word");
      const std::string& key = entry.first.Scalar();
      check(entry.first, is_utf8(key), "a key that is not UTF-8");
      check(entry.first, !object.contains(key), "duplicate key '" + key + "'");
      object[key] = convert(entry.second, depth + 1);
    }
    return object;
  }

 private:
  void check(const YAML::Node& node, bool ok, const std::string& what) const {
    require(ok, where_, ":", node.Mark().line + 1, ": ", what);
  }

  std::string_view where_;
  int64_t num_nodes_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, std::string_view where) {
  try {
    return Converter(where).convert(YAML::Load(std::string(text)), 0);
  } catch (const YAML::Exception& e) {
    fail(ErrorKind::kBadInput, where, ":", e.mark.line + 1, ": ", e.msg);
  }
}

}  // namespace assay
