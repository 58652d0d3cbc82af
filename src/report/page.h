#pragma once
// report.html: one self-contained page. Everything readable stands in it as HTML tables and
// sentences; the script adds plots and filters. It loads nothing: the Content-Security-Policy
// allows exactly the embedded script and style sheet (by SHA-256), no connection, no form, and no
// sink that would turn a string into markup (Trusted Types).

#include <string>

#include "report/view.h"

namespace assay::report {

std::string page_of(const View& view);

}  // namespace assay::report
