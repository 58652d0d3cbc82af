#include <iostream>

#include "app/commands.h"
#include "base/version.h"

namespace assay::app {

void add_version_command(CLI::App& program) {
  program.add_subcommand("version", "print the version")->callback([] {
    std::cout << "assay " << version() << '\n';
  });
}

}  // namespace assay::app
