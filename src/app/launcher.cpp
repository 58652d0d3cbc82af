// The program that users call. libtorch takes 0.4 s of processor time to load, so help and version
// are answered here, and all else by assay-engine beside this file. Threads of libtorch that wait
// must sleep: spinning costs a factor of eight when the cores are shared, and libgomp reads this
// setting before any code of the engine runs.

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

#include "app/engine_help.h"
#include "base/version.h"

namespace {

constexpr int kInternal = 70;

std::string folder_of_this_program() {
  std::string path(4096, '\0');
  const auto length = readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return ".";
  path.resize(static_cast<size_t>(length));
  return path.substr(0, path.rfind('/'));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view only = argc == 2 ? argv[1] : "";
  if (only == "--help" || only == "-h") {
    std::cout << assay::app::kEngineHelp;
    return 0;
  }
  if (only == "version") {
    std::cout << "assay " << assay::version() << '\n';
    return 0;
  }
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  const std::string engine = folder_of_this_program() + "/assay-engine";
  execv(engine.c_str(), argv);
  std::cerr << "assay: cannot start " << engine << ": " << std::strerror(errno) << '\n';
  return kInternal;
}
