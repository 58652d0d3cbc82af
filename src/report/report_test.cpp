#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/page.h"
#include "report/terminal.h"
#include "report/text.h"
#include "report/view.h"

namespace assay::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The example of docs/summary-json.md: what the report reads is what is documented.
Json documented_summary() {
  const std::string page =
      read_file(std::filesystem::path(ASSAY_SOURCE_DIR) / "docs" / "summary-json.md");
  const size_t start = page.find("```json\n") + 8;
  return parse_json(std::string_view(page).substr(start, page.find("\n```", start) - start),
                    "docs/summary-json.md");
}

// Every string that is not one of the schema's words replaced by `text`.
void poison(Json& value, const std::string& text) {
  for (auto& [key, entry] : value.items()) {
    if (key == "verdict" || key == "direction" || key == "scale" || key == "control") continue;
    if (entry.is_string()) {
      entry = text;
    } else if (entry.is_structured()) {
      poison(entry, text);
    }
  }
}

size_t fields_of_csv_line(const std::string& line) {
  size_t fields = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++fields;
  }
  return fields;
}

TEST(View, LeavesSettingsOutThatAreOff) {
  Json summary = documented_summary();
  summary["variants"][0]["settings"] = {{"method", "gptq"}, {"bits", 3},
                                        {"sym", false},     {"mask", "none"},
                                        {"desc_act", true}, {"parity", Json::array()}};
  EXPECT_EQ(view_of_summary(summary).variants[0].settings, "bits 3, desc_act true");
}

TEST(View, ReadsTheDocumentedExample) {
  const View view = view_of_summary(documented_summary());
  EXPECT_EQ(view.study, "smollm2-demo");
  EXPECT_TRUE(view.reference_quantized);
  ASSERT_EQ(view.variants.size(), 1u);
  EXPECT_EQ(view.variants[0].settings, "bits 3, group_size 64");
  ASSERT_EQ(view.results.size(), 1u);
  const Result& r = view.results[0];
  EXPECT_EQ(r.verdict, Verdict::kWorse);
  EXPECT_DOUBLE_EQ(r.difference.low, -0.103);
  EXPECT_EQ(r.base_only, 114);
  EXPECT_EQ(r.changed, 203);
  EXPECT_EQ(r.unscored_reasons, "variant: NaN × 1");
  EXPECT_EQ(r.cross_check, "CR2, Satterthwaite 87.1 df: [−0.104, −0.036]");
  EXPECT_EQ(view.flipped.at(0).changed.prediction, 0);
  EXPECT_EQ(view.num_flipped, 161);
  EXPECT_EQ(overall(view, "rtn-3bit"), "fail");
  const auto files = inspected_files(view);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].arm, "base");
  EXPECT_TRUE(std::isnan(files[0].file->linears.relative_error));
  EXPECT_EQ(files[1].arm, "rtn-3bit");
  EXPECT_DOUBLE_EQ(files[1].file->linears.relative_error, 0.137);
}

// As written before files were inspected.
TEST(View, ReadsASummaryWithoutInspections) {
  Json summary = documented_summary();
  summary.erase("base_inspection");
  summary["variants"][0].erase("inspection");
  const View view = view_of_summary(summary);
  EXPECT_TRUE(inspected_files(view).empty());
  for (const std::string& text :
       {page_of(view), markdown_of(view), terminal_table(view, 100, Colours::kNone)}) {
    EXPECT_THAT(text, Not(HasSubstr("What is in the files")));
    EXPECT_THAT(text, Not(HasSubstr("#files")));
    EXPECT_THAT(text, Not(HasSubstr("FINDING")));
    EXPECT_THAT(text, HasSubstr("rtn-3bit"));
  }
}

