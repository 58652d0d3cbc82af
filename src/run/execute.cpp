#include "run/execute.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <ostream>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "base/version.h"
#include "run/output_folder.h"
#include "run/samples.h"
#include "run/self_test.h"
#include "run/variant_checkpoint.h"

namespace assay {
namespace {

constexpr size_t kSelfTestRequests = 12;  // of each task

// One arm: the base, or a variant.
struct Arm {
  std::string name;
  Json identity;  // what its weights are, known before they are made
};

std::string ask_key(const Plan& plan, const Arm& arm, const AskedTask& asked) {
  const Json key{{"assay_version", version()},
                 {"weights", arm.identity},
                 {"tokens", asked.hashes.tokens},
                 {"data", asked.hashes.data},
                 {"task", asked.label},
                 {"dtype", plan.study.dtype == "auto" ? "float32" : plan.study.dtype}};
  return sha256_hex(key.dump());
}

std::vector<ScoreRequest> some_requests(const std::vector<AskedTask>& tasks) {
  std::vector<ScoreRequest> some;
  for (const AskedTask& task : tasks) {
    size_t taken = 0;
    for (const Item& item : task.items) {
      if (taken >= kSelfTestRequests) break;
      // A long text says nothing here that a short one does not.
      for (const ScoreRequest& request : item.requests) {
        if (request.context_ids.size() + request.continuation_ids.size() > 128) continue;
        some.push_back(request);
        ++taken;
      }
    }
  }
  return some;
}

std::vector<SelfTest> self_test(const Plan& plan, const CausalLM& model) {
  std::vector<SelfTest> tests;
  tests.push_back(check_finite(plan.base));
  const Encode encode = [&](auto context, auto continuation) {
    return encode_request(plan.tokenizer, context, continuation);
  };
  tests.push_back(check_bos(encode, plan.tokenizer.adds_bos(), plan.tokenizer.bos_id()));
  const Decode decode = [&](auto ids) { return plan.tokenizer.decode(ids); };
  for (const AskedTask& task : plan.tasks) {
    auto test = check_boundary(task.items, decode);
    test.name += " of " + task.label;
    tests.push_back(std::move(test));
  }
  const int64_t usual_threads = num_threads();
  const Scorer scorer = [&](auto requests, int64_t batch_tokens, int64_t threads) {
    set_num_threads(threads);
    ScoreOptions options;
    options.batch_tokens = batch_tokens;
    auto results = score(model, requests, options);
    set_num_threads(usual_threads);
    return results;
  };
  tests.push_back(check_invariance(some_requests(plan.tasks), scorer));
  return tests;
}

class StudyRun {
 public:
  StudyRun(const Plan& plan, const RunOptions& options, const OutputFolder& output)
      : plan_(plan), options_(options), output_(output), progress_(plan.cost.total_gflop) {}

  void run() {
    ask_arm({"base", Json{{"hash", plan_.base.weights_hash()}}}, nullptr);
    for (const PlannedVariant& variant : plan_.variants) {
      ask_arm({variant.variant.name, variant_identity(plan_, variant)}, &variant);
    }
  }

 private:
  // Asks all tasks of one arm that are not finished; loads (and makes) its weights only when one is
  // not.
  void ask_arm(const Arm& arm, const PlannedVariant* variant) {
    const auto started = std::chrono::steady_clock::now();
    std::map<std::string, std::vector<ItemAnswers>> answers;
    for (const AskedTask& task : plan_.tasks) {
      if (auto finished = finished_answers(output_, arm.name, task, ask_key(plan_, arm, task))) {
        answers[task.label] = std::move(*finished);
        progress_.skip(ask_gflop(plan_.base.config(), task.cost));
      }
    }
    if (answers.size() < plan_.tasks.size()) {
      ask_open_tasks(arm, variant, answers);
    } else if (variant != nullptr && variant->needs_calibration) {
      progress_.skip(plan_.cost.calibrate_gflop);
    }
    write_results(arm, answers);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    progress_.note(fmt::format("{}: {} tasks, {}", arm.name, plan_.tasks.size(),
                               duration_text(seconds.count())));
    all_answers_[arm.name] = std::move(answers);
  }

  void ask_open_tasks(const Arm& arm, const PlannedVariant* variant,
                      std::map<std::string, std::vector<ItemAnswers>>& answers) {
    progress_.stage(arm.name + ": weights");
    const Checkpoint checkpoint =
        variant == nullptr ? plan_.base : variant_checkpoint(plan_, *variant, output_, progress_);
    const CausalLM model = load_causal_lm(checkpoint);
    if (variant == nullptr) {
      progress_.stage("self-test");
      self_tests_ = self_test(plan_, model);
      require_passed(self_tests_);
    }
    for (const AskedTask& task : plan_.tasks) {
      if (answers.contains(task.label)) continue;
      progress_.stage(arm.name + ": " + task.label);
      const double unit = ask_gflop(plan_.base.config(), task.cost) /
                          static_cast<double>(std::max<int64_t>(task.cost.num_requests, 1));
      AskOptions options;
      options.batch_tokens = options_.batch_tokens;
      options.on_skipped = [&](int64_t n) { progress_.skip(unit * static_cast<double>(n)); };
      options.on_answered = [&](int64_t n) { progress_.add(unit * static_cast<double>(n)); };
      answers[task.label] = in_context(arm.name + ": " + task.label, [&] {
        return ask(model, plan_.tokenizer, output_, arm.name, task, ask_key(plan_, arm, task),
                   options);
      });
    }
    if (variant != nullptr && !plan_.study.keep_checkpoints) {
      remove_variant_checkpoint(*variant, output_);
    }
  }

  void write_results(const Arm& arm,
                     const std::map<std::string, std::vector<ItemAnswers>>& answers) const {
    Json results = Json::object(), counts = Json::object(), higher = Json::object();
    for (const AskedTask& task : plan_.tasks) {
      results[task.label] = task_results(*task.task, task.items, answers.at(task.label));
      counts[task.label] = {{"original", task.items.size()}, {"effective", task.items.size()}};
      for (const Outcome& outcome : task.task->outcomes) {
        higher[task.label][std::string(outcome.name)] =
            outcome.direction == Direction::kHigherIsBetter;
      }
    }
    const Json file{{"results", results},
                    {"n-samples", counts},
                    {"higher_is_better", higher},
                    {"config",
                     {{"model", "assay"},
                      {"model_args", plan_.model_path.filename().string()},
                      {"dtype", "float32"}}},
                    {"x_assay", {{"version", version()}, {"weights", arm.identity}}}};
    output_.variant(arm.name);
    write_file_atomic(output_.results(arm.name), file.dump(2) + "\n");
  }

  const Plan& plan_;
  const RunOptions& options_;
  const OutputFolder& output_;
  Progress progress_;
  std::vector<SelfTest> self_tests_;
  std::map<std::string, std::map<std::string, std::vector<ItemAnswers>>> all_answers_;
};

}  // namespace

void run_study(const Plan& plan, const RunOptions& options, std::ostream& out) {
  const OutputFolder output(plan.study.output);
  StudyRun run(plan, options, output);
  run.run();
  out << "results: " << output.root().string() << "\n";
}

}  // namespace assay
