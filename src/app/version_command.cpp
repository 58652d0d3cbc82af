#include <iostream>

#include "app/commands.h"

namespace assay::app {

void add_version_command(CLI::App& program) {
  program.add_subcommand("version", "print the version")->callback([] {
    std::cout << "assay " << ASSAY_VERSION << '\n';
  });
}

}  // namespace assay::app
