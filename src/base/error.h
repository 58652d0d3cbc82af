#pragma once
// Errors: thrown where no trustworthy number can be produced. The message names what was expected
// and what was given; each layer that knows more puts its context in front on the way out.

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace assay {

enum class ErrorKind { kBadInput, kCorruptFile, kInternal };  // plan or data, bytes, our bug

struct Error : std::runtime_error {
  Error(ErrorKind k, const std::string& message) : std::runtime_error(message), kind(k) {}
  ErrorKind kind;
};

template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(kind, message.str());
}

// The caller's input is wrong unless `ok`.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) fail(ErrorKind::kBadInput, parts...);
}

// The bytes of a file are wrong unless `ok`.
template <class... Parts>
void require_intact(bool ok, const Parts&... parts) {
  if (!ok) fail(ErrorKind::kCorruptFile, parts...);
}

// Puts "layers.3.mlp.up_proj: " in front of an error that passes through.
template <class Fn>
auto in_context(std::string_view where, Fn&& fn) {
  try {
    return std::forward<Fn>(fn)();
  } catch (const Error& e) {
    throw Error(e.kind, std::string(where) + ": " + e.what());
  }
}

}  // namespace assay
