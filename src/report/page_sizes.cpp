#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

void add_heading(const std::vector<OutcomeKey>& keys, Html& html) {
  html << "<thead><tr><th scope=\"col\">variant</th><th scope=\"col\" class=\"num\">bits per "
          "weight</th>"
       << "<th scope=\"col\" class=\"num\">zeros</th><th scope=\"col\" class=\"num\">size</th>";
  for (const OutcomeKey& key : keys) {
    if (key.primary) {
      html << "<th scope=\"col\" class=\"num\"><span class=\"task\">" << key.task << "</span> "
           << key.outcome << "</th>";
    }
  }
  html << "</tr></thead>\n";
}

void add_row(const View& view, const Variant& v, const std::vector<OutcomeKey>& keys, Html& html) {
  html << "<tr><th scope=\"row\">" << v.name << "</th><td class=\"num\">" << bits_text(v.bits)
       << "</td><td class=\"num\">" << percent_text(v.sparsity) << "</td><td class=\"num\">"
       << size_text(v.size_bytes) << "</td>";
  for (const OutcomeKey& key : keys) {
    if (!key.primary) continue;
    const Result* r = find_result(view, v.name, key);
    html << "<td class=\"num\">" << (r == nullptr ? std::string("–") : effect_text(*r)) << "</td>";
  }
  html << "</tr>\n";
}

}  // namespace

void add_sizes(const View& view, Html& html) {
  html << "<section id=\"sizes\" aria-labelledby=\"sizes-h\"><h2 id=\"sizes-h\">Size against "
          "quality and bias</h2>\n"
       << "<p>Bits are what a weight costs when stored as the method intends; zeros are counted in "
          "the weights. The band "
       << "is the margin: an interval that lies above its lower edge is non-inferior.</p>\n"
       << "<div id=\"sizes-plot\" class=\"plots script-only\"></div>\n"
       << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"sizes-h\"><table "
          "class=\"wide\">"
       << "<caption>Difference to the base with its 95 % interval; negative is harm, × is the "
          "ratio to the base</caption>";
  const std::vector<OutcomeKey> keys = outcomes_of(view);
  add_heading(keys, html);
  html << "<tbody>\n";
  for (const Variant& v : view.variants) add_row(view, v, keys, html);
  html << "</tbody></table></div></section>\n";
}

}  // namespace assay::report
