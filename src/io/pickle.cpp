#include "io/pickle.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "io/byte_reader.h"

namespace assay {
namespace {

constexpr size_t kMaxObjects = 8'000'000;
constexpr size_t kMaxRank = 64;

enum class Kind {
  kNone,
  kBool,         // number
  kInt,          // number
  kText,         // text
  kTuple,        // object: elements
  kDict,         // object: keys and values in turn
  kRebuild,      // the function _rebuild_tensor_v2
  kParameter,    // the function _rebuild_parameter
  kOrdered,      // the class OrderedDict
  kStorageType,  // dtype
  kStorage,      // object: storage type, key, size
  kTensor,       // object: storage, offset, shape, strides
};

struct Value {
  Kind kind = Kind::kNone;
  int64_t number = 0;
  std::string_view text = {};  // of the pickle
  const Dtype* dtype = nullptr;
  std::vector<Value>* object = nullptr;
};

struct StorageType {
  std::string_view name, dtype;
};
constexpr std::array kStorageTypes = std::to_array<StorageType>({{"FloatStorage", "F32"},
                                                                 {"HalfStorage", "F16"},
                                                                 {"BFloat16Storage", "BF16"},
                                                                 {"DoubleStorage", "F64"},
                                                                 {"LongStorage", "I64"},
                                                                 {"IntStorage", "I32"},
                                                                 {"ShortStorage", "I16"},
                                                                 {"CharStorage", "I8"},
                                                                 {"ByteStorage", "U8"},
                                                                 {"BoolStorage", "BOOL"}});

// Whether the value is a list of integers that are not negative; they go to `into`.
bool read_sizes(const Value& value, std::vector<uint64_t>& into) {
  if (value.kind != Kind::kTuple || value.object->size() > kMaxRank) return false;
  for (const Value& element : *value.object) {
    if (element.kind != Kind::kInt || element.number < 0) return false;
    into.push_back(static_cast<uint64_t>(element.number));
  }
  return true;
}

class Machine {
 public:
  explicit Machine(std::span<const std::byte> pickle) : in_(pickle) {}

  Value run() {
    while (true) {
      const auto opcode = in_.read<uint8_t>("an opcode");
      if (opcode == '.') break;
      step(opcode);
    }
    require_intact(in_.remaining() == 0, "pickle: bytes behind its end");
    require_intact(stack_.size() == 1 && marks_.empty(), "pickle: ends with ", stack_.size(),
                   " values");
    return stack_.back();
  }

 private:
  void step(uint8_t opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        return require_protocol(in_.read<uint8_t>("the protocol"));
      case 0x95:  // FRAME
        in_.take(8, "a frame");
        return;
      case '(':
        marks_.push_back(stack_.size());
        require(marks_.size() <= kMaxObjects, "pickle: too many marks");
        return;
      case '}':
        return push(made(Kind::kDict, {}));
      case ')':
        return push(made(Kind::kTuple, {}));
      case 't':
        return push(made(Kind::kTuple, pop_to_mark()));
      case 0x85:
      case 0x86:
      case 0x87:  // TUPLE1 to TUPLE3
        return push(made(Kind::kTuple, pop(opcode - 0x84u)));
      case 'N':
        return push({.kind = Kind::kNone});
      case 0x88:
      case 0x89:  // NEWTRUE, NEWFALSE
        return push({.kind = Kind::kBool, .number = opcode == 0x88});
      case 'J':
        return push_int(in_.read<int32_t>("an integer"));
      case 'K':
        return push_int(in_.read<uint8_t>("an integer"));
      case 'M':
        return push_int(in_.read<uint16_t>("an integer"));
      case 0x8a:  // LONG1
        return push_int(long_integer());
      case 'X':
        return push_text(in_.read<uint32_t>("a text"));
      case 0x8c:  // SHORT_BINUNICODE
        return push_text(in_.read<uint8_t>("a text"));
      case 'q':
        return remember(in_.read<uint8_t>("a memo"));
      case 'r':
        return remember(in_.read<uint32_t>("a memo"));
      case 0x94:  // MEMOIZE
        return remember(static_cast<uint32_t>(memo_.size()));
      case 'h':
        return recall(in_.read<uint8_t>("a memo"));
      case 'j':
        return recall(in_.read<uint32_t>("a memo"));
      case 'c': {
        const std::string_view module = line();
        return push(global(module, line()));
      }
      case 0x93: {  // STACK_GLOBAL
        const auto names = pop(2);
        return push(global(text_of(names[0]), text_of(names[1])));
      }
      case 'Q':
        return push(storage(pop(1)[0]));
      case 's':
        return set_items(pop(2));
      case 'u':
        return set_items(pop_to_mark());
      case 'R':
        return reduce();
      case 'b':
        return build();
      default:
        fail(ErrorKind::kBadInput, "pickle: the opcode ", int{opcode}, " at byte ",
             in_.position() - 1, " has no place in a state_dict");
    }
  }

