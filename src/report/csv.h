#pragma once
// The summary's results as CSV (RFC 4180): one line a variant and outcome, numbers in full
// precision, empty where there is none. A text that a spreadsheet would run as a formula gets a
// leading apostrophe.

#include <string>

#include "report/view.h"

namespace assay::report {

std::string csv_of(const View& view);

}  // namespace assay::report
