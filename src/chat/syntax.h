#pragma once
// The syntax tree of a template.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "chat/value.h"

namespace assay::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  kLiteral,      // value
  kName,         // text
  kList,         // operands
  kTuple,        // operands
  kDict,         // operands: key, value, key, value, ...
  kAttribute,    // operands[0].text
  kItem,         // operands[0][operands[1]]
  kSlice,        // operands[0][operands[1] : operands[2] : operands[3]], null where left out
  kCall,         // operands[0](operands[1..], named)
  kFilter,       // operands[0] | text(operands[1..], named)
  kTest,         // operands[0] is text(operands[1..], named)
  kNot,          // operands[0]
  kAnd,          // operands[0], operands[1]
  kOr,           // the same
  kNegative,     // operands[0]
  kPositive,     // operands[0]
  kArithmetic,   // text: + - * / // % **
  kConcat,       // operands joined by ~
  kComparison,   // operands[0] comparisons[0] operands[1] comparisons[1] ...
  kBlockText,    // what the filters of a block work on: {% filter upper %}
  kConditional,  // operands[0] if operands[1] else operands[2], null where left out
};

struct Expression {
  ExpressionKind kind{};
  int line = 0;
  int depth = 1;  // of the tree from here
  std::string text;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<std::string> comparisons;  // == != < <= > >= in "not in"
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null where there is none
};

// What a macro's body, or that of a call statement, can be given.
struct Signature {
  std::vector<Parameter> parameters;
  bool takes_caller = false, takes_varargs = false, takes_kwargs = false;  // the body names them
};

enum class StatementKind {
  kData,         // text
  kOutput,       // value
  kIf,           // branches of (value, body), then otherwise
  kFor,          // target in value if condition: body, else otherwise
  kSet,          // target = value
  kSetBlock,     // target = body, through the filters of value
  kMacro,        // text(signature): body
  kCall,         // value is the call that gets body as its caller
  kFilterBlock,  // body through the filters of value
  kScope,        // body in a scope of its own: with (targets = values) and generation
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind{};
  int line = 0;
  std::string text;
  ExpressionPtr target, value, condition;
  Block body, otherwise;
  std::vector<Statement> branches;  // of kIf: value and body of each
  Signature signature;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;  // of kScope
};

}  // namespace assay::jinja
