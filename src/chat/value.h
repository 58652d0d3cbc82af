#pragma once
// The values of a template: what Python's would be. Text, lists and dicts cannot change once made
// (the sandbox of transformers forbids it too); only a namespace can.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "chat/budget.h"

namespace assay::jinja {

class Value;
struct Sequence;
struct Dict;
struct Namespace;
struct Macro;
struct Loop;
struct Callable;

struct None {};

// What a name that is not there gives: prints as nothing, is empty and false; any other use is an
// error that says `message`.
struct Undefined {
  std::shared_ptr<const std::string> message;
};

struct Text {
  std::shared_ptr<const std::string> utf8;  // always well formed
  bool is_markup = false;                   // made by |safe or |escape
};

class Value {
 public:
  using Data =
      std::variant<Undefined, None, bool, int64_t, double, Text, std::shared_ptr<const Sequence>,
                   std::shared_ptr<const Dict>, Namespace*, const Macro*,
                   std::shared_ptr<const Loop>, std::shared_ptr<const Callable>>;

  Value() : data_(None{}) {}
  Value(bool value) : data_(value) {}     // NOLINT(google-explicit-constructor)
  Value(int64_t value) : data_(value) {}  // NOLINT(google-explicit-constructor)
  Value(double value) : data_(value) {}   // NOLINT(google-explicit-constructor)
  explicit Value(Namespace* value) : data_(value) {}
  explicit Value(const Macro* value) : data_(value) {}
  template <class T>
  Value(T*) = delete;  // no other pointer becomes true
  explicit Value(Data data) : data_(std::move(data)) {}

  const Data& data() const { return data_; }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  bool is_undefined() const { return as<Undefined>() != nullptr; }
  bool is_none() const { return as<None>() != nullptr; }
  const std::string* text() const;  // null unless text
  const Sequence* sequence() const;
  const Dict* dict() const;
  // Of bool and int, which Python counts as one.
  std::optional<int64_t> integer() const;
  // Of bool, int and float.
  std::optional<double> number() const;

 private:
  Data data_;
};

enum class SequenceKind { kList, kTuple, kRange, kKeys, kValues, kItems, kIterator };

struct Sequence {
  SequenceKind kind;
  std::vector<Value> elements;
  int depth;                // of nesting, itself included
  mutable size_t next = 0;  // an iterator is used up by what reads it
};

struct Dict {
  std::vector<std::pair<Value, Value>> members;      // in the order of insertion
  std::unordered_map<std::string, size_t> index_of;  // by hash_key
  int depth = 1;

  const Value* find(const std::string& key) const;
};

// Lives as long as the rendering, so that one that holds itself is no leak.
struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};

struct Loop {
  std::shared_ptr<const Sequence> items;
  size_t index0 = 0;
};

// A method of a value, or a function of the environment where `self` is undefined.
struct Callable {
  Value self;
  std::string name;
};

constexpr int kMaxValueDepth = 200;

// Makers that pay. Error on nesting deeper than kMaxValueDepth, and on a key that Python cannot
// hash.
Value make_text(Budget& budget, std::string utf8, bool is_markup = false);
Value make_sequence(Budget& budget, SequenceKind kind, std::vector<Value> elements);
Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> members);
Value make_undefined(std::string message);
Value make_callable(Value self, std::string name);
Value from_json(Budget& budget, const Json& json);

// Equal for values that Python counts as one key (1, 1.0 and True); a fault where it has no hash.
std::string hash_key(Budget& budget, const Value& value);

bool truth(const Value& value);
bool equal(Budget& budget, const Value& a, const Value& b);
// Negative, 0, positive; a fault where Python has no order. `op` is named in it.
int order(Budget& budget, const Value& a, const Value& b, std::string_view op);
bool contains(Budget& budget, const Value& container,
              const Value& element);  // element in container
size_t length(const Value& value);    // len()

// What a for statement walks over; an iterator is used up.
std::vector<Value> elements_of(Budget& budget, const Value& value);

std::string_view type_name(const Value& value);  // "str", "dict", ... as in Python's messages
[[noreturn]] void fault_undefined(const Undefined& undefined);
// A fault with the value's own message if it is undefined.
void require_defined(const Value& value);

void print(TextBuilder& out, const Value& value);      // str()
void represent(TextBuilder& out, const Value& value);  // repr()
std::string printed(Budget& budget, const Value& value);

}  // namespace assay::jinja
