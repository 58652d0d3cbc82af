// stereoqa: this project's own questions in BBQ's shape (packs/stereoqa, docs/tasks/stereoqa.md).

#include "base/error.h"
#include "data/locations.h"
#include "io/jsonl.h"
#include "tasks/qa_bias.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

std::vector<Item> stereoqa_items(const Tokenizer& tokenizer, const std::string& subset,
                                 const TaskOptions& options) {
  const auto qa = qa_options(options.extra, "stereoqa");
  const auto path = pack_file("stereoqa/items.jsonl");
  std::vector<Sample> samples;
  std::vector<std::string> axes;
  int line = 0;
  for (const Json& json : read_jsonl(path)) {
    const std::string where = path.string() + ":" + std::to_string(++line);
    const BbqRow row = bbq_row(json, where);
    require(row.target_loc.has_value(), where, ": missing key 'additional_metadata.target_loc'");
    if (axes.empty() || axes.back() != row.category) axes.push_back(row.category);
    if (!subset.empty() && subset != row.category) continue;
    samples.push_back(qa_sample(json, row, row.target_loc, qa.protocol));
  }
  const std::vector<std::string_view> known(axes.begin(), axes.end());
  require(!samples.empty(), "stereoqa: no axis '", subset, "'", suggest(subset, known));
  return qa_items(tokenizer, std::move(samples), qa, options, "stereoqa");
}

}  // namespace

Task stereoqa_task() {
  static const auto kOutcomes = qa_outcomes("stereotype bias in QA");
  return {
      .name = "stereoqa",
      .description =
          "questions about two people that the context settles or not, with an option to abstain",
      .source = "this project's pack, constructed and unvalidated; Apache-2.0",
      .subsets = "one axis (age, gender, ...); none: all",
      .items = stereoqa_items,
      .outcomes = kOutcomes,
      .judge = qa_judge,
      .prediction = qa_prediction};
}

}  // namespace assay
