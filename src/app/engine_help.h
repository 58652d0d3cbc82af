#pragma once
// What `assay-engine --help` printed when it was built (cmake/EmbedHelp.cmake writes the source).

namespace assay::app {

extern const char* const kEngineHelp;

}  // namespace assay::app
