#include "chat/json_text.h"

#include <algorithm>

#include "chat/python_text.h"

namespace assay::jinja {
namespace {

class Writer {
 public:
  Writer(Budget& budget, const JsonStyle& style) : budget_(budget), style_(style), out_(budget) {}
  std::string take() { return out_.take(); }

  void write(const Value& value) {
    if (const auto* text = value.text()) return write_text(*text);
    if (const auto scalar = scalar_text(value)) {
      out_.add(*scalar);
    } else if (const auto* dict = value.dict()) {
      write_dict(*dict);
    } else {
      const auto* sequence = value.sequence();
      if (sequence == nullptr ||
          (sequence->kind != SequenceKind::kList && sequence->kind != SequenceKind::kTuple)) {
        fault("Object of type ", type_name(value), " is not JSON serializable");
      }
      write_list(*sequence);
    }
  }

 private:
  static std::optional<std::string> scalar_text(const Value& value) {
    if (value.is_none()) return "null";
    if (const auto* flag = value.as<bool>()) return *flag ? "true" : "false";
    if (const auto* whole = value.as<int64_t>()) return std::to_string(*whole);
    if (const auto* number = value.as<double>()) return float_text(*number);
    return std::nullopt;
  }

  std::string key_text(const Value& key) const {
    if (const auto* text = key.text()) return *text;
    if (const auto scalar = scalar_text(key)) return *scalar;
    fault("keys must be str, int, float, bool or None, not ", type_name(key));
  }

  void write_list(const Sequence& list) {
    if (list.elements.empty()) return void(out_.add("[]"));
    open("[");
    for (size_t i = 0; i < list.elements.size(); ++i) {
      begin_element(i);
      write(list.elements[i]);
    }
    close("]");
  }

  void write_dict(const Dict& dict) {
    if (dict.members.empty()) return void(out_.add("{}"));
    std::vector<const std::pair<Value, Value>*> members;
    for (const auto& member : dict.members) members.push_back(&member);
    if (style_.sort_keys) {
      std::ranges::stable_sort(members, [&](const auto* a, const auto* b) {
        return order(budget_, a->first, b->first, "<") < 0;
      });
    }
    open("{");
    for (size_t i = 0; i < members.size(); ++i) {
      begin_element(i);
      write_text(key_text(members[i]->first));
      out_.add(style_.key_separator);
      write(members[i]->second);
    }
    close("}");
  }

  void open(std::string_view bracket) {
    out_.add(bracket);
    ++level_;
  }
  void close(std::string_view bracket) {
    --level_;
    new_line();
    out_.add(bracket);
  }
  void begin_element(size_t index) {
    if (index > 0) out_.add(style_.item_separator);
    new_line();
  }
  void new_line() {
    if (!style_.indent) return;
    out_.add("\n");
    for (int i = 0; i < level_; ++i) out_.add(*style_.indent);
  }

  void write_text(std::string_view text) {
    out_.add("\"");
    for (const std::string_view c : code_points(text)) {
      if (const auto* escape = short_escape(c[0])) {
        out_.add(escape);
      } else if (static_cast<unsigned char>(c[0]) < 0x20) {
        write_unit(static_cast<unsigned char>(c[0]));
      } else if (style_.ensure_ascii && c.size() > 1) {
        write_units(c);
      } else {
        out_.add(c);
      }
    }
    out_.add("\"");
  }

  static const char* short_escape(char c) {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        return nullptr;
    }
  }

  // The UTF-16 units of one code point.
  void write_units(std::string_view c) {
    uint32_t value = static_cast<unsigned char>(c[0]) & (0x7Fu >> c.size());
    for (const char next : c.substr(1))
      value = value << 6 | (static_cast<unsigned char>(next) & 0x3Fu);
    if (value < 0x10000) return write_unit(value);
    write_unit(0xD800 + ((value - 0x10000) >> 10));
    write_unit(0xDC00 + ((value - 0x10000) & 0x3FF));
  }
  void write_unit(uint32_t unit) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out_.add("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out_.add(1, kHex[unit >> shift & 0xF]);
  }

  Budget& budget_;
  const JsonStyle& style_;
  TextBuilder out_;
  int level_ = 0;
};

}  // namespace

std::string json_text(Budget& budget, const Value& value, const JsonStyle& style) {
  Writer writer(budget, style);
  writer.write(value);
  return writer.take();
}

}  // namespace assay::jinja
