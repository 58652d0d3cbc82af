#include "run/execute.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <ostream>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "base/version.h"
#include "compare/policy_file.h"
#include "report/report.h"
#include "report/terminal.h"
#include "run/chat_record.h"
#include "run/describe.h"
#include "run/inspect_arm.h"
#include "run/int8_modes.h"
#include "run/output_folder.h"
#include "run/recorded_run.h"
#include "run/samples.h"
#include "run/self_check.h"
#include "run/summarize.h"
#include "run/variant_checkpoint.h"

namespace assay {
namespace {

constexpr size_t kSelfTestRequests = 12;  // of each task
constexpr size_t kSelfTestLength = 128;  // a long text says nothing there that a short one does not

using AnswersByTask = std::map<std::string, std::vector<ItemAnswers>>;

// One arm: the base, or a variant.
struct Arm {
  std::string name;
  Json identity;  // what its weights are, known before they are made
};

std::string ask_key(const Plan& plan, const Arm& arm, const AskedTask& asked) {
  const Json key{{"assay_version", version()},    {"weights", arm.identity},
                 {"tokens", asked.hashes.tokens}, {"data", asked.hashes.data},
                 {"task", asked.label},           {"dtype", compute_dtype(plan.study)}};
  return sha256_hex(key.dump());
}

std::vector<ScoreRequest> some_requests(const std::vector<AskedTask>& tasks) {
  std::vector<ScoreRequest> some;
  for (const AskedTask& task : tasks) {
    const size_t enough = some.size() + kSelfTestRequests;
    for (const Item& item : task.items) {
      for (const ScoreRequest& request : item.requests) {
        const size_t length = request.context_ids.size() + request.continuation_ids.size();
        if (some.size() < enough && length <= kSelfTestLength) some.push_back(request);
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
      : plan_(plan),
        options_(options),
        output_(output),
        base_identity_(base_identity(plan)),
        shared_(methods_of(plan)),
        progress_(plan.cost.total_gflop) {}

  // Asks everything of everybody; gives all answers by arm.
  std::map<std::string, ArmAnswers> run() {
    std::map<std::string, ArmAnswers> arms;
    arms["base"] = ask_arm({"base", base_identity_}, nullptr);
    for (const PlannedVariant& variant : plan_.variants) {
      const std::string& name = variant.variant.name;
      arms[name] = ask_arm({name, variant_identity(plan_, variant)}, &variant);
    }
    return arms;
  }

  const std::vector<SelfTest>& self_tests() const { return self_tests_; }
  const Json& seconds() const { return seconds_; }

 private:
  // Asks all tasks of one arm that are not finished; loads (and makes) its weights only when one is
  // not.
  ArmAnswers ask_arm(const Arm& arm, const PlannedVariant* variant) {
    const auto started = std::chrono::steady_clock::now();
    AnswersByTask answers;
    for (const AskedTask& task : plan_.tasks) {
      if (auto finished = finished_answers(output_, arm.name, task, ask_key(plan_, arm, task))) {
        answers[task.label] = std::move(*finished);
        progress_.skip(ask_gflop(plan_.base.config(), task.cost));
      }
    }
    const bool is_finished =
        answers.size() == plan_.tasks.size() &&
        is_inspected(output_.inspection(arm.name), inspection_key(arm.identity, base_identity_)) &&
        (variant == nullptr || is_compressed(*variant, output_));
    if (!is_finished) {
      ask_open_tasks(arm, variant, answers);
    } else {
      progress_.skip(inspect_gflop(plan_, variant));
      if (variant != nullptr) progress_.skip(variant->compress_gflop);
    }
    // Also where an earlier run was killed between its last answer and this.
    if (variant != nullptr && !plan_.study.keep_checkpoints) {
      remove_variant_checkpoint(*variant, output_);
    }
    if (variant == nullptr && self_tests_.empty()) self_tests_ = load_self_tests(self_test_file());
    write_results(arm, variant, answers);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    seconds_[arm.name] = took.count();
    progress_.note(fmt::format("{}: {} tasks answered, {}", arm.name, plan_.tasks.size(),
                               is_finished ? "by an earlier run" : duration_text(took.count())));
    ArmAnswers in_order;
    for (const AskedTask& task : plan_.tasks) in_order.push_back(std::move(answers.at(task.label)));
    return in_order;
  }

  void ask_open_tasks(const Arm& arm, const PlannedVariant* variant, AnswersByTask& answers) {
    progress_.stage(arm.name + ": weights");
    const Checkpoint checkpoint =
        variant == nullptr ? plan_.base
                           : variant_checkpoint(plan_, *variant, output_, shared_, progress_);
    inspect_file(arm, variant, checkpoint);
    const CausalLM model = load_causal_lm(checkpoint);
    if (variant == nullptr) {
      progress_.stage("self-test");
      self_tests_ = self_test(plan_, model);
      save_self_tests(self_test_file(), self_tests_);
      require_passed(self_tests_);
    } else {
      save_int8_modes(arm, model);
    }
    for (const AskedTask& task : plan_.tasks) {
      if (!answers.contains(task.label)) answers[task.label] = ask_task(arm, model, task);
    }
  }

  void inspect_file(const Arm& arm, const PlannedVariant* variant, const Checkpoint& checkpoint) {
    const std::filesystem::path record = output_.inspection(arm.name);
    const std::string key = inspection_key(arm.identity, base_identity_);
    const double work = inspect_gflop(plan_, variant);
    if (is_inspected(record, key)) return progress_.skip(work);
    progress_.stage(arm.name + ": what is in its file");
    inspect_arm(checkpoint, variant == nullptr ? nullptr : &plan_.base, record, key);
    progress_.add(work);
  }

  void save_int8_modes(const Arm& arm, const CausalLM& model) const {
    const std::filesystem::path path = output_.int8_modes(arm.name);
    if (const auto modes = compare_int8_modes(model, some_requests(plan_.tasks))) {
      write_file_atomic(path, to_json(*modes).dump(2) + "\n");
    } else {
      std::filesystem::remove(path);  // of a variant that had this name before
    }
  }

  std::vector<ItemAnswers> ask_task(const Arm& arm, const CausalLM& model, const AskedTask& task) {
    const std::string where = arm.name + ": " + task.label;
    progress_.stage(where);
    const double unit = ask_gflop(plan_.base.config(), task.cost) /
                        static_cast<double>(std::max<int64_t>(task.cost.num_requests, 1));
    AskOptions options;
    options.batch_tokens = options_.batch_tokens;
    options.on_skipped = [&](int64_t n) { progress_.skip(unit * static_cast<double>(n)); };
    options.on_answered = [&](int64_t n) { progress_.add(unit * static_cast<double>(n)); };
    return in_context(where, [&] {
      return ask(model, plan_.tokenizer, output_, arm.name, task, ask_key(plan_, arm, task),
                 options);
    });
  }

  void write_results(const Arm& arm, const PlannedVariant* variant,
                     const AnswersByTask& answers) const {
    Json results = Json::object(), counts = Json::object(), higher = Json::object();
    for (const AskedTask& task : plan_.tasks) {
      results[task.label] = task_results(*task.task, task.items, answers.at(task.label));
      counts[task.label] = {{"original", task.items.size()}, {"effective", task.items.size()}};
      for (const Outcome& outcome : task.task->outcomes) {
        higher[task.label][std::string(outcome.name)] =
            outcome.direction == Direction::kHigherIsBetter;
      }
    }
    Json file{
        {"results", results},
        {"n-samples", counts},
        {"higher_is_better", higher},
        {"config",
         {{"model", "assay"},
          {"model_args", plan_.model_path.filename().string()},
          {"dtype", compute_dtype(plan_.study)}}},
        {"x_assay",
         {{"version", version()},
          {"weights", arm.identity},
          {"reference", to_json(describe_reference(plan_))},
          {"model", to_json(describe_model(plan_))},
          {"tokenizer", to_json(describe_tokenizer(plan_))},
          {"variant", to_json(variant == nullptr ? describe_base(plan_, output_)
                                                 : describe_variant(plan_, *variant, output_))},
          {"asked", asked_settings(plan_)}}}};
    file.update(lm_eval_chat_keys(plan_));
    write_file_atomic(output_.results(arm.name), file.dump(2) + "\n");
  }

  std::filesystem::path self_test_file() const { return output_.journal_root() / "self_test.json"; }

  const Plan& plan_;
  const RunOptions& options_;
  const OutputFolder& output_;
  const Json base_identity_;
  SharedWork shared_;
  Progress progress_;
  std::vector<SelfTest> self_tests_;
  Json seconds_ = Json::object();  // by arm
};

// Whether an arm has a journal.
bool has_answers(const OutputFolder& output) {
  const std::filesystem::directory_iterator entries(output.journal_root());
  return std::any_of(begin(entries), end(entries), [](const auto& entry) {
    return entry.is_directory() && !std::filesystem::is_empty(entry.path());
  });
}

// Answers that the folder holds were asked under the policy that lies there. Those of another
// version are not used again.
void require_declared(const Json& policy, const std::filesystem::path& file,
                      const OutputFolder& output) {
  if (!std::filesystem::exists(file) || !has_answers(output)) return;
  const Json declared = parse_intact_json(read_file(file), file.string());
  if (declared.value("assay_version", "") != policy["assay_version"]) return;
  const std::string change =
      policy_change(json_get<Json>(declared, "outcomes", file.string()), policy["outcomes"]);
  require(change.empty(), file.string(),
          ": this policy was declared before the first item, and the study's is another: ", change,
          ". Judge the finished study by `assay gate --policy`, or give it another output folder");
}

// The policy is on disk before the first item is asked.
void write_policy(const Plan& plan, const OutputFolder& output) {
  const Json policy{{"name", plan.policy.name},
                    {"hash", policy_hash(plan.policy)},
                    {"outcomes", to_json(plan.policy)},
                    {"assay_version", version()}};
  const auto file = output.journal_root() / "policy.json";
  require_declared(policy, file, output);
  write_file_atomic(file, policy.dump(2) + "\n");
}

std::string now_utc() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

void run_study(const Plan& plan, const RunOptions& options, std::ostream& out) {
  const OutputFolder output(plan.study.output);
  write_policy(plan, output);
  std::map<std::string, ArmAnswers> arms;
  std::vector<SelfTest> self_tests;
  Json times{{"started", now_utc()}};
  {
    StudyRun run(plan, options, output);
    arms = run.run();
    self_tests = run.self_tests();
    times["seconds"] = run.seconds();
  }
  times["finished"] = now_utc();
  const Json summary = summarize(plan, output, arms, self_tests, std::move(times));
  report::write_reports(summary, output.root());
  out << report::terminal_table(report::view_of_summary(summary), options.terminal_width,
                                options.colours)
      << "report: " << (output.root() / "report.html").string() << "\n";
}

}  // namespace assay
