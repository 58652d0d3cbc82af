#pragma once
// Zip archives whose entries are stored as they are (APPNOTE 6.3, zip64 included): where each
// entry's bytes lie in the file.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay {

struct ZipEntry {
  std::string name;
  uint64_t begin, end;  // of its bytes, from the start of the file
  uint32_t crc32;       // as recorded
};

// In the order of their bytes. Checks that every entry lies in front of the central directory, that
// no two overlap or share a name, and that both of its headers agree. Error(kCorruptFile) names the
// entry; a compressed, encrypted or divided archive is Error(kBadInput).
std::vector<ZipEntry> parse_zip(std::span<const std::byte> file);

// Error(kCorruptFile) unless the entry's bytes have the checksum that the archive records.
void check_crc32(std::span<const std::byte> file, const ZipEntry& entry);

}  // namespace assay
