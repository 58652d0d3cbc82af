#pragma once
// The summary in Markdown, for a pull request or a model card: reference, verdicts, primary
// outcomes, what could not be decided. Text of models and data sets is escaped: it makes no table
// cell, link, image or HTML.

#include <string>
#include <string_view>

#include "report/view.h"

namespace assay::report {

std::string markdown_of(const View& view);

// On one line, without a character that Markdown or HTML reads.
std::string escape_markdown(std::string_view text);

}  // namespace assay::report
