#include <algorithm>
#include <span>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

void add_numbers(const RoleInspection& role, Html& html) {
  for (const std::string& value :
       {bits_text(role.bits), percent_text(role.zeros), percent_text(role.groups_2_4),
        error_text(role.relative_error)}) {
    html << "<td class=\"num\">" << value << "</td>";
  }
}

void add_number_headings(Html& html) {
  html << "<th scope=\"col\" class=\"num\"><abbr title=\"stored, with scales and zero "
          "points\">bits per weight</abbr></th><th scope=\"col\" class=\"num\">zeros</th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"aligned groups of 4 inputs with at most 2 "
          "that are not 0\">2:4 groups</abbr></th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"Frobenius norm of the difference to the "
          "base over that of the base\">relative error</abbr></th>";
}

void add_row(const InspectedFile& arm, Html& html) {
  const FileInspection& file = *arm.file;
  html << "<tr><th scope=\"row\">" << arm.arm << "</th><td>" << file.format
       << "</td><td class=\"num\">" << size_text(static_cast<double>(file.stored_bytes)) << "</td>";
  add_numbers(file.linears, html);
  if (file.findings.empty()) {
    html << "<td>none</td></tr>\n";
  } else {
    html << "<td><strong class=\"finding\">" << findings_text(file) << "</strong></td></tr>\n";
  }
}

void add_items(std::span<const std::string> items, Html& html) {
  html << "<ul>\n";
  for (const std::string& item : items) html << "<li>" << item << "</li>\n";
  html << "</ul>\n";
}

void add_findings(const InspectedFile& arm, Html& html) {
  const std::span<const std::string> all = arm.file->findings;
  if (all.empty()) return;
  const size_t shown = std::min(all.size(), kFindingsShown);
  html << "<div class=\"finding\" role=\"note\"><h3>" << arm.arm << ": " << findings_text(*arm.file)
       << "</h3>\n";
  add_items(all.first(shown), html);
  if (shown < all.size()) {
    html << "<details><summary>" << std::to_string(all.size() - shown) << " more</summary>\n";
    add_items(all.subspan(shown), html);
    html << "</details>\n";
  }
  html << "</div>\n";
}

void add_roles(const FileInspection& file, Html& html) {
  html << "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">tensors</th>"
       << "<th scope=\"col\" class=\"num\">number</th><th scope=\"col\" "
          "class=\"num\">weights</th><th scope=\"col\">stored as</th>";
  add_number_headings(html);
  html << "</tr></thead><tbody>\n";
  for (const RoleInspection& role : file.roles) {
    html << "<tr><th scope=\"row\">" << role.role << "</th><td class=\"num\">"
         << count_text(role.num_tensors) << "</td><td class=\"num\">" << count_text(role.weights)
         << "</td><td>" << role.stored << "</td>";
    add_numbers(role, html);
    html << "</tr>\n";
  }
  html << "</tbody></table></div>\n";
}

void add_worst(const FileInspection& file, Html& html) {
  if (file.worst.empty()) return;
  html << "<div class=\"scroll\" tabindex=\"0\"><table><caption>Farthest from the base</caption>"
       << "<thead><tr><th scope=\"col\">tensor</th><th scope=\"col\" class=\"num\">relative "
          "error</th><th scope=\"col\" class=\"num\">largest error</th></tr></thead><tbody>\n";
  for (const TensorError& error : file.worst) {
    html << "<tr><th scope=\"row\">" << error.tensor << "</th><td class=\"num\">"
         << error_text(error.relative_error) << "</td><td class=\"num\">"
         << error_text(error.max_error) << "</td></tr>\n";
  }
  html << "</tbody></table></div>\n";
}

void add_details(const InspectedFile& arm, Html& html) {
  const FileInspection& file = *arm.file;
  for (const std::string& warning : file.warnings)
    html << "<p class=\"facts\">" << arm.arm << ": " << warning << "</p>\n";
  html << "<details><summary>By role: " << arm.arm << "</summary>\n";
  add_roles(file, html);
  add_worst(file, html);
  if (!file.not_compared.empty()) {
    html << "<p>Not compared, for base and variant do not both have them in one shape:</p>\n";
    add_items(file.not_compared, html);
  }
  html << "</details>\n";
}

}  // namespace

std::string findings_text(const FileInspection& file) {
  const size_t count = file.findings.size();
  return std::to_string(count) + (count == 1 ? " finding" : " findings");
}

void add_files(const View& view, Html& html) {
  const std::vector<InspectedFile> files = inspected_files(view);
  if (files.empty()) return;
  html << "<section id=\"files\" aria-labelledby=\"files-h\"><h2 id=\"files-h\">What is in the "
          "files</h2>\n"
       << "<p>Zeros, groups and errors are counted in the decoded weights of every checkpoint "
          "before "
          "it was asked; types and bits are those that it stores. Of each file the table is about "
          "the "
          "linears of all blocks, its size apart. A finding is what contradicts itself: read it "
          "before any number.</p>\n";
  for (const InspectedFile& arm : files) add_findings(arm, html);
  html << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"files-h\"><table "
          "class=\"wide\"><thead><tr><th scope=\"col\">arm</th><th scope=\"col\">file</th>"
       << "<th scope=\"col\" class=\"num\">size</th>";
  add_number_headings(html);
  html << "<th scope=\"col\">findings</th></tr></thead><tbody>\n";
  for (const InspectedFile& arm : files) add_row(arm, html);
  html << "</tbody></table></div>\n";
  for (const InspectedFile& arm : files) add_details(arm, html);
  html << "</section>\n";
}

}  // namespace assay::report
