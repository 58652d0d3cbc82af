// A study that is killed at any moment and started again ends in the results of one that was left
// alone, and two runs do not write to one folder. On a tiny random model, through the program
// itself.

#include <gtest/gtest.h>

#include <random>

#include "model/tiny_model.h"
#include "study_process.h"

namespace assay {
namespace {

constexpr int kKills = 20;

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
