#pragma once
// Guards of the interpreter: what a statement changes for its body is put back behind it.

#include <memory>

#include "chat/interpreter.h"

namespace assay::jinja {

// A scope around a body. One that a macro captured stays until the rendering is done.
class Interpreter::InnerScope {
 public:
  explicit InnerScope(Interpreter& in, Scope* outer = nullptr)
      : in_(in), around_(in.scope_), scope_(std::make_unique<Scope>()) {
    in.budget_.spend(kElementWork);
    scope_->outer = outer != nullptr ? outer : around_;
    in.scope_ = scope_.get();
  }
  InnerScope(const InnerScope&) = delete;
  InnerScope& operator=(const InnerScope&) = delete;
  ~InnerScope() {
    in_.scope_ = around_;
    if (scope_->is_captured) in_.kept_scopes_.push_back(std::move(scope_));
  }

 private:
  Interpreter& in_;
  Scope* around_;
  std::unique_ptr<Scope> scope_;
};

// A level of nesting.
class Interpreter::Deeper {
 public:
  Deeper(int& depth, int max_depth) : depth_(depth) {
    if (depth_ >= max_depth) fault("nested deeper than ", max_depth, " levels");
    ++depth_;
  }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  ~Deeper() { --depth_; }

 private:
  int& depth_;
};

// Sets a place back to what it held.
template <class T>
class Restored {
 public:
  Restored(T& place, T value) : place_(place), value_(std::move(value)) {}
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() { place_ = std::move(value_); }

 private:
  T& place_;
  T value_;
};

}  // namespace assay::jinja
