#include "report/terminal.h"

#include <algorithm>
#include <span>
#include <vector>

#include "report/number_text.h"
#include "report/text.h"

namespace assay::report {
namespace {

constexpr size_t kMinWidth = 40;
constexpr size_t kMaxNameWidth = 28;
constexpr size_t kMaxCellWidth = 30;

struct Cell {
  std::string text;
  std::string_view colour;  // ANSI parameters, "" for none
};

struct Column {
  std::vector<Cell> cells;  // heading first, then a cell a variant
  size_t width = 0;
};

std::string_view colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNonInferior:
      return "32";
    case Verdict::kWorse:
    case Verdict::kMuchWorse:
      return "31";
    default:
      return "33";
  }
}

std::string_view colour_of_overall(std::string_view result) {
  return result == "pass" ? "32" : result == "fail" ? "31" : "33";
}

void add(Column& column, std::string text, std::string_view colour, size_t max_width) {
  text = cut_to_width(clean_line(text), max_width);
  column.width = std::max(column.width, display_width(text));
  column.cells.push_back({std::move(text), colour});
}

std::string padded(const Cell& cell, size_t width, Colours colours) {
  const std::string spaces(width - display_width(cell.text), ' ');
  if (colours == Colours::kNone || cell.colour.empty()) return cell.text + spaces;
  return "\x1b[" + std::string(cell.colour) + "m" + cell.text + "\x1b[0m" + spaces;
}

Column names_column(const View& view) {
  Column column;
  add(column, "variant", "1", kMaxNameWidth);
  for (const Variant& v : view.variants) {
    const std::string mark = v.control == "positive"   ? " (+)"
                             : v.control == "negative" ? " (−)"
                                                       : "";
    add(column, cut_to_width(clean_line(v.name), kMaxNameWidth - mark.size()) + mark, "",
        kMaxNameWidth);
  }
  return column;
}

std::vector<Column> value_columns(const View& view, size_t max_width) {
  std::vector<Column> columns(3);
  add(columns[0], "result", "1", max_width);
  add(columns[1], "bits", "1", max_width);
  add(columns[2], "zeros", "1", max_width);
  for (const Variant& v : view.variants) {
    add(columns[0], std::string(overall(view, v.name)), colour_of_overall(overall(view, v.name)),
        max_width);
    add(columns[1], bits_text(v.bits), "", max_width);
    add(columns[2], percent_text(v.sparsity), "", max_width);
  }
  for (const OutcomeKey& key : outcomes_of(view)) {
    if (!key.primary) continue;
    Column& column = columns.emplace_back();
    add(column, key.task + " " + key.outcome, "1", max_width);
    for (const Variant& v : view.variants) {
      const Result* r = find_result(view, v.name, key);
      if (r == nullptr) {
        add(column, "–", "", max_width);
      } else {
        add(column, std::string(verdict_glyph(r->verdict)) + " " + effect_text(*r),
            colour_of(r->verdict), max_width);
      }
    }
  }
  return columns;
}

void add_block(const Column& names, std::span<const Column> columns, Colours colours,
               std::string& out) {
  for (size_t row = 0; row < names.cells.size(); ++row) {
    std::string line = padded(names.cells[row], names.width, colours);
    for (const Column& column : columns)
      line += "  " + padded(column.cells[row], column.width, colours);
    out += line.erase(line.find_last_not_of(' ') + 1) + "\n";
    if (row != 0) continue;
    size_t width = names.width;
    for (const Column& column : columns) width += 2 + column.width;
    for (size_t i = 0; i < width; ++i) out += "─";
    out += "\n";
  }
}

// For each task with choices the variant's result over the most items; outcomes of one task may be
// about different items.
std::vector<const Result*> widest_flips(const View& view, const std::string& variant) {
  std::vector<const Result*> widest;
  for (const Result& result : view.results) {
    if (!result.has_flips || result.variant != variant) continue;
    const auto same = std::ranges::find(widest, result.task, &Result::task);
    if (same == widest.end()) {
      widest.push_back(&result);
    } else if (result.num_items > (*same)->num_items) {
      *same = &result;
    }
  }
  return widest;
}

// A row for each variant and task with choices: which arm is right on how many items, and how many
// answers changed. Descriptive.
std::vector<Column> flip_columns(const View& view) {
  std::vector<Column> columns(7);
  size_t c = 0;
  for (const char* heading :
       {"flips", "task", "both right", "base only", "variant only", "both wrong", "changed"}) {
    add(columns[c++], heading, "1", kMaxNameWidth);
  }
  for (const Variant& v : view.variants) {
    for (const Result* r : widest_flips(view, v.name)) {
      add(columns[0], v.name, "", kMaxNameWidth);
      add(columns[1], r->task, "", kMaxNameWidth);
      c = 2;
      for (const int64_t count :
           {r->both_right, r->base_only, r->variant_only, r->both_wrong, r->changed}) {
        add(columns[c++], count_text(count), "", kMaxCellWidth);
      }
    }
  }
  return columns;
}

// Columns beside `names`, in as many blocks as the width asks for.
void add_blocks(const Column& names, std::span<const Column> columns, size_t width, Colours colours,
                std::string& out) {
  for (size_t first = 0; first < columns.size();) {
    size_t used = names.width, last = first;
    while (last < columns.size() && (last == first || used + 2 + columns[last].width <= width))
      used += 2 + columns[last++].width;
    add_block(names, columns.subspan(first, last - first), colours, out);
    out += "\n";
    first = last;
  }
}

// What of a file contradicts itself, a line each.
void add_findings(const View& view, size_t width, Colours colours, std::string& out) {
  const auto add_line = [&](const std::string& text) {
    const Cell cell{cut_to_width(clean_line(text), width), "31"};
    out += padded(cell, display_width(cell.text), colours) + "\n";
  };
  for (const auto& [arm, file] : inspected_files(view)) {
    const size_t count = file->findings.size(), shown = std::min(count, kFindingsShown);
    for (size_t i = 0; i < shown; ++i) add_line("FINDING in " + arm + ": " + file->findings[i]);
    if (shown < count) {
      add_line("FINDING in " + arm + ": and " + std::to_string(count - shown) +
               " more, see the report");
    }
    if (count > 0) out += "\n";
  }
}

}  // namespace

std::string terminal_table(const View& view, size_t width, Colours colours) {
  width = std::max(width, kMinWidth);
  std::string out = cut_to_width(clean_line(view.reference_text), width) + "\n\n";
  const Column names = names_column(view);
  const size_t room = width - names.width - 2;
  const std::vector<Column> columns = value_columns(view, std::min(room, kMaxCellWidth));
  add_blocks(names, columns, width, colours, out);
  const auto flips = flip_columns(view);
  if (flips[0].cells.size() > 1) {
    add_blocks(flips[0], std::span(flips).subspan(1), width, colours, out);
  }
  add_findings(view, width, colours, out);
  out += cut_to_width("✓ non-inferior  ▼ worse  ▼▼ much worse  ? undecidable  ⊘ not interpretable",
                      width) +
         "\n";
  out +=
      cut_to_width(
          "differences with 95 % interval; negative is harm, × ratio to the base; (+) (−) controls",
          width) +
      "\n";
  return out;
}

}  // namespace assay::report
