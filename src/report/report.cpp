#include "report/report.h"

#include "base/error.h"
#include "base/file.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/page.h"
#include "report/view.h"

namespace assay::report {

Json read_summary(const std::filesystem::path& path) {
  const auto file = std::filesystem::is_directory(path) ? path / "summary.json" : path;
  return parse_json(read_file(file), file.string());
}

void write_reports(const Json& summary, const std::filesystem::path& folder) {
  const View view = view_of_summary(summary);
  write_file_atomic(folder / "summary.json",
                    summary.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  write_file_atomic(folder / "summary.csv", csv_of(view));
  write_file_atomic(folder / "summary.md", markdown_of(view));
  write_file_atomic(folder / "report.html", page_of(view));
}

}  // namespace assay::report
