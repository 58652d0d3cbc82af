#pragma once
// SentencePiece's model file (tokenizer.model, spiece.model): a protocol buffer `ModelProto`.
// Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct SentencePieceModel {
  enum class Type : int64_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  enum class Kind : int64_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  struct Piece {
    std::string text;
    float score = 0;
    Kind kind = Kind::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  // trainer_spec; an id of -1 is none
  Type type = Type::kUnigram;
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  int64_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;
  // normalizer_spec
  std::string precompiled_charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Unknown fields are passed over. Error(kCorruptFile) names the message and the byte where a field
// does not fit, and pieces that are no UTF-8 or of no known kind.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes);

}  // namespace assay
