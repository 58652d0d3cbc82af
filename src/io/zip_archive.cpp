#include "io/zip_archive.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "io/byte_reader.h"

namespace assay {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kCentralSize = 46, kLocalSize = 30;
constexpr uint64_t kMaxCommentSize = 0xFFFF;
constexpr uint64_t kMaxEntries = 1'000'000;

struct Directory {
  uint64_t num_entries, begin, size;
};

ByteReader reader_at(std::span<const std::byte> file, uint64_t offset, std::string_view what) {
  require_intact(offset <= file.size(), what, " at byte ", offset, ", the file has ", file.size(),
                 " bytes");
  return ByteReader(file.subspan(offset));
}

uint32_t signature_at(std::span<const std::byte> file, uint64_t offset) {
  return reader_at(file, offset, "a header").read<uint32_t>("a header");
}

// The end record stands last, with a comment behind it at the most.
uint64_t find_end(std::span<const std::byte> file) {
  require_intact(file.size() >= kEndSize, "no zip archive: ", file.size(), " bytes");
  const uint64_t last = file.size() - kEndSize;
  const uint64_t first = last > kMaxCommentSize ? last - kMaxCommentSize : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    if (signature_at(file, at) != kEnd) continue;
    const auto comment = reader_at(file, at + 20, "the end record").read<uint16_t>("its comment");
    if (at + kEndSize + comment == file.size()) return at;
  }
  fail(ErrorKind::kCorruptFile, "no end of a zip archive (truncated file?)");
}

std::optional<Directory> find_directory64(std::span<const std::byte> file, uint64_t end) {
  if (end < kLocatorSize || signature_at(file, end - kLocatorSize) != kEnd64Locator) {
    return std::nullopt;
  }
  auto locator = reader_at(file, end - kLocatorSize + 8, "the zip64 locator");
  auto in = reader_at(file, locator.read<uint64_t>("the zip64 locator"), "the zip64 end record");
  require_intact(in.read<uint32_t>("the zip64 end record") == kEnd64,
                 "the zip64 locator points at no end record");
  in.take(8 + 2 + 2 + 4 + 4, "the zip64 end record");
  const auto here = in.read<uint64_t>("its entries"), all = in.read<uint64_t>("its entries");
  require(here == all, "a zip archive of several files is not supported");
  const auto size = in.read<uint64_t>("the directory's size");
  return Directory{.num_entries = all, .begin = in.read<uint64_t>("its offset"), .size = size};
}

Directory find_directory(std::span<const std::byte> file) {
  const uint64_t end = find_end(file);
  auto in = reader_at(file, end + 4, "the end record");
  const auto disk = in.read<uint16_t>("its disk"), start = in.read<uint16_t>("its disk");
  const auto here = in.read<uint16_t>("its entries"), all = in.read<uint16_t>("its entries");
  const auto size = in.read<uint32_t>("the directory's size");
  const auto begin = in.read<uint32_t>("its offset");
  Directory directory{.num_entries = all, .begin = begin, .size = size};
  if (all == 0xFFFF || size == 0xFFFFFFFF || begin == 0xFFFFFFFF) {
    const auto large = find_directory64(file, end);
    require_intact(large.has_value(), "the zip64 end record is missing");
    directory = *large;
  } else {
    require(disk == 0 && start == 0 && here == all,
            "a zip archive of several files is not supported");
  }
  require_intact(directory.begin <= end && directory.size <= end - directory.begin,
                 "the zip directory [", directory.begin, ", +", directory.size,
                 "] is not in front of its end at ", end);
  require_intact(directory.num_entries <= directory.size / kCentralSize,
                 "the zip directory counts ", directory.num_entries, " entries in ", directory.size,
                 " bytes");
  require(directory.num_entries <= kMaxEntries, "a zip archive of more than ", kMaxEntries,
          " entries");
  return directory;
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct CentralEntry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint32_t crc32 = 0;
  uint64_t stored_size = 0, size = 0, local = 0;
};

