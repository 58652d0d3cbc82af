#pragma once
// What a tokenizer puts around a text, or around two: "[CLS] A [SEP] B [SEP]".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace assay {

struct TemplatePiece {
  enum class Kind { kToken, kFirstText, kSecondText } kind = Kind::kToken;
  int32_t id = 0;       // of a token
  int32_t type_id = 0;  // the segment that it belongs to
};

struct PostProcessor {
  std::vector<TemplatePiece> single{{TemplatePiece::Kind::kFirstText, 0, 0}};
  std::vector<TemplatePiece> pair{{TemplatePiece::Kind::kFirstText, 0, 0},
                                  {TemplatePiece::Kind::kSecondText, 0, 1}};

  std::vector<int32_t> before() const;  // ids in front of a single text
  std::vector<int32_t> behind() const;
};

// From the field `post_processor`. Error(kCorruptFile) names what is not supported.
PostProcessor parse_post_processor(const Json& json);

struct NamedToken {
  std::string content;
  int32_t id;
};

// TemplateProcessing that puts `bos` in front of every text and `eos` behind it, where there are
// some.
Json bos_eos_template(const std::optional<NamedToken>& bos, const std::optional<NamedToken>& eos);

// BERT's: "[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]".
Json bert_template(const NamedToken& cls, const NamedToken& sep);

}  // namespace assay
