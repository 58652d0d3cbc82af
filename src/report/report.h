#pragma once
// The comparison's summary (docs/summary-json.md) as files for people: report.html, summary.csv,
// summary.md; and summary.json itself, from which `assay report` renders again.

#include <filesystem>

#include "base/json.h"

namespace assay::report {

// The summary in `path`: summary.json, or a results folder that holds one. Error(kBadInput) as
// view_of_summary and read_file, with the file's name.
Json read_summary(const std::filesystem::path& path);

// Writes all four files into `folder`, each complete or not at all. The summary is checked before
// the first is written.
void write_reports(const Json& summary, const std::filesystem::path& folder);

}  // namespace assay::report
