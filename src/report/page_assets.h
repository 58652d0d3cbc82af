#pragma once
// The page's script and style sheet, bundled from web/ and turned into a source file while the
// program is built (cmake/Web.cmake, web/build.mjs).

#include <string_view>

namespace assay::report {

struct PageAssets {
  std::string_view script,
      style;  // as they stand between <script> and </script>, <style> and </style>
  std::string_view script_sha256,
      style_sha256;  // base64 of their SHA-256, for the Content-Security-Policy
};

PageAssets page_assets();

}  // namespace assay::report