TEST(View, NamesTheEntryThatIsWrong) {
  const auto message_of = [](const Json& summary) -> std::string {
    try {
      view_of_summary(summary);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "nothing thrown";
  };
  Json summary = documented_summary();
  summary["results"][0]["verdict"] = "wors";
  EXPECT_EQ(message_of(summary), "summary: results[0]: no verdict 'wors' (did you mean 'worse'?)");
  summary = documented_summary();
  summary["results"][0]["p"] = "small";
  EXPECT_EQ(message_of(summary), "summary: results[0]: 'p' must be a number, got \"small\"");
  summary = documented_summary();
  summary["variants"][0].erase("name");
  EXPECT_EQ(message_of(summary), "summary: variants[0]: missing key 'name'");
  summary = documented_summary();
  summary["variants"][0]["inspection"]["linears"]["zeros"] = "few";
  EXPECT_EQ(message_of(summary),
            "summary: variants[0]: inspection: 'zeros' must be a number, got \"few\"");
  summary = documented_summary();
  summary["results"] = 3;
  EXPECT_EQ(message_of(summary), "summary: 'results' must be a list, got number");
}

TEST(View, SaysVariantDimensionAndVerdictOnce) {
  const auto shown = [](const std::string& text) {
    const Json summary{
        {"study", "s"},
        {"sentences",
         {{{"variant", "v"}, {"dimension", "d"}, {"verdict", "worse"}, {"text", text}}}}};
    return view_of_summary(summary).sentences.at(0).text;
  };
  EXPECT_EQ(shown("v, d: worse (below 0 (by 2)). acc fell from 1 to 0."),
            "Below 0 (by 2). acc fell from 1 to 0.");
  EXPECT_EQ(shown("v, d: worse. acc fell from 1 to 0."), "acc fell from 1 to 0.");
  EXPECT_EQ(shown("another sentence."), "another sentence.");
}

// By statistics' rule: any worse primary outcome fails, else any undecided one cannot decide, else
// pass.
TEST(Overall, FollowsTheGatesRule) {
  View view;
  const auto add = [&](Verdict verdict, bool primary) {
    Result& r = view.results.emplace_back();
    r.variant = "v";
    r.verdict = verdict;
    r.primary = primary;
  };
  EXPECT_EQ(overall(view, "v"), "–");
  add(Verdict::kMuchWorse, false);  // exploratory: decides nothing
  EXPECT_EQ(overall(view, "v"), "–");
  add(Verdict::kNonInferior, true);
  EXPECT_EQ(overall(view, "v"), "pass");
  add(Verdict::kNotInterpretable, true);
  EXPECT_EQ(overall(view, "v"), "cannot decide");
  add(Verdict::kWorse, true);
  EXPECT_EQ(overall(view, "v"), "fail");
}

TEST(Csv, HasOneValueForEveryColumn) {
  const std::string csv = csv_of(view_of_summary(documented_summary()));
  std::istringstream lines(csv);
  std::string header, row;
  std::getline(lines, header);
  std::getline(lines, row);
  EXPECT_EQ(fields_of_csv_line(header), fields_of_csv_line(row));
  EXPECT_THAT(row, HasSubstr("rtn-3bit,rtn,\"bits 3, group_size 64\",,3.5,0"));
  EXPECT_THAT(row, HasSubstr(",-0.07,-0.103,-0.037,0.05,0.047,"));
}

TEST(Csv, DisarmsFormulasAndQuotesSeparators) {
  Json summary = documented_summary();
  summary["results"][0]["reason"] = "=HYPERLINK(\"x\"),\nnext";
  const std::string csv = csv_of(view_of_summary(summary));
  EXPECT_THAT(csv, HasSubstr(",\"'=HYPERLINK(\"\"x\"\"),\nnext\","));
}

TEST(Markdown, ShowsReferenceVerdictAndDetectableEffect) {
  const std::string markdown = markdown_of(view_of_summary(documented_summary()));
  EXPECT_THAT(markdown, HasSubstr("> **reference = dequantized Q4\\_1, not the published model**"));
  EXPECT_THAT(markdown, HasSubstr("| rtn-3bit | 3.50 | 0.0 % | 61.0 MB | fail |"));
  EXPECT_THAT(markdown, HasSubstr("| −0.070 [−0.103, −0.037] | 0.050 | 0.047 | ▼ worse"));
}

TEST(Markdown, EscapesWhatWouldBeMarkup) {
  Json summary = documented_summary();
  summary["study"] = "[x](javascript:1) <b> | `a` \n# h";
  EXPECT_THAT(markdown_of(view_of_summary(summary)),
              HasSubstr("# assay: \\[x\\]\\(javascript:1\\) &lt;b> \\| \\`a\\`  \\# h\n"));
}

TEST(Markdown, HasATableOfTheFiles) {
  const std::string markdown = markdown_of(view_of_summary(documented_summary()));
  EXPECT_THAT(markdown, HasSubstr("| base | SmolLM2-135M-Instruct.Q4\\_1.gguf: decoded Q4\\_1 | "
                                  "98.1 MB | 5.00 | 0.2 % | 0.4 % | – | none |"));
  EXPECT_THAT(markdown, HasSubstr(" | 0.137 | **1** |"));
  EXPECT_THAT(markdown, HasSubstr("**Findings in rtn-3bit**\n\n- model.layers.3.mlp.up\\_proj"));
}

TEST(TerminalTable, FitsTheWidthAndKeepsColoursApart) {
  const View view = view_of_summary(documented_summary());
  for (const size_t width : {40u, 60u, 100u, 200u}) {
    std::istringstream lines(terminal_table(view, width, Colours::kNone));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(display_width(line), width) << line;
      EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    }
  }
  EXPECT_THAT(terminal_table(view, 120, Colours::kAnsi),
              HasSubstr("\x1b[31m▼ −0.070 [−0.103, −0.037]\x1b[0m"));
}

TEST(TerminalTable, EndsWithFindings) {
  Json summary = documented_summary();
  summary["base_inspection"]["findings"] = std::vector<std::string>(kFindingsShown + 2, "odd");
  const std::string table = terminal_table(view_of_summary(summary), 100, Colours::kAnsi);
  EXPECT_THAT(table, HasSubstr("\x1b[31mFINDING in base: odd\x1b[0m\n"));
  EXPECT_THAT(table, HasSubstr("FINDING in base: and 2 more, see the report"));
  EXPECT_THAT(table, HasSubstr("FINDING in rtn-3bit: model.layers.3.mlp.up_proj.weight: its mean"));
}

