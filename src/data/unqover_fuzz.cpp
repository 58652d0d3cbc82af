// Any four texts (subjects, other subjects, activities, templates, with NUL between them) are a
// category whose first and last pair can be filled, or an Error.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "data/unqover.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 4> texts;
  for (auto& text : texts) {
    text = left.substr(0, left.find('\0'));
    left.remove_prefix(std::min(text.size() + 1, left.size()));
  }
  try {
    auto first = assay::parse_unqover_subjects(texts[0], "first");
    auto second = texts[1].empty() ? std::vector<assay::UnqoverSubject>{}
                                   : assay::parse_unqover_subjects(texts[1], "second");
    auto activities = assay::parse_unqover_activities(texts[2], "activities");
    auto templates = assay::parse_unqover_templates(texts[3], "templates", activities);
    const auto category = assay::unqover_category("fuzz", std::move(first), std::move(second),
                                                  std::move(activities), std::move(templates));
    assay::unqover_pair(category, 0);
    assay::unqover_pair(category, assay::num_pairs(category) - 1);
  } catch (const assay::Error&) {
  }
  return 0;
}
