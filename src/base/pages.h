#pragma once
// Pages that the process holds and does not need. Those of mapped files count as its memory from
// when they are touched: what is read once, or written for later, is let go, so that a stream
// through a file does not look like the whole file.

#include <cstddef>
#include <span>

namespace assay {

// Takes the pages of these bytes, and the rest of the first and the last page, out of the process.
// Only for a shared mapping or one that is only read: the next touch reads the file, where changes
// of a shared mapping are.
void let_go_of_pages(std::span<const std::byte> bytes);

// Freed memory that the allocator keeps for later goes back to the system: between stages of work,
// as pieces of up to 32 MB stay otherwise.
void return_freed_memory();

}  // namespace assay
