#pragma once
// CSV as RFC 4180 has it: fields split by commas, quoted where they hold commas, quotes or line
// ends.

#include <string>
#include <string_view>
#include <vector>

namespace assay {

// All rows, the header included; rows may differ in length. Lines end with LF or CR LF.
// Error(kBadInput) says "WHERE:LINE" of an open quote, of a quote inside an unquoted field or of
// text behind a closing quote.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::string_view where);

}  // namespace assay
