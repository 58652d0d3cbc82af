#pragma once
// The name of a test whose parameter is a row of golden figures.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "base/json.h"

namespace assay {

// row["name"] with what a test's name may not have as underscores.
inline std::string name_of_row(const testing::TestParamInfo<Json>& row) {
  auto name = row.param["name"].get<std::string>();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace assay
