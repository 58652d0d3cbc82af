#include "report/page_sections.h"

namespace assay::report {
namespace {

// A part of the summary under its own heading; nothing where the summary has none.
void add_part(const View& view, const std::string& key, Literal heading, Literal explanation,
              Html& html) {
  const auto part = view.summary.find(key);
  if (part == view.summary.end() || part->empty()) return;
  html << "<h3>" << heading << "</h3>\n<p>" << explanation << "</p>\n";
  add_value(*part, html);
}

// The layers of a variant are many: they stand folded under it. Its file has a section of its own.
void add_variants(const View& view, Html& html) {
  const auto part = view.summary.find("variants");
  if (part == view.summary.end() || part->empty()) return;
  Json rows = *part;
  for (Json& row : rows) {
    row.erase("layers");
    row.erase("inspection");
  }
  html
      << "<h3>Variants</h3>\n<p>As compressed, with the hash of the weights that were asked.</p>\n";
  add_value(rows, html);
  for (const Json& variant : *part) {
    const auto layers = variant.find("layers");
    if (layers == variant.end() || layers->empty()) continue;
    html << "<details><summary>Layers of " << variant.at("name").get<std::string>() << "</summary>";
    add_value(*layers, html);
    html << "</details>\n";
  }
}

}  // namespace

void add_method(const View& view, Html& html) {
  html << "<section id=\"method\" aria-labelledby=\"method-h\"><h2 id=\"method-h\">Method</h2>\n"
       << "<p>Base and variants answer the same items. Intervals and p-values of a mean difference "
          "come from sign flips "
       << "of whole clusters; where little flips, exact bounds on the share of clusters take over. "
          "An outcome is decided "
       << "only if the base is above its chance floor by at least the margin and the positive "
          "control is detected; "
       << "otherwise it is undecidable, which is no pass.</p>\n";
  add_part(view, "policy", "Policy", "What was declared before the first item was asked.", html);
  add_part(view, "controls", "Controls",
           "The positive control must be seen, the negative control must change nothing.", html);
  add_part(view, "self_test", "Self-test", "Run on this model and this machine before the study.",
           html);
  add_part(view, "tasks", "Tasks", "What was asked, from which data.", html);
  add_part(view, "calibration", "Calibration",
           "The text that the compression methods saw, and its 13-gram overlap with every "
           "evaluation set.",
           html);
  html << "</section>\n";
}

void add_provenance(const View& view, Html& html) {
  html << "<section id=\"provenance\" aria-labelledby=\"provenance-h\"><h2 "
          "id=\"provenance-h\">Provenance</h2>\n";
  add_part(view, "model", "Base model", "The reference of every comparison.", html);
  add_part(view, "tokenizer", "Tokenizer", "Shared by base and variants.", html);
  add_variants(view, html);
  add_part(view, "x_assay", "Run", "Times and dates; nothing else of this report depends on them.",
           html);
  html << "</section>\n";
}

}  // namespace assay::report
