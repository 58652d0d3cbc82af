#pragma once
// The summary in Markdown, for a pull request or a model card: reference, verdicts, primary
// outcomes, what could not be decided. Text of models and data sets is escaped: it makes no table
// cell, link, image or HTML.

#include <string>

#include "report/view.h"

namespace assay::report {

std::string markdown_of(const View& view);

}  // namespace assay::report
