#pragma once
// Tokens -> the tree of chat/syntax.h, by the grammar of Jinja 3.1 with the extensions that
// transformers turns on: break and continue, and the tag generation.

#include "chat/lexer.h"
#include "chat/syntax.h"

namespace assay::jinja {

constexpr int kMaxSyntaxDepth = 200;  // of nested statements, and of an expression

// Error(kBadInput) names the line and what is wrong or unsupported there.
Block parse_block(const std::vector<Token>& tokens);

}  // namespace assay::jinja
