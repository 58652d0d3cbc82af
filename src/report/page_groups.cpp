#include <algorithm>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

void add_row(const Result& r, const Group& g, Html& html) {
  html << "<tr" << (g.hatched ? Literal(" class=\"hatched\"") : Literal(""))
       << "><th scope=\"row\">" << r.variant << "</th><td><span class=\"task\">" << r.task
       << "</span> " << r.outcome << "</td><td>" << g.name
       << (g.hatched ? Literal(" <span class=\"tag\">few items</span>") : Literal(""))
       << "</td><td class=\"num\">" << number_text(g.base) << "</td><td class=\"num\">"
       << number_text(g.variant) << "</td><td class=\"num\">" << difference_text(g.difference)
       << "</td><td class=\"num\">" << count_text(g.effective_n) << "</td></tr>\n";
}

}  // namespace

void add_groups(const View& view, Html& html) {
  const auto rows =
      std::ranges::count_if(view.results, [](const Result& r) { return !r.groups.empty(); });
  html << "<section id=\"groups\" aria-labelledby=\"groups-h\"><h2 id=\"groups-h\">By group</h2>\n";
  if (rows == 0) {
    html << "<p>No task of this study has groups.</p></section>\n";
    return;
  }
  html << "<p>Groups are exploratory. Hatched: fewer than 20 effective items; shown, not "
          "judged.</p>\n"
       << "<div id=\"groups-filters\" class=\"filters script-only\"></div>\n"
       << "<div id=\"groups-plot\" class=\"plots script-only\"></div>\n"
       << "<details id=\"groups-table\"><summary>All groups as a table</summary>\n"
       << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-labelledby=\"groups-h\"><table class=\"wide\">"
       << "<thead><tr><th scope=\"col\">variant</th><th scope=\"col\">task, outcome</th><th "
          "scope=\"col\">group</th>"
       << "<th scope=\"col\" class=\"num\">base</th><th scope=\"col\" class=\"num\">variant</th>"
       << "<th scope=\"col\" class=\"num\">difference</th><th scope=\"col\" "
          "class=\"num\">effective n</th></tr></thead>"
       << "<tbody>\n";
  for (const Variant& v : view.variants) {
    for (const Result* r : results_of(view, v.name)) {
      for (const Group& g : r->groups) add_row(*r, g, html);
    }
  }
  html << "</tbody></table></div></details></section>\n";
}

}  // namespace assay::report