// Values that do not fit into 32 bits stand in the extra field 1, in a fixed order.
void read_zip64_extra(std::span<const std::byte> extra, CentralEntry& entry) {
  ByteReader in(extra);
  while (in.remaining() >= 4) {
    const auto id = in.read<uint16_t>("an extra field"), size = in.read<uint16_t>("its size");
    ByteReader field(in.take(size, "an extra field"));
    if (id != 1) continue;
    for (uint64_t* value : {&entry.size, &entry.stored_size, &entry.local}) {
      if (*value == 0xFFFFFFFF) *value = field.read<uint64_t>("a zip64 field");
    }
    return;
  }
}

CentralEntry read_central(ByteReader& in) {
  require_intact(in.read<uint32_t>("an entry") == kCentralHeader, "the zip directory is damaged");
  in.take(2 + 2, "an entry");
  CentralEntry entry;
  entry.flags = in.read<uint16_t>("its flags");
  entry.method = in.read<uint16_t>("its method");
  in.take(2 + 2, "its time");
  entry.crc32 = in.read<uint32_t>("its checksum");
  entry.stored_size = in.read<uint32_t>("its size");
  entry.size = in.read<uint32_t>("its size");
  const auto name = in.read<uint16_t>("its name"), extra = in.read<uint16_t>("its extra field"),
             comment = in.read<uint16_t>("its comment");
  in.take(2 + 2 + 4, "its attributes");
  entry.local = in.read<uint32_t>("its offset");
  entry.name = text_of(in.take(name, "its name"));
  read_zip64_extra(in.take(extra, "its extra field"), entry);
  in.take(comment, "its comment");
  return entry;
}

// Where the entry's bytes are, behind its local header.
ZipEntry placed(std::span<const std::byte> file, const CentralEntry& entry, uint64_t directory) {
  require((entry.flags & 1) == 0, "'", entry.name, "' is encrypted");
  require(entry.method == 0, "'", entry.name,
          "' is compressed; only stored entries are supported, as torch writes them");
  require_intact(entry.size == entry.stored_size, "'", entry.name,
                 "': its sizes differ: ", entry.size, " and ", entry.stored_size);
  require_intact(entry.local <= directory && directory - entry.local >= kLocalSize, "'", entry.name,
                 "': its header at ", entry.local, " is not in front of the directory");
  auto in = reader_at(file, entry.local, "a local header");
  require_intact(in.read<uint32_t>("a local header") == kLocalHeader, "'", entry.name,
                 "': no local header at ", entry.local);
  in.take(22, "a local header");
  const auto name = in.read<uint16_t>("its name"), extra = in.read<uint16_t>("its extra field");
  require_intact(text_of(in.take(name, "its name")) == entry.name, "'", entry.name,
                 "' has another name in its local header");
  in.take(extra, "its extra field");
  const uint64_t begin = entry.local + in.position();
  require_intact(begin <= directory && entry.size <= directory - begin, "'", entry.name,
                 "': ", entry.size, " bytes at ", begin, " reach into the directory at ",
                 directory);
  return {.name = entry.name, .begin = begin, .end = begin + entry.size, .crc32 = entry.crc32};
}

}  // namespace

std::vector<ZipEntry> parse_zip(std::span<const std::byte> file) {
  const Directory directory = find_directory(file);
  ByteReader in(file.subspan(directory.begin, directory.size));
  struct Part {
    uint64_t local;
    ZipEntry entry;
  };
  std::vector<Part> parts;
  std::set<std::string> names;
  for (uint64_t i = 0; i < directory.num_entries; ++i) {
    const CentralEntry central = read_central(in);
    parts.push_back({central.local, placed(file, central, directory.begin)});
    require_intact(names.insert(central.name).second, "'", central.name, "' is there twice");
  }
  std::ranges::sort(parts, {}, &Part::local);
  std::vector<ZipEntry> entries;
  for (Part& part : parts) {
    require_intact(entries.empty() || entries.back().end <= part.local, "'", part.entry.name,
                   "' overlaps '", entries.empty() ? "" : entries.back().name, "'");
    entries.push_back(std::move(part.entry));
  }
  return entries;
}

void check_crc32(std::span<const std::byte> file, const ZipEntry& entry) {
  const auto bytes = file.subspan(entry.begin, entry.end - entry.begin);
  const auto sum = crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  require_intact(sum == entry.crc32, "'", entry.name, "': its checksum is not the recorded one");
}

}  // namespace assay
