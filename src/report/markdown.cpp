#include "report/markdown.h"

#include <algorithm>

#include "report/number_text.h"
#include "report/text.h"

namespace assay::report {

std::string escape_markdown(std::string_view text) {
  std::string out;
  for (const char c : clean_line(text)) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      if (std::string_view("\\`*_{}[]()#|!~").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

namespace {

// One table, and under it what contradicts itself.
void add_files(const View& view, std::string& out) {
  const std::vector<InspectedFile> files = inspected_files(view);
  if (files.empty()) return;
  out +=
      "\n## What is in the files\n\nCounted from the decoded weights; bits, zeros, groups and "
      "error "
      "of the linears of all blocks.\n\n"
      "| arm | file | size | bits per weight | zeros | 2:4 groups | relative error | findings |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const auto& [arm, file] : files) {
    const RoleInspection& linears = file->linears;
    const size_t count = file->findings.size();
    out += "| " + escape_markdown(arm) + " | " + escape_markdown(file->format) + " | " +
           size_text(static_cast<double>(file->stored_bytes)) + " | " + bits_text(linears.bits) +
           " | " + percent_text(linears.zeros) + " | " + percent_text(linears.groups_2_4) + " | " +
           error_text(linears.relative_error) + " | " +
           (count == 0 ? "none" : "**" + std::to_string(count) + "**") + " |\n";
  }
  for (const auto& [arm, file] : files) {
    const size_t count = file->findings.size(), shown = std::min(count, kFindingsShown);
    if (count > 0) out += "\n**Findings in " + escape_markdown(arm) + "**\n\n";
    for (size_t i = 0; i < shown; ++i) out += "- " + escape_markdown(file->findings[i]) + "\n";
    if (shown < count) out += "- and " + std::to_string(count - shown) + " more\n";
  }
}

void add_variant(const View& view, const Variant& variant, std::string& out) {
  out += "\n### " + escape_markdown(variant.name);
  if (!variant.control.empty()) out += " (" + escape_markdown(variant.control) + " control)";
  out += "\n\n";
  for (const std::string& note : variant.notes) out += escape_markdown(note) + "\n\n";
  for (const Sentence& s : view.sentences) {
    if (s.variant == variant.name)
      out += "- **" + escape_markdown(s.dimension) + "**: " + std::string(verdict_name(s.verdict)) +
             ". " + escape_markdown(s.text) + "\n";
  }
  out +=
      "\n| task | outcome | base | variant | difference (95 % interval) | margin | detectable | "
      "verdict |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const Result* r : results_of(view, variant.name)) {
    if (!r->primary) continue;
    out += "| " + escape_markdown(r->task) + " | " + escape_markdown(r->outcome) + " | " +
           number_text(r->base.value) + " | " + number_text(r->variant_value.value) + " | " +
           effect_text(*r) + " | " + margin_text(*r) + " | " + mde_text(*r) + " | " +
           std::string(verdict_glyph(r->verdict)) + " " + std::string(verdict_name(r->verdict)) +
           (r->reason.empty() ? "" : ": " + escape_markdown(r->reason)) + " |\n";
  }
}

}  // namespace

std::string markdown_of(const View& view) {
  std::string out = "# assay: " + escape_markdown(view.study) + "\n\n";
  out += std::string(view.reference_quantized ? "> **" : "> ") +
         escape_markdown(view.reference_text) + (view.reference_quantized ? "**" : "") + "\n\n";
  out += "| variant | bits per weight | zeros | size | result |\n|---|---|---|---|---|\n";
  for (const Variant& v : view.variants) {
    out += "| " + escape_markdown(v.name) +
           (v.control.empty() ? "" : " (" + escape_markdown(v.control) + " control)") + " | " +
           bits_text(v.bits) + " | " + percent_text(v.sparsity) + " | " + size_text(v.size_bytes) +
           " | " + std::string(overall(view, v.name)) + " |\n";
  }
  out +=
      "\nDifferences are oriented: negative is harm; × is the ratio to the base. The result is "
      "*pass* when every primary outcome is non-inferior, "
      "*fail* when one is worse, else *cannot decide*.\n";
  for (const Variant& v : view.variants) {
    if (!results_of(view, v.name).empty()) add_variant(view, v, out);
  }
  add_files(view, out);
  return out;
}

}  // namespace assay::report
