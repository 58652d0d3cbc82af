// An inspection in short, its record, and a study with faulty files: what is wrong with them stands
// in the summary and in every report.

#include "run/inspect_arm.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "model/export.h"
#include "model/tiny_model.h"
#include "run/execute.h"
#include "run/plan.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kUp2 = "model.layers.2.mlp.up_proj.weight";

TensorGroup linears(const std::string& name, int64_t weights, int64_t zeros, uint64_t bytes) {
  TensorGroup group;
  group.name = name;
  group.num_tensors = 2;
  group.weights_of_dtype = {{"Q4_1", weights}};
  group.stored_bytes = bytes;
  group.linear = true;
  group.counts.weights = weights;
  group.counts.zeros = zeros;
  group.counts.groups_of_4 = weights / 4;
  return group;
}

TensorDifference off_by(const std::string& name, double error_squares, double base_squares) {
  return {.name = name,
          .weights = 1,
          .changed = error_squares != 0,
          .error_squares = error_squares,
          .base_squares = base_squares};
}

// Zeros (10 + 90) / (100 + 300); bits 8 * (50 + 250) / 400 = 6; 2:4 in 25 + 30 of 100 groups; error
// sqrt((1 + 8) / (4 + 96)) = 0.3 of the one pair and the other.
TEST(InShort, AddsUpTheLinears) {
  Inspection inspection;
  inspection.description = "x.gguf: decoded Q4_1";
  TensorGroup q = linears("self_attn.q_proj", 100, 10, 50);
  TensorGroup up = linears("mlp.up_proj", 300, 90, 250);
  q.counts.groups_2_4 = 25, up.counts.groups_2_4 = 30;
  q.num_compared = 2, q.error_squares = 1, q.base_squares = 4;
  up.num_compared = 1, up.error_squares = 8, up.base_squares = 96;
  up.weights_of_dtype["Q6_K"] = 0;
  TensorGroup norm = linears("norm", 8, 0, 32);
  norm.linear = false;
  inspection.groups = {q, up, norm};
  inspection.findings = {"a"};
  const FileInspection file = in_short(inspection);
  EXPECT_EQ(file.format, "x.gguf: decoded Q4_1");
  EXPECT_EQ(file.stored_bytes, 332);
  EXPECT_EQ(file.linears.num_tensors, 4);
  EXPECT_EQ(file.linears.stored, "Q4_1+Q6_K");
  EXPECT_DOUBLE_EQ(file.linears.zeros, 0.25);
  EXPECT_DOUBLE_EQ(file.linears.bits, 6);
  EXPECT_DOUBLE_EQ(file.linears.groups_2_4, 0.55);
  EXPECT_DOUBLE_EQ(file.linears.relative_error, 0.3);
  ASSERT_EQ(file.roles.size(), 3u);
  EXPECT_DOUBLE_EQ(file.roles[0].relative_error, 0.5);
  EXPECT_DOUBLE_EQ(file.roles[0].zeros, 0.1);
  EXPECT_TRUE(std::isnan(file.roles[2].groups_2_4));      // no linear
  EXPECT_TRUE(std::isnan(file.roles[2].relative_error));  // nothing was compared
  EXPECT_THAT(file.findings, ElementsAre("a"));
  EXPECT_THAT(file.worst, IsEmpty());
}

TEST(InShort, NamesTheTensorsThatAreFarthestOff) {
  Inspection inspection;
  inspection.difference = WeightDifference{
      .base = "b",
      .tensors = {off_by("same", 0, 1), off_by("tenth", 1, 100), off_by("all", 1, 1),
                  off_by("also all", 1, 1), off_by("of nothing", 1, 0), off_by("NaN", NAN, 1),
                  off_by("half", 1, 4)},
      .not_compared = {"x"}};
  const FileInspection file = in_short(inspection);
  std::vector<std::string> worst;
  for (const TensorError& error : file.worst) worst.push_back(error.tensor);
  EXPECT_THAT(worst, ElementsAre("of nothing", "NaN", "all", "also all", "half"));
  EXPECT_DOUBLE_EQ(file.worst.back().relative_error, 0.5);
  EXPECT_THAT(file.not_compared, ElementsAre("x"));
}

