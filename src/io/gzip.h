#pragma once
// Whole gzip files (RFC 1952, several members one after another allowed).

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

// Whether bytes begin as a gzip member does (1f 8b).
bool is_gzip(std::string_view bytes);

// The decompressed bytes. Error(kCorruptFile) says `where` and what is wrong: a bad header,
// checksum or length, a member that is cut off, bytes behind the last, or a result of more than
// `max_bytes`.
std::string gunzip(std::string_view bytes, std::string_view where, uint64_t max_bytes);

}  // namespace assay
