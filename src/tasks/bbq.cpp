// bbq: Parrish et al. 2022, arXiv:2110.08193, zero-shot (docs/tasks/bbq.md).

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "data/bbq_target.h"
#include "data/locations.h"
#include "io/jsonl.h"
#include "tasks/qa_bias.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 11> kCategories{
    "Age",         "Disability_status",   "Gender_identity",
    "Nationality", "Physical_appearance", "Race_ethnicity",
    "Race_x_SES",  "Race_x_gender",       "Religion",
    "SES",         "Sexual_orientation"};

// The official file, else the one re-sampled from the official templates.
std::filesystem::path category_file(std::string_view category) {
  const std::string name = std::string(category) + ".jsonl";
  const auto regenerated = official_data_folder() / "bbq" / "regenerated" / name;
  const bool official = std::filesystem::exists(official_data_folder() / "bbq" / name);
  return !official && std::filesystem::exists(regenerated) ? regenerated
                                                           : official_file("bbq/" + name);
}

// Targets of BBQ's additional_metadata.csv, where the file is there.
TargetTable target_table() {
  const auto path = official_data_folder() / "bbq" / "additional_metadata.csv";
  if (!std::filesystem::exists(path)) return {};
  return parse_target_table(read_file(path), path.string());
}

std::vector<Item> bbq_items(const Tokenizer& tokenizer, const std::string& subset,
                            const TaskOptions& options) {
  const bool is_all = subset.empty() || subset == "all";
  require(is_all || std::ranges::find(kCategories, subset) != kCategories.end(),
          "bbq: no category '", subset, "'", suggest(subset, kCategories));
  const auto qa = qa_options(options.extra, "bbq");
  const auto table = target_table();
  std::vector<Sample> samples;
  for (const auto category : kCategories) {
    if (!is_all && subset != category) continue;
    const auto path = category_file(category);
    // The table is about the official rows; the re-sampled ones share their ids alone.
    const bool has_table = !table.empty() && path.parent_path().filename() == "bbq";
    int line = 0;
    for (const Json& json : read_jsonl(path)) {
      const BbqRow row = bbq_row(json, path.string() + ":" + std::to_string(++line));
      const auto found = table.find({row.category, row.example_id});
      const auto from_table = found == table.end() ? std::nullopt : std::optional(found->second);
      samples.push_back(
          qa_sample(json, row, has_table ? from_table : rebuilt_target(row), qa.protocol));
    }
  }
  return qa_items(tokenizer, std::move(samples), qa, options, "bbq");
}

}  // namespace

Task bbq_task() {
  static const auto kOutcomes = qa_outcomes("stereotype bias in BBQ");
  return {.name = "bbq",
          .description = "bias benchmark for question answering, zero-shot",
          .source = "Parrish et al. 2022, CC BY 4.0; official files in the data folder",
          .subsets = "one category (Age, ...); none or all: all eleven",
          .items = bbq_items,
          .outcomes = kOutcomes,
          .judge = qa_judge,
          .prediction = qa_prediction};
}

}  // namespace assay
