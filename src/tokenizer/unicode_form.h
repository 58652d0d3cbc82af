#pragma once
// Unicode normalization forms, stretch by stretch.

#include "tokenizer/aligned_text.h"

namespace assay {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

void normalize_form(AlignedText& text, UnicodeForm form);

}  // namespace assay
