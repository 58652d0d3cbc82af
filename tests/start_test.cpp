// Starting the program: help and version come without libtorch, and say what the engine says.

#include <gtest/gtest.h>

#include <string>

#include "command.h"

namespace assay {
namespace {

std::string output_of(const std::string& command) { return run_command(command).text; }

const std::string kLauncher = ASSAY_BINARY, kEngine = kLauncher + "-engine";

TEST(Launcher, SaysWhatTheEngineSays) {
  for (const std::string arguments :
       {" --help", " -h", " version", " score --help", " scoer 2>&1"}) {
    EXPECT_EQ(output_of(kLauncher + arguments), output_of(kEngine + arguments)) << arguments;
  }
}

TEST(Launcher, DoesNotLoadLibtorch) {
  const std::string libraries = output_of("ldd " + kLauncher);
  EXPECT_NE(libraries.find("libc.so"), std::string::npos) << libraries;
  EXPECT_EQ(libraries.find("torch"), std::string::npos) << libraries;
  EXPECT_NE(output_of("ldd " + kEngine).find("libtorch_cpu"), std::string::npos);
}

}  // namespace
}  // namespace assay
