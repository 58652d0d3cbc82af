#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

std::string flips_text(const Result& r) {
  if (!r.has_flips) return "–";
  return count_text(r.both_right) + " / " + count_text(r.base_only) + " / " +
         count_text(r.variant_only) + " / " + count_text(r.both_wrong);
}

std::string unscored_text(const Result& r) {
  const std::string counts = count_text(r.unscored_base) + " / " + count_text(r.unscored_variant);
  return r.unscored_reasons.empty() ? counts : counts + " (" + r.unscored_reasons + ")";
}

void add_heading(Html& html) {
  html << "<thead><tr><th scope=\"col\">variant</th><th scope=\"col\">task, outcome</th><th "
          "scope=\"col\">verdict</th>"
       << "<th scope=\"col\" class=\"num\">base</th><th scope=\"col\" class=\"num\">variant</th>"
       << "<th scope=\"col\" class=\"num\">difference</th><th scope=\"col\" "
          "class=\"num\">margin</th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"minimum detectable effect at 80 % "
          "power\">MDE</abbr></th>"
       << "<th scope=\"col\" class=\"num\">p</th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"Holm over primary, Benjamini-Hochberg "
          "over exploratory "
       << "outcomes\">p adjusted</abbr></th><th scope=\"col\" class=\"num\">items</th>"
       << "<th scope=\"col\" class=\"num\">clusters</th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"items over design effect\">effective "
          "n</abbr></th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"intraclass correlation of the paired "
          "difference\">ICC</abbr></th>"
       << "<th scope=\"col\" class=\"num\">largest cluster</th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"right in both / base only / variant only "
          "/ neither\">flips</abbr>"
       << "</th><th scope=\"col\" class=\"num\"><abbr title=\"exact, ignores clusters: "
          "descriptive\">McNemar p</abbr></th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"mean and largest absolute change of an "
          "item's log-likelihood, "
       << "nats\">|Δ log-likelihood|</abbr></th>"
       << "<th scope=\"col\" class=\"num\"><abbr title=\"base / variant\">unscored</abbr></th>"
       << "<th scope=\"col\">test</th></tr></thead>\n";
}

void add_row(const View& view, const Result& r, Html& html) {
  const auto index = static_cast<size_t>(&r - view.results.data());
  const auto num = [&](const std::string& value) {
    html << "<td class=\"num\">" << value << "</td>";
  };
  html << "<tr id=\"" << row_id(index) << "\"><th scope=\"row\">" << r.variant
       << "</th><td><span class=\"task\">" << r.task << "</span> " << r.outcome
       << " <span class=\"tag\">" << std::string(r.primary ? "primary" : "exploratory")
       << "</span></td><td class=\"v-" << verdict_class(r.verdict)
       << "\"><span class=\"glyph\" aria-hidden=\"true\">" << verdict_glyph(r.verdict) << "</span> "
       << verdict_name(r.verdict);
  if (!r.reason.empty()) html << "<span class=\"reason\">" << r.reason << "</span>";
  html << "</td>";
  num(estimate_text(r.base));
  num(estimate_text(r.variant_value));
  num(effect_text(r));
  num(margin_text(r));
  num(mde_text(r));
  num(p_text(r.p));
  num(p_text(r.p_adjusted));
  num(count_text(r.num_items));
  num(count_text(r.num_clusters));
  num(count_text(r.effective_n));
  num(number_text(r.icc));
  num(percent_text(r.largest_cluster_share));
  num(flips_text(r));
  num(p_text(r.mcnemar_p));
  num(number_text(r.mean_delta_log_likelihood) + " / " + number_text(r.max_delta_log_likelihood));
  num(unscored_text(r));
  html << "<td>" << r.method;
  if (!r.cross_check.empty()) html << "<span class=\"reason\">" << r.cross_check << "</span>";
  html << "</td></tr>\n";
}

}  // namespace

std::string row_id(size_t index) { return "r" + std::to_string(index); }

void add_results(const View& view, Html& html) {
  html
      << "<section id=\"results\" aria-labelledby=\"results-h\"><h2 id=\"results-h\">All "
         "numbers</h2>\n"
      << "<p>Inference uses whole clusters. The flip counts (right in both / base only / variant "
         "only / neither) and "
      << "McNemar's p ignore clusters; they describe and never decide. Unscored answers are "
         "counted and left out, "
      << "never taken as 0.</p>\n<div id=\"results-filters\" class=\"filters script-only\"></div>\n"
      << "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"results-h\">"
      << "<table id=\"results-table\" class=\"wide\">";
  add_heading(html);
  html << "<tbody>\n";
  for (const Variant& v : view.variants) {
    for (const Result* r : results_of(view, v.name)) add_row(view, *r, html);
  }
  html << "</tbody></table></div></section>\n";
}

}  // namespace assay::report
