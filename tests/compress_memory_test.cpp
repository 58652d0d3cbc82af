// What `assay compress` takes is what its plan said: the whole process, as the system counts it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "compress/plan.h"
#include "model/checkpoint.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Ended {
  int exit_code = -1;
  int64_t peak_bytes = 0;  // resident at one time
};

Ended run_to_peak(const std::string& command) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) != child || !WIFEXITED(status)) return {};
  return {WEXITSTATUS(status), usage.ru_maxrss * 1024};
}

class CompressMemory : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("assay_memory_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write_ids(int sequences, int length) const {
    std::ofstream ids(folder_ / "ids.jsonl");
    for (int row = 0; row < sequences; ++row) {
      ids << '[' << row + 3;
      for (int i = 1; i < length; ++i) ids << ", " << (row * 37 + i * 11) % 320;
      ids << "]\n";
    }
  }

  int64_t measured(const std::string& model, const std::string& arguments) const {
    const auto ended =
        run_to_peak("'" + std::string(ASSAY_BINARY) + "' compress '" + model + "' -o '" +
                    (folder_ / "out").string() + "' --overwrite --threads 2 --journal never " +
                    arguments + " > '" + (folder_ / "log").string() + "' 2>&1");
    EXPECT_EQ(ended.exit_code, 0) << std::ifstream(folder_ / "log").rdbuf();
    return ended.peak_bytes;
  }

  fs::path folder_;
};

// One block of 16.8 M weights and a Hessian of 4096 inputs: what grows with the model is larger
// than the program. Above a tiny model's peak the plan is held to 15 %.
TEST_F(CompressMemory, APlanIsWithin15PercentOfThePeakOnAWideModel) {
  const std::string wide = (folder_ / "wide").string(), tiny = (folder_ / "tiny").string();
  write_tiny_model(wide, {.hidden_size = 1024,
                          .intermediate_size = 4096,
                          .num_hidden_layers = 1,
                          .num_attention_heads = 8,
                          .num_key_value_heads = 8});
  write_tiny_model(tiny);
  write_ids(8, 512);
  const auto checkpoint = Checkpoint::open(wide);
  const CalibrationSize size{.sequences = 8, .tokens = 8 * 512, .longest = 512};
  const auto program = static_cast<double>(measured(tiny, "--method dense"));
  for (const char* method : {"wanda", "sparsegpt", "gptq"}) {
    SCOPED_TRACE(method);
    const MethodConfig config = method_config({{"method", method}});
    const MemoryPlan plan = plan_memory(checkpoint, config, size, {});
    const auto peak = static_cast<double>(measured(
        wide, "--method " + std::string(method) +
                  " --calibration ids:" + (folder_ / "ids.jsonl").string() + " --samples 8"));
    const auto planned = static_cast<double>(plan.bytes);
    EXPECT_NEAR(planned / peak, 1, 0.15) << peak;
    const double planned_growth = planned - static_cast<double>(plan.parts.front().bytes);
    EXPECT_NEAR(planned_growth / (peak - program), 1, 0.15) << peak - program;
  }
}

}  // namespace
}  // namespace assay
