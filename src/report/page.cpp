#include "report/page.h"

#include "report/page_assets.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

void add_head(const View& view, const PageAssets& assets, Html& html) {
  html << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
       << "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
          "'sha256-";
  html.embed(assets.script_sha256) << "'; style-src 'sha256-";
  html.embed(assets.style_sha256)
      << "'; base-uri 'none'; form-action 'none'; "
      << "require-trusted-types-for 'script'; trusted-types 'none'\">\n"
      << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      << "<meta name=\"color-scheme\" content=\"light dark\">\n"
      << "<meta name=\"referrer\" content=\"no-referrer\">\n"
      << "<title>" << view.study << " – assay</title>\n<style>";
  html.embed(assets.style) << "</style>\n</head>\n";
}

void add_banner(const View& view, Html& html) {
  if (view.reference_text.empty()) return;
  html << (view.reference_quantized
               ? Literal("<p class=\"reference quantized\" role=\"note\"><strong>")
               : Literal("<p class=\"reference\" role=\"note\"><span>"))
       << view.reference_text
       << (view.reference_quantized
               ? Literal("</strong> Nothing here is a statement about the original model, "
                         "about methods in general or about lossless bit widths.</p>\n")
               : Literal("</span></p>\n"));
}

// Every comparison stands on the base.
void add_base_findings(const View& view, Html& html) {
  if (!view.base_file || view.base_file->findings.empty()) return;
  html << "<p class=\"reference finding\" role=\"note\"><strong>The file of the base contradicts "
          "itself</strong>: <a href=\"#files\">"
       << findings_text(*view.base_file) << "</a>.</p>\n";
}

void add_header(const View& view, Html& html) {
  html << "<header>\n<p class=\"brand\">assay report</p>\n<h1>" << view.study << "</h1>\n"
       << "<p class=\"lede\">What compression did to this model, item by item: base and variants "
          "answered the same "
       << "questions, and every difference below is paired.</p>\n";
  add_banner(view, html);
  add_base_findings(view, html);
  html << "<nav aria-label=\"Sections\"><ul>"
       << "<li><a href=\"#verdicts\">Verdicts</a></li><li><a href=\"#map\">Heat map</a></li>"
       << "<li><a href=\"#sizes\">Size and quality</a></li>";
  if (!inspected_files(view).empty())
    html << "<li><a href=\"#files\">What is in the files</a></li>";
  html << "<li><a href=\"#flips\">Flipped items</a></li>"
       << "<li><a href=\"#groups\">Groups</a></li><li><a href=\"#results\">All numbers</a></li>"
       << "<li><a href=\"#method\">Method</a></li><li><a "
          "href=\"#provenance\">Provenance</a></li></ul></nav>\n"
       << "</header>\n";
}

void add_footer(const View& view, Html& html) {
  html << "<footer><p>Written by assay " << view.assay_version
       << ". This file holds everything it shows and loads nothing from the network. Plots by "
          "Observable Plot and D3 "
       << "(ISC licence).</p></footer>\n";
}

}  // namespace

std::string page_of(const View& view) {
  const PageAssets assets = page_assets();
  Html html;
  add_head(view, assets, html);
  html << "<body>\n<a class=\"skip\" href=\"#verdicts\">Skip to the verdicts</a>\n";
  add_header(view, html);
  html << "<main>\n";
  for (const auto add : {add_verdicts, add_heat_map, add_sizes, add_files, add_flips, add_groups,
                         add_results, add_method, add_provenance}) {
    add(view, html);
  }
  html << "</main>\n";
  add_footer(view, html);
  html << "<script type=\"application/json\" id=\"data\">";
  html.embed(script_json(page_data(view))) << "</script>\n<script>";
  html.embed(assets.script) << "</script>\n</body>\n</html>\n";
  return html.str();
}

}  // namespace assay::report
