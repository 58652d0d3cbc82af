#pragma once
// Which option of a BBQ row shows the stereotype (target_loc), and whether its people have names.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "data/bbq.h"

namespace assay {

// The option that shows the stereotype: for "neg" questions the one of the stereotyped group, for
// "nonneg" the other one that does not abstain. Nothing when no option or more than one belongs to
// the stereotyped group. Rebuilt from the row by the rules of BBQ's
// analysis_scripts/BBQ_results_metadata.R; that script reads the second attribute of the two
// intersectional categories (which gender, which economic status) from the question templates:
// known_second_attribute.
std::optional<int> rebuilt_target(const BbqRow& row);

// "M" or "F" for a template of Race_x_gender, "lowSES" or "highSES" for one of Race_x_SES.
// Error(kBadInput) on a template that the published set does not have.
std::string known_second_attribute(const std::string& category, const std::string& question_index);

// (category, example_id) -> target_loc of BBQ's additional_metadata.csv; rows without a target are
// not in the map. Error names `where` and the line: a missing column, a value that is no index.
using TargetTable = std::map<std::pair<std::string, int64_t>, int>;
TargetTable parse_target_table(std::string_view csv, std::string_view where);

}  // namespace assay
