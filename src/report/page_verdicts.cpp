#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

std::string_view overall_class(std::string_view result) {
  return result == "pass" ? "ok" : result == "fail" ? "worse" : "undecidable";
}

void add_sentence(const Sentence& sentence, Html& html) {
  html << "<li class=\"v-" << verdict_class(sentence.verdict)
       << "\"><span class=\"glyph\" aria-hidden=\"true\">" << verdict_glyph(sentence.verdict)
       << "</span><div><strong>" << sentence.dimension << "</strong> <span class=\"tag\">"
       << verdict_name(sentence.verdict) << "</span><p>" << sentence.text << "</p></div></li>\n";
}

void add_facts(const Variant& v, Html& html) {
  html << "<p class=\"facts\">" << v.method;
  if (!v.settings.empty()) html << " (" << v.settings << ")";
  html << " · " << bits_text(v.bits) << " bits per weight · " << percent_text(v.sparsity)
       << " zeros · " << size_text(v.size_bytes) << "</p>\n";
  for (const std::string& note : v.notes) html << "<p class=\"facts\">" << note << "</p>\n";
  if (v.file && !v.file->findings.empty()) {
    html << "<p class=\"facts finding\"><a href=\"#files\">" << findings_text(*v.file)
         << "</a> in its file</p>\n";
  }
}

void add_card(const View& view, const Variant& v, Html& html) {
  const std::string_view result = overall(view, v.name);
  html << "<article class=\"card\"><div class=\"card-head\"><h3>" << v.name << "</h3>";
  if (!v.control.empty()) {
    html << "<span class=\"tag control\">" << v.control << " control</span>";
  } else {
    html << "<span class=\"chip v-" << overall_class(result) << "\">" << result << "</span>";
  }
  html << "</div>\n";
  add_facts(v, html);
  html << "<ul class=\"sentences\">\n";
  for (const Sentence& s : view.sentences) {
    if (s.variant == v.name) add_sentence(s, html);
  }
  html << "</ul></article>\n";
}

void add_verdict_key(Html& html) {
  html << "<ul class=\"key\" aria-label=\"Verdicts\">"
       << "<li class=\"v-ok\"><span class=\"glyph\">✓</span> non-inferior: any harm is smaller "
          "than the margin</li>"
       << "<li class=\"v-worse\"><span class=\"glyph\">▼</span> worse: harm is shown</li>"
       << "<li class=\"v-much-worse\"><span class=\"glyph\">▼▼</span> much worse: by more than the "
          "margin</li>"
       << "<li class=\"v-undecidable\"><span class=\"glyph\">?</span> undecidable: these items "
          "cannot tell</li>"
       << "<li class=\"v-uninterpretable\"><span class=\"glyph\">⊘</span> not interpretable: the "
          "text is degenerate"
       << "</li></ul>\n";
}

}  // namespace

void add_verdicts(const View& view, Html& html) {
  html << "<section id=\"verdicts\" aria-labelledby=\"verdicts-h\"><h2 "
          "id=\"verdicts-h\">Verdicts</h2>\n"
       << "<p>A variant passes when every primary outcome is non-inferior, fails when one is "
          "worse, and otherwise "
       << "cannot be decided. Beside each verdict stands the smallest harm that these items would "
          "have detected "
       << "in 80 % of repetitions.</p>\n";
  add_verdict_key(html);
  html << "<div class=\"cards\">\n";
  for (const Variant& v : view.variants) {
    if (!results_of(view, v.name).empty()) add_card(view, v, html);
  }
  html << "</div></section>\n";
}

}  // namespace assay::report
