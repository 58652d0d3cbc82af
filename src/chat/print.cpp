// str() and repr() of values (declared in chat/value.h).

#include "chat/python_text.h"
#include "chat/value.h"

namespace assay::jinja {
namespace {

void represent_elements(TextBuilder& out, const Sequence& sequence) {
  for (size_t i = 0; i < sequence.elements.size(); ++i) {
    if (i > 0) out.add(", ");
    represent(out, sequence.elements[i]);
  }
}

void represent_sequence(TextBuilder& out, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      out.add("[");
      represent_elements(out, sequence);
      out.add("]");
      return;
    case SequenceKind::kTuple:
      out.add("(");
      represent_elements(out, sequence);
      out.add(sequence.elements.size() == 1 ? ",)" : ")");
      return;
    case SequenceKind::kKeys:
    case SequenceKind::kValues:
    case SequenceKind::kItems:
      out.add(sequence.kind == SequenceKind::kKeys     ? "dict_keys(["
              : sequence.kind == SequenceKind::kValues ? "dict_values(["
                                                       : "dict_items([");
      represent_elements(out, sequence);
      out.add("])");
      return;
    case SequenceKind::kRange:
    case SequenceKind::kIterator:
      fault("unsupported: text of a ",
            sequence.kind == SequenceKind::kRange ? "range" : "generator", "; make it a list");
  }
}

void represent_dict(TextBuilder& out, const Dict& dict) {
  out.add("{");
  for (size_t i = 0; i < dict.members.size(); ++i) {
    if (i > 0) out.add(", ");
    represent(out, dict.members[i].first);
    out.add(": ");
    represent(out, dict.members[i].second);
  }
  out.add("}");
}

}  // namespace

void represent(TextBuilder& out, const Value& value) {
  if (const auto* text = value.text()) {
    if (value.as<Text>()->is_markup) fault("unsupported: repr of safe text");
    represent_text(out, *text);
  } else if (value.is_undefined()) {
    out.add("Undefined");
  } else if (value.is_none()) {
    out.add("None");
  } else if (const auto* flag = value.as<bool>()) {
    out.add(*flag ? "True" : "False");
  } else if (const auto* whole = value.as<int64_t>()) {
    out.add(std::to_string(*whole));
  } else if (const auto* number = value.as<double>()) {
    out.add(float_text(*number));
  } else if (const auto* sequence = value.sequence()) {
    represent_sequence(out, *sequence);
  } else if (const auto* dict = value.dict()) {
    represent_dict(out, *dict);
  } else {
    fault("unsupported: text of a ", type_name(value));
  }
}

void print(TextBuilder& out, const Value& value) {
  if (const auto* text = value.text()) {
    out.add(*text);
  } else if (!value.is_undefined()) {
    represent(out, value);
  }
}

std::string printed(Budget& budget, const Value& value) {
  TextBuilder out(budget);
  print(out, value);
  return out.take();
}

}  // namespace assay::jinja