  static void require_protocol(int protocol) {
    require(protocol >= 2 && protocol <= 5, "pickle: protocol ", protocol, " is not supported");
  }

  void push(Value value) {
    require(stack_.size() < kMaxObjects, "pickle: more than ", kMaxObjects, " values");
    stack_.push_back(value);
  }
  void push_int(int64_t number) { push({.kind = Kind::kInt, .number = number}); }
  void push_text(uint64_t size) { push({.kind = Kind::kText, .text = text(size)}); }

  Value made(Kind kind, std::vector<Value> parts) {
    require(objects_.size() < kMaxObjects, "pickle: more than ", kMaxObjects, " objects");
    return {.kind = kind, .object = &objects_.emplace_back(std::move(parts))};
  }

  std::vector<Value> pop(size_t count) {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    require_intact(stack_.size() >= floor && stack_.size() - floor >= count,
                   "pickle: too few values at byte ", in_.position() - 1);
    std::vector<Value> values(stack_.end() - static_cast<int64_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }
  std::vector<Value> pop_to_mark() {
    require_intact(!marks_.empty(), "pickle: no mark at byte ", in_.position() - 1);
    const size_t count = stack_.size() - marks_.back();
    auto values = pop(count);
    marks_.pop_back();
    return values;
  }
  Value& top() {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    require_intact(stack_.size() > floor, "pickle: too few values at byte ", in_.position() - 1);
    return stack_.back();
  }

  std::string_view text(uint64_t size) {
    const auto bytes = in_.take(size, "a text");
    const std::string_view found(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    require_intact(!first_invalid_utf8(found), "pickle: a text is not UTF-8");
    return found;
  }
  static std::string_view text_of(const Value& value) {
    require_intact(value.kind == Kind::kText, "pickle: a name is no text");
    return value.text;
  }

  // Up to a newline.
  std::string_view line() {
    uint64_t size = 0;
    ByteReader ahead = in_;
    while (ahead.read<char>("a name") != '\n') ++size;
    const auto found = text(size);
    in_.take(1, "a newline");
    return found;
  }

  int64_t long_integer() {
    const auto size = in_.read<uint8_t>("an integer");
    require_intact(size <= 8, "pickle: an integer of ", int{size}, " bytes");
    uint64_t value = 0;
    const auto bytes = in_.take(size, "an integer");
    for (size_t i = 0; i < size; ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
    const bool is_negative = size > 0 && (bytes[size - 1u] & std::byte{0x80}) != std::byte{0};
    if (is_negative && size < 8) value |= ~uint64_t{0} << (8 * size);
    return static_cast<int64_t>(value);
  }

  void remember(uint32_t index) {
    require(memo_.size() < kMaxObjects, "pickle: more than ", kMaxObjects, " memos");
    memo_[index] = top();
  }
  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    require_intact(found != memo_.end(), "pickle: no memo ", index);
    push(found->second);
  }

  static Value global(std::string_view module, std::string_view name) {
    if (module == "torch._utils" && name == "_rebuild_tensor_v2") return {.kind = Kind::kRebuild};
    if (module == "torch._utils" && name == "_rebuild_parameter") {
      return {.kind = Kind::kParameter};
    }
    if (module == "collections" && name == "OrderedDict") return {.kind = Kind::kOrdered};
    const auto type = std::ranges::find(kStorageTypes, name, &StorageType::name);
    if (module == "torch" && type != kStorageTypes.end()) {
      return {.kind = Kind::kStorageType, .dtype = dtype_named(type->dtype)};
    }
    fail(ErrorKind::kBadInput, "pickle: it names ", module, ".", name,
         ", which a state_dict has no need of; it is not loaded");
  }

  // ("storage", type, key, device, size)
  Value storage(const Value& id) {
    const bool is_id = id.kind == Kind::kTuple && id.object->size() == 5;
    require_intact(is_id, "pickle: a persistent id is no storage");
    const auto& parts = *id.object;
    require_intact(text_of(parts[0]) == "storage" && parts[1].kind == Kind::kStorageType &&
                       parts[2].kind == Kind::kText && parts[3].kind == Kind::kText &&
                       parts[4].kind == Kind::kInt && parts[4].number >= 0,
                   "pickle: a persistent id is no storage");
    return made(Kind::kStorage, {parts[1], parts[2], parts[4]});
  }

  void set_items(std::vector<Value> items) {
    const Value& dict = top();
    require_intact(dict.kind == Kind::kDict && items.size() % 2 == 0,
                   "pickle: items of something that is no dict");
    require(num_items_ + items.size() <= kMaxObjects, "pickle: more than ", kMaxObjects, " items");
    num_items_ += items.size();
    dict.object->insert(dict.object->end(), items.begin(), items.end());
  }

  void reduce() {
    const auto call = pop(2);
    require_intact(call[1].kind == Kind::kTuple, "pickle: the arguments of a call are no tuple");
    const auto& arguments = *call[1].object;
    switch (call[0].kind) {
      case Kind::kOrdered:
        require(arguments.empty(), "pickle: OrderedDict with arguments is not supported");
        return push(made(Kind::kDict, {}));
      case Kind::kRebuild:
        return push(tensor(arguments));
      case Kind::kParameter:  // (tensor, requires_grad, hooks)
        require_intact(arguments.size() == 3 && arguments[0].kind == Kind::kTensor,
                       "pickle: _rebuild_parameter of something that is no tensor");
        return push(arguments[0]);
      default:
        fail(ErrorKind::kCorruptFile, "pickle: a call of something that is no function");
    }
  }

  // (storage, offset, shape, strides, requires_grad, hooks[, metadata])
  Value tensor(const std::vector<Value>& arguments) {
    const bool is_tensor = (arguments.size() == 6 || arguments.size() == 7) &&
                           arguments[0].kind == Kind::kStorage && arguments[1].kind == Kind::kInt &&
                           arguments[2].kind == Kind::kTuple && arguments[3].kind == Kind::kTuple;
    require_intact(is_tensor, "pickle: _rebuild_tensor_v2 with other arguments than a tensor's");
    const bool has_metadata = arguments.size() == 7 && arguments[6].kind != Kind::kNone;
    require(!has_metadata, "pickle: a tensor with metadata is not supported");
    return made(Kind::kTensor, {arguments.begin(), arguments.begin() + 4});
  }

  // The state of a dict is its _metadata: nothing that a tensor needs.
  void build() {
    const auto state = pop(1);
    require(top().kind == Kind::kDict && state[0].kind == Kind::kDict,
            "pickle: a state of something that is no dict is not supported");
  }

  ByteReader in_;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, Value> memo_;
  std::deque<std::vector<Value>> objects_;  // live as long as the machine: they may hold each other
  size_t num_items_ = 0;
};

PickledTensor tensor_of(std::string_view name, const Value& value) {
  require(value.kind == Kind::kTensor, "'", name,
          "' is no tensor; a state_dict holds tensors alone");
  const auto& parts = *value.object;
  const auto& storage = *parts[0].object;
  PickledTensor tensor{.name = std::string(name),
                       .dtype = storage[0].dtype,
                       .storage = std::string(storage[1].text),
                       .storage_size = static_cast<uint64_t>(storage[2].number),
                       .offset = static_cast<uint64_t>(parts[1].number),
                       .shape = {},
                       .strides = {}};
  require_intact(parts[1].number >= 0, "'", name, "': its offset ", parts[1].number,
                 " is negative");
  const bool has_sizes = read_sizes(parts[2], tensor.shape) && read_sizes(parts[3], tensor.strides);
  require_intact(has_sizes && tensor.shape.size() == tensor.strides.size(), "'", name,
                 "': shape and strides must be as many integers, none negative");
  return tensor;
}

}  // namespace

std::vector<PickledTensor> parse_state_dict(std::span<const std::byte> pickle) {
  require(pickle.size() <= kMaxPickleBytes, "pickle: ", pickle.size(), " bytes, more than ",
          kMaxPickleBytes);
  Machine machine(pickle);
  const Value root = machine.run();
  require(root.kind == Kind::kDict, "pickle: it holds no state_dict");
  std::vector<PickledTensor> tensors;
  for (size_t i = 0; i < root.object->size(); i += 2) {
    const Value& key = (*root.object)[i];
    require(key.kind == Kind::kText, "pickle: a key of the state_dict is no text");
    tensors.push_back(tensor_of(key.text, (*root.object)[i + 1]));
  }
  return tensors;
}

}  // namespace assay
