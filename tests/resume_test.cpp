// A study that is killed at any moment and started again ends in the results of one that was left
// alone, and two runs do not write to one folder. On a tiny random model, through the program
// itself.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "base/json.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using std::chrono::duration;
using std::chrono::steady_clock;

constexpr int kKills = 20;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The program under way; stdout and stderr go to `log`.
pid_t start(const fs::path& study, const fs::path& output, const fs::path& log) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::dup2(to, STDOUT_FILENO);
  ::dup2(to, STDERR_FILENO);
  ::execl(ASSAY_BINARY, "assay", "run", study.c_str(), "--output", output.c_str(), nullptr);
  ::_exit(127);
}

// The exit code, -1 where a signal ended it.
int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Kills the child after `delay` unless it ends by itself before; whether it was killed.
bool kill_after(pid_t child, duration<double> delay) {
  const auto until = steady_clock::now() + delay;
  while (steady_clock::now() < until) {
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (ended.si_pid == child) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(child, SIGKILL);
  return true;
}

// What a JSON results file says, apart from when and how it was made.
std::string without_run(const std::string& text) {
  Json results = parse_json(text, "results");
  if (results.contains("x_assay")) results["x_assay"].erase("run");
  return results.dump(1);
}

// Every result by its path in the folder: all files but the journal, which keeps the order of
// batches, and the page, which is made of summary.json with its times.
std::map<std::string, std::string> results_in(const fs::path& folder) {
  std::map<std::string, std::string> results;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder);
    if (!entry.is_regular_file() || name == ".lock" || name.starts_with("journal/")) continue;
    if (name == "report.html") continue;
    const std::string text = text_of(entry.path());
    results[name] = entry.path().extension() == ".json" ? without_run(text) : text;
  }
  return results;
}

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "assay-resume-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_ / "model");
    std::ofstream text(root_ / "calibration.txt");
    for (int i = 0; i < 400; ++i)
      text << "The cat sat on the mat and thought of dinner number " << i << ". ";
    std::ofstream study(root_ / "study.yaml");
    study << "study: resume\n"
          << "model: " << (root_ / "model").string() << "\n"
          << "calibration: {data: \"text:" << (root_ / "calibration.txt").string()
          << "\", samples: 4, length: 64, seeds: [0]}\n"
          << "variants:\n"
          << "  - {method: wanda, sparsity: 0.5}\n"
          << "  - {method: rtn, bits: 3, group_size: 64}\n"
          << "tasks:\n"
          << "  - {task: stereoqa, limit: 96}\n"
          << "  - {task: dialect, limit: 60}\n"
          << "output: unused\n";
  }
  void TearDown() override { fs::remove_all(root_); }

  pid_t start_run(const std::string& output) const {
    return start(root_ / "study.yaml", root_ / output, root_ / (output + ".log"));
  }
  std::string log_of(const std::string& output) const { return text_of(root_ / (output + ".log")); }

  fs::path root_;
};

TEST_F(Resume, KilledAtAnyMomentEndsInTheSameResults) {
  const auto began = steady_clock::now();
  ASSERT_EQ(wait_for(start_run("whole")), 0) << log_of("whole");
  const duration<double> whole = steady_clock::now() - began;
  const auto expected = results_in(root_ / "whole");
  ASSERT_TRUE(expected.contains("base/results_base.json"));
  ASSERT_TRUE(expected.contains("summary.json"));

  // A run that ends before its moment is a finished one: compared, and the next begins from
  // nothing.
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> moment(0, 1);
  int killed = 0, finished = 0;
  while (killed < kKills) {
    const double at = moment(random);
    const pid_t child = start_run("killed");
    const bool was_killed = kill_after(child, at * whole);
    const int code = wait_for(child);
    if (was_killed && code == -1) {
      ++killed;
      continue;
    }
    ASSERT_EQ(code, 0) << log_of("killed");
    ASSERT_EQ(results_in(root_ / "killed"), expected) << "after " << killed << " kills";
    fs::remove_all(root_ / "killed");
    ++finished;
  }
  ASSERT_EQ(wait_for(start_run("killed")), 0) << log_of("killed");
  EXPECT_EQ(results_in(root_ / "killed"), expected) << "after " << killed << " kills";
  RecordProperty("finished_between_kills", finished);
}

TEST_F(Resume, FinishedStudyRunsAgainToTheSameResults) {
  ASSERT_EQ(wait_for(start_run("out")), 0) << log_of("out");
  const auto first = results_in(root_ / "out");
  // What a kill in the middle of a write leaves.
  std::ofstream(root_ / "out/base/.results_base.json.a1B2c3.tmp") << "{\"res";
  fs::create_directory(root_ / "out/wanda-sparsity0.5/.checkpoint.a1B2c3");
  fs::create_directory(root_ / "out/wanda-sparsity0.5/checkpoint");
  for (const std::string folder : {".checkpoint.a1B2c3", "checkpoint"}) {
    std::ofstream(root_ / "out/wanda-sparsity0.5" / folder / "model.safetensors") << "half";
  }
  ASSERT_EQ(wait_for(start_run("out")), 0) << log_of("out");
  EXPECT_EQ(results_in(root_ / "out"), first);
}

TEST_F(Resume, BusyFolderIsRefused) {
  fs::create_directories(root_ / "out");
  const pid_t first = start_run("out");
  // Stopped once it holds the folder, so that it is busy for as long as the second one needs.
  const auto patience = steady_clock::now() + std::chrono::seconds(60);
  while (!fs::exists(root_ / "out/base") && steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(first, SIGSTOP);
  ASSERT_TRUE(fs::exists(root_ / "out/.lock"));
  const int code = wait_for(start(root_ / "study.yaml", root_ / "out", root_ / "second.log"));
  ::kill(first, SIGCONT);
  EXPECT_EQ(code, 2);
  EXPECT_NE(log_of("second").find("another run is writing to this folder"), std::string::npos)
      << log_of("second");
  EXPECT_EQ(wait_for(first), 0) << log_of("out");  // the first one was not disturbed
}

}  // namespace
}  // namespace assay
