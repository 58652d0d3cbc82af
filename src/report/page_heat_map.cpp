#include <cmath>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

// Which of seven colours, -3 (harm of two margins or more) to +3, 0 within half a margin of no
// difference.
int heat_of(const Result& r) {
  const double ratio = harm_in_margins(r);
  if (!std::isfinite(ratio)) return 0;
  const double size = std::abs(ratio);
  const int step = size < 0.5 ? 0 : size < 1 ? 1 : size < 2 ? 2 : 3;
  return ratio < 0 ? -step : step;
}

std::string_view heat_class(const Result& r) {
  constexpr std::string_view kClasses[] = {"n3", "n2", "n1", "z", "p1", "p2", "p3"};
  return std::isnan(r.difference.value) ? std::string_view("none") : kClasses[heat_of(r) + 3];
}

void add_dimension_row(const std::vector<OutcomeKey>& keys, Html& html) {
  html << "<tr><th scope=\"col\" rowspan=\"2\" class=\"corner\">variant</th>";
  for (size_t i = 0; i < keys.size();) {
    size_t end = i;
    while (end < keys.size() && keys[end].dimension == keys[i].dimension) ++end;
    html << "<th scope=\"colgroup\" colspan=\"" << std::to_string(end - i) << "\">"
         << keys[i].dimension << "</th>";
    i = end;
  }
  html << "</tr>\n<tr>";
  for (const OutcomeKey& key : keys) {
    html << "<th scope=\"col\"><span class=\"task\">" << key.task << "</span> " << key.outcome
         << (key.primary ? Literal(" <span class=\"tag primary\">primary</span>") : Literal(""))
         << "</th>";
  }
  html << "</tr>\n";
}

void add_cell(const View& view, const Result* r, Html& html) {
  if (r == nullptr) {
    html << "<td class=\"heat none\">–</td>";
    return;
  }
  const auto index = static_cast<size_t>(r - view.results.data());
  html << "<td class=\"heat " << heat_class(*r) << " v-" << verdict_class(r->verdict)
       << (r->primary ? Literal(" is-primary") : Literal("")) << "\"><a href=\"#" << row_id(index)
       << "\" title=\"" << verdict_name(r->verdict)
       << (r->reason.empty() ? std::string() : ": " + r->reason)
       << "\"><span class=\"glyph\" aria-hidden=\"true\">" << verdict_glyph(r->verdict)
       << "</span><span class=\"sr\">" << verdict_name(r->verdict) << "</span> <b>"
       << effect_value_text(*r) << "</b><small>" << effect_interval_text(*r) << "</small></a></td>";
}

void add_colour_key(Html& html) {
  html << "<p class=\"key heat-key\"><span>harm</span><span class=\"heat n3\">≥ 2 margins</span>"
       << "<span class=\"heat n2\">1–2</span><span class=\"heat n1\">½–1</span><span class=\"heat "
          "z\">under ½</span>"
       << "<span class=\"heat p1\">½–1</span><span class=\"heat p2\">1–2</span>"
       << "<span class=\"heat p3\">≥ 2 margins</span><span>gain</span></p>\n";
}

}  // namespace

void add_heat_map(const View& view, Html& html) {
  html
      << "<section id=\"map\" aria-labelledby=\"map-h\"><h2 id=\"map-h\">Variants × outcomes</h2>\n"
      << "<p>Each cell: verdict, paired difference to the base (negative is harm; × is the ratio "
         "to the base) and its "
      << "95 % interval. The colour is the difference in units of the outcome's margin; of a "
         "signed bias any shift "
      << "counts as harm. Outcomes that are not marked primary are exploratory: "
      << "their p-values are adjusted by Benjamini-Hochberg and they decide nothing. A cell leads "
         "to its numbers.</p>\n";
  add_colour_key(html);
  const std::vector<OutcomeKey> keys = outcomes_of(view);
  html << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"map-h\"><table "
          "class=\"map\"><thead>\n";
  add_dimension_row(keys, html);
  html << "</thead><tbody>\n";
  for (const Variant& v : view.variants) {
    if (results_of(view, v.name).empty()) continue;  // the base itself
    html << "<tr><th scope=\"row\">" << v.name;
    if (!v.control.empty())
      html << " <span class=\"tag control\">" << v.control << " control</span>";
    html << "</th>";
    for (const OutcomeKey& key : keys) add_cell(view, find_result(view, v.name, key), html);
    html << "</tr>\n";
  }
  html << "</tbody></table></div></section>\n";
}

}  // namespace assay::report