TEST(InspectionKey, ChangesWithTheArmAndTheBase) {
  const std::string key = inspection_key({{"hash", "a"}}, {{"hash", "b"}});
  EXPECT_EQ(inspection_key({{"hash", "a"}}, {{"hash", "b"}}), key);
  EXPECT_NE(inspection_key({{"hash", "b"}}, {{"hash", "b"}}), key);
  EXPECT_NE(inspection_key({{"hash", "a"}}, {{"hash", "a"}}), key);
}

class InspectArm : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "assay-inspect-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_ / "model", {.num_hidden_layers = 4});
  }
  void TearDown() override { fs::remove_all(root_); }

  // The model with one tensor multiplied, and what its folder says of itself.
  void write_scaled(const std::string& folder, const std::string& tensor, double factor,
                    const Json& provenance) const {
    const auto source = Checkpoint::open(root_ / "model");
    FolderExport out(root_ / folder, source.config(), "float32", ExistingFolder::kRefuse);
    for (const auto& record : source.tensors()) {
      const at::Tensor w = source.tensor(record.name);
      out.write(record.name, record.name == tensor ? w * factor : w);
    }
    out.commit(tiny_tokenizer_json(), tiny_tokenizer_config(), provenance);
  }

  // Runs the study in the folder `output`; gives its summary, and what stands on the terminal.
  Json run(const std::string& output, std::string* terminal = nullptr) const {
    const std::string root = root_.string();
    const Plan plan = make_plan(
        parse_study("study: faults\nmodel: " + root + "/model\noutput: " + root + "/" + output +
                        "\nvariants:\n"
                        "  - {name: rtn, method: rtn, bits: 3, group_size: 64}\n"
                        "  - {name: scaled, path: " +
                        root +
                        "/scaled}\n"
                        "  - {name: claims, path: " +
                        root +
                        "/claims}\n"
                        "tasks: [{task: stereoqa, limit: 12}]\n",
                    "study.yaml"));
    std::ostringstream out;
    run_study(plan, {}, out);
    if (terminal != nullptr) *terminal = out.str();
    return parse_json(read_file(root_ / output / "summary.json"), "summary.json");
  }

  std::string text_of(const std::string& file) const { return read_file(root_ / file); }

  fs::path root_;
};

TEST_F(InspectArm, IsRecordedUnderItsKey) {
  const auto checkpoint = Checkpoint::open(root_ / "model");
  const fs::path record = root_ / "inspection.json";
  EXPECT_FALSE(is_inspected(record, "a"));
  inspect_arm(checkpoint, nullptr, record, "a");
  EXPECT_TRUE(is_inspected(record, "a"));
  EXPECT_FALSE(is_inspected(record, "b"));
  EXPECT_TRUE(std::isnan(recorded_inspection(record).linears.relative_error));
  inspect_arm(checkpoint, &checkpoint, record, "b");
  EXPECT_EQ(recorded_inspection(record).format, "model: float32");
  EXPECT_EQ(recorded_inspection(record).linears.relative_error, 0);

  Json changed = parse_json(read_file(record), "record");
  changed["inspection"].erase("roles");
  write_file_atomic(record, changed.dump());
  try {
    recorded_inspection(record);
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("inspection.json: missing key 'roles'"),
                                HasSubstr("delete it to inspect again")));
  }
}

