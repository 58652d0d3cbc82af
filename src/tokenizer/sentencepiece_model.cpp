#include "tokenizer/sentencepiece_model.h"

#include <bit>

#include "base/error.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

// One field of a message: its number, and its value by wire type.
struct Field {
  uint64_t number = 0;
  enum WireType : uint64_t { kVarint = 0, k64Bit = 1, kBytes = 2, k32Bit = 5 } type = kVarint;
  uint64_t integer = 0;    // kVarint, k64Bit, k32Bit
  std::string_view bytes;  // kBytes
};

// Reads the fields of a message from left to right.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    field = {};
    const uint64_t key = varint();
    field.number = key >> 3;
    field.type = static_cast<Field::WireType>(key & 7);
    if (field.number == 0) corrupt("field number 0");
    switch (field.type) {
      case Field::kVarint:
        field.integer = varint();
        return true;
      case Field::k64Bit:
        field.integer = little_endian(8);
        return true;
      case Field::kBytes:
        field.bytes = take(varint());
        return true;
      case Field::k32Bit:
        field.integer = little_endian(4);
        return true;
    }
    corrupt("an unknown wire type");
  }

 private:
  [[noreturn]] void corrupt(std::string_view what) const {
    fail(ErrorKind::kCorruptFile, name_, ": ", what, " at byte ", at_, " of ", bytes_.size());
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) corrupt("a field that is cut off");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  uint64_t little_endian(size_t size) {
    const std::string_view raw = take(size);
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(raw[i]);
    return value;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    corrupt("an integer of more than 10 bytes");
  }

  std::string_view bytes_, name_;
  size_t at_ = 0;
};

void expect(const Field& field, Field::WireType type, const std::string& where) {
  require_intact(field.type == type, where, ": wire type ", static_cast<uint64_t>(field.type));
}

bool flag(const Field& field, const std::string& where) {
  expect(field, Field::kVarint, where);
  return field.integer != 0;
}

int64_t integer(const Field& field, const std::string& where) {
  expect(field, Field::kVarint, where);
  return static_cast<int32_t>(field.integer);  // negative ones are sign-extended to 64 bits
}

std::string_view bytes_of(const Field& field, const std::string& where) {
  expect(field, Field::kBytes, where);
  return field.bytes;
}

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& where) {
  SentencePieceModel::Piece piece;
  MessageReader reader(bytes, where);
  for (Field field; reader.next(field);) {
    if (field.number == 1) {
      piece.text = bytes_of(field, where + ".piece");
    } else if (field.number == 2) {
      expect(field, Field::k32Bit, where + ".score");
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.integer));
    } else if (field.number == 3) {
      const int64_t kind = integer(field, where + ".type");
      require_intact(kind >= 1 && kind <= 6, where, ".type: ", kind);
      piece.kind = static_cast<SentencePieceModel::Kind>(kind);
    }
  }
  require_intact(to_valid_utf8(piece.text) == piece.text, where, ".piece: not UTF-8");
  require_intact(piece.score == piece.score, where, ".score: NaN");
  return piece;
}

void parse_trainer_spec(std::string_view bytes, SentencePieceModel& model) {
  const std::string name = "trainer_spec";
  MessageReader reader(bytes, name);
  for (Field field; reader.next(field);) {
    switch (field.number) {
      case 3: {
        const int64_t type = integer(field, name + ".model_type");
        require_intact(type >= 1 && type <= 4, name, ".model_type: ", type);
        model.type = static_cast<SentencePieceModel::Type>(type);
        break;
      }
      case 24:
        model.treat_whitespace_as_suffix = flag(field, name + ".treat_whitespace_as_suffix");
        break;
      case 35:
        model.byte_fallback = flag(field, name + ".byte_fallback");
        break;
      case 40:
        model.unk_id = integer(field, name + ".unk_id");
        break;
      case 41:
        model.bos_id = integer(field, name + ".bos_id");
        break;
      case 42:
        model.eos_id = integer(field, name + ".eos_id");
        break;
      case 43:
        model.pad_id = integer(field, name + ".pad_id");
        break;
      default:
        break;
    }
  }
}

void parse_normalizer_spec(std::string_view bytes, SentencePieceModel& model) {
  const std::string name = "normalizer_spec";
  MessageReader reader(bytes, name);
  for (Field field; reader.next(field);) {
    if (field.number == 2) {
      model.precompiled_charsmap = bytes_of(field, name + ".precompiled_charsmap");
    } else if (field.number == 3) {
      model.add_dummy_prefix = flag(field, name + ".add_dummy_prefix");
    } else if (field.number == 4) {
      model.remove_extra_whitespaces = flag(field, name + ".remove_extra_whitespaces");
    } else if (field.number == 5) {
      model.escape_whitespaces = flag(field, name + ".escape_whitespaces");
    }
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece_model(std::string_view bytes) {
  SentencePieceModel model;
  MessageReader reader(bytes, "model");
  for (Field field; reader.next(field);) {
    if (field.number == 1) {
      const std::string where = "pieces[" + std::to_string(model.pieces.size()) + "]";
      model.pieces.push_back(parse_piece(bytes_of(field, where), where));
    } else if (field.number == 2) {
      parse_trainer_spec(bytes_of(field, "trainer_spec"), model);
    } else if (field.number == 3) {
      parse_normalizer_spec(bytes_of(field, "normalizer_spec"), model);
    }
  }
  require_intact(!model.pieces.empty(), "model: no pieces");
  for (const auto& [name, id] : {std::pair{"unk_id", model.unk_id},
                                 {"bos_id", model.bos_id},
                                 {"eos_id", model.eos_id},
                                 {"pad_id", model.pad_id}}) {
    require_intact(id >= -1 && id < static_cast<int64_t>(model.pieces.size()), "trainer_spec.",
                   name, ": ", id, " of ", model.pieces.size(), " pieces");
  }
  return model;
}

}  // namespace assay