TEST(TerminalTable, LetsNoEscapeSequenceThrough) {
  Json summary = documented_summary();
  poison(summary, "\x1b]0;owned\x07\n\x1b[2J");
  EXPECT_THAT(terminal_table(view_of_summary(summary), 100, Colours::kNone),
              Not(HasSubstr("\x1b")));
}

TEST(Page, SaysWhatTheSummarySays) {
  const std::string page = page_of(view_of_summary(documented_summary()));
  EXPECT_THAT(page, HasSubstr("reference = dequantized Q4_1, not the published model"));
  EXPECT_THAT(page, HasSubstr("<td class=\"num\">0.620 [0.585, 0.655]</td>"));
  EXPECT_THAT(page, HasSubstr("stereoqa acc fell by 0.070 [0.037, 0.103]"));
  EXPECT_THAT(page, HasSubstr("I saw ..."));
  EXPECT_THAT(page, HasSubstr("0 of 64 results differ"));
  EXPECT_THAT(page, HasSubstr("Nothing here is a statement about the original model"));
}

TEST(Page, ShowsWhatIsInTheFiles) {
  Json summary = documented_summary();
  std::string page = page_of(view_of_summary(summary));
  EXPECT_THAT(page, HasSubstr("<li><a href=\"#files\">"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">base</th><td>SmolLM2-135M-Instruct.Q4_1.gguf: "
                              "decoded Q4_1</td><td class=\"num\">98.1 MB</td>"));
  EXPECT_THAT(page, HasSubstr("<strong class=\"finding\">1 finding</strong>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"#files\">1 finding</a> in its file"));  // on its card
  EXPECT_THAT(page, HasSubstr("<details><summary>By role: rtn-3bit</summary>"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">self_attn.q_proj</th>"));
  EXPECT_THAT(page, Not(HasSubstr("contradicts itself</strong>")));  // not of the base
  EXPECT_THAT(page, Not(HasSubstr(" more</summary>")));

  summary["base_inspection"]["findings"] = std::vector<std::string>(kFindingsShown + 2, "<b>!");
  page = page_of(view_of_summary(summary));
  EXPECT_THAT(page, HasSubstr("contradicts itself</strong>: <a href=\"#files\">7 findings</a>"));
  EXPECT_THAT(page, HasSubstr("<li>&lt;b&gt;!</li>\n</ul>\n<details><summary>2 more</summary>"));
}

TEST(Page, LoadsNothingAndAllowsOnlyItsOwnScript) {
  const std::string page = page_of(view_of_summary(documented_summary()));
  EXPECT_THAT(page, HasSubstr("default-src 'none'; script-src 'sha256-"));
  EXPECT_THAT(page, Not(HasSubstr("unsafe-inline")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"")));
  EXPECT_THAT(page, Not(HasSubstr("<link")));
  EXPECT_THAT(page, Not(HasSubstr("style=\"")));
}

TEST(Page, LetsNoTextBecomeMarkup) {
  const View clean = view_of_summary(documented_summary());
  const auto count_of = [](const std::string& page, std::string_view what) {
    size_t n = 0;
    for (size_t at = page.find(what); at != std::string::npos; at = page.find(what, at + 1)) ++n;
    return n;
  };
  const std::string expected = page_of(clean);
  for (const std::string text :
       {"</script><script>hacked()</script>", "<!--<script>", "\"><img src=x onerror=hacked()>",
        "'><svg/onload=hacked()>", "</style><base href=//x>", "\xFF\xFE<b>"}) {
    SCOPED_TRACE(text);
    Json summary = documented_summary();
    poison(summary, text);
    const std::string page = page_of(view_of_summary(summary));
    // As many tags of each kind as with harmless text.
    for (const char* tag :
         {"<script", "</script", "<style", "<img", "<svg", "<base", "<b>", "<!--", "<td", "<li"}) {
      EXPECT_EQ(count_of(page, tag), count_of(expected, tag)) << tag;
    }
  }
}

TEST(Page, IsTheSameForTheSameSummary) {
  EXPECT_EQ(page_of(view_of_summary(documented_summary())),
            page_of(view_of_summary(documented_summary())));
}

TEST(WriteReports, WritesFourFilesAndReadsItsSummaryAgain) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("report_test_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const Json summary = documented_summary();
  write_reports(summary, folder);
  for (const char* name : {"report.html", "summary.json", "summary.csv", "summary.md"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  }
  EXPECT_EQ(read_summary(folder), summary);
  EXPECT_EQ(read_summary(folder / "summary.json"), summary);
  std::filesystem::remove_all(folder);
}

TEST(WriteReports, ChecksTheSummaryBeforeItWritesAnything) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("report_test_bad_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  EXPECT_THROW(write_reports(Json::object(), folder), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay::report