// A linear multiplied by 100 where the others of its role are not, and 28 linears of which the
// folder says that they hold 2:4.
TEST_F(InspectArm, FaultyFilesStandInSummaryAndReports) {
  write_scaled("scaled", kUp2, 100, nullptr);
  write_scaled("claims", "", 1, {{"method", {{"method", "magnitude"}, {"pattern", "2:4"}}}});
  std::string terminal;
  const Json summary = run("out", &terminal);

  const Json& base = summary.at("base_inspection");
  EXPECT_EQ(base.at("format"), "model: float32");
  EXPECT_EQ(base.at("linears").at("bits"), 32.0);
  EXPECT_EQ(base.at("linears").at("num_tensors"), 28);
  EXPECT_TRUE(base.at("linears").at("relative_error").is_null());
  EXPECT_THAT(base.at("findings"), IsEmpty());

  const Json& rtn = summary.at("variants")[0].at("inspection");
  EXPECT_EQ(rtn.at("format"), "checkpoint: float32");
  EXPECT_THAT(rtn.at("findings"), IsEmpty());
  EXPECT_EQ(rtn.at("worst").size(), kWorstTensors);
  // A grid of 8 levels over 64 normal weights, which reach from -2.4 to 2.4 of their deviation: a
  // step of 4.8 / 7, uniform error step / sqrt(12) = 0.2.
  EXPECT_NEAR(rtn.at("linears").at("relative_error").get<double>(), 0.2, 0.02);

  const Json& scaled = summary.at("variants")[1].at("inspection");
  EXPECT_THAT(scaled.at("findings"),
              ElementsAre(HasSubstr("layers.2.mlp.up_proj.weight: root mean square 12")));
  ASSERT_EQ(scaled.at("worst").size(), 1u);
  EXPECT_EQ(scaled.at("worst")[0].at("tensor"), kUp2);
  EXPECT_NEAR(scaled.at("worst")[0].at("relative_error").get<double>(), 99, 1e-3);

  const Json& claims = summary.at("variants")[2].at("inspection");
  EXPECT_EQ(claims.at("findings").size(), 28u);
  EXPECT_EQ(claims.at("linears").at("relative_error"), 0.0);
  EXPECT_THAT(claims.at("worst"), IsEmpty());

  const std::string finding = "up_proj.weight: root mean square 12";
  EXPECT_THAT(terminal, AllOf(HasSubstr("FINDING in scaled: model.layers.2.mlp.up_proj.weight"),
                              HasSubstr("FINDING in claims: and 23 more")));
  EXPECT_THAT(text_of("out/report.html"), AllOf(HasSubstr(finding), HasSubstr("23 more")));
  EXPECT_THAT(text_of("out/summary.md"),
              AllOf(HasSubstr("**Findings in scaled**"), HasSubstr("- and 23 more")));
  EXPECT_THAT(text_of("out/scaled/results_scaled.json"), HasSubstr(finding));
}

// Weights are gone by then: of the variant that was compressed they are made again.
TEST_F(InspectArm, ALostRecordIsMadeAgain) {
  write_scaled("scaled", kUp2, 100, nullptr);
  write_scaled("claims", "", 1, nullptr);
  Json first = run("out");
  std::map<std::string, std::string> records;
  for (const char* arm : {"base", "rtn", "scaled"}) {
    const fs::path record = root_ / "out" / arm / "inspection.json";
    records[record] = read_file(record);
    fs::remove(record);
  }
  EXPECT_FALSE(fs::exists(root_ / "out/rtn/checkpoint"));
  Json second = run("out");
  for (const auto& [record, text] : records) EXPECT_EQ(read_file(record), text) << record;
  first.at("x_assay").erase("run"), second.at("x_assay").erase("run");
  EXPECT_EQ(second.dump(), first.dump());

  // One that is there is not made again, though the arm goes on.
  const fs::path kept = root_ / "out/base/inspection.json";
  Json changed = parse_json(read_file(kept), "record");
  changed["inspection"]["format"] = "kept";
  write_file_atomic(kept, changed.dump());
  fs::remove(root_ / "out/journal/base/stereoqa.finished.json");
  EXPECT_EQ(run("out").at("base_inspection").at("format"), "kept");
  EXPECT_FALSE(fs::exists(root_ / "out/rtn/checkpoint"));
}

}  // namespace
}  // namespace assay
