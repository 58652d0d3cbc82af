#include "run/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/free_disk.h"
#include "base/progress.h"
#include "compare/policy_file.h"
#include "compress/plan.h"
#include "compress/shared_work.h"
#include "compress/work.h"
#include "run/inspect_arm.h"
#include "run/made_elsewhere.h"

namespace assay {
namespace {

constexpr int64_t kBatchRows = 2048;

int64_t block_parameters(const ModelConfig& c) {
  const int64_t attention =
      c.hidden_size * c.head_dim * (2 * c.num_attention_heads + 2 * c.num_key_value_heads);
  return attention + 3 * c.hidden_size * c.intermediate_size;
}

// Float32 weights, the embedding twice where the tied head is packed for products, and the batch's
// activations.
int64_t model_memory(const ModelConfig& c) {
  const int64_t weights =
      c.num_hidden_layers * block_parameters(c) + 2 * c.vocab_size * c.hidden_size;
  const int64_t row = 6 * c.hidden_size + 3 * c.intermediate_size;
  const int64_t keys_and_values = 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim;
  return 4 *
         (weights + kBatchRows * row + (kBatchRows + c.max_position_embeddings) * keys_and_values);
}

// Of the variants that need the most memory and the most disk while they are made.
struct CompressRoom {
  int64_t memory = 0, disk = 0;
};

CompressRoom compress_room(const Plan& plan) {
  CalibrationSize calibration;
  if (plan.calibration) calibration = calibration_size(plan.calibration->sequences);
  CompressRoom most;
  Spill spill;
  for (const PlannedVariant& variant : plan.variants) {
    if (!variant.method) continue;
    in_context("variant '" + variant.variant.name + "'", [&] {
      const CompressOptions options =
          compress_options(plan, variant, std::filesystem::path(plan.study.output) / "variant");
      const auto size = variant.needs_calibration ? calibration : CalibrationSize{};
      const MemoryPlan memory = plan_memory(plan.base, *variant.method, size, options);
      most.memory = std::max(most.memory, memory.bytes);
      most.disk = std::max(most.disk, memory.journal_bytes + memory.spilled_bytes);
      spill.gradients = spill.gradients || memory.spill.gradients;
    });
  }
  // What variants share stays between them.
  most.memory += shared_bytes(methods_of(plan), plan.base.config(), spill);
  return most;
}

int64_t checkpoint_bytes(const ModelConfig& c) {
  return 4 * (c.num_hidden_layers * block_parameters(c) +
              c.vocab_size * c.hidden_size * (c.tie_word_embeddings ? 1 : 2));
}

int64_t calibration_tokens(const PlannedVariant& variant, const Study& study) {
  return variant.needs_calibration ? study.calibration->samples * study.calibration->length : 0;
}

PlannedVariant planned(const StudyVariant& variant, const Study& study, const ModelConfig& model) {
  PlannedVariant planned{.variant = variant, .method = std::nullopt, .made = std::nullopt};
  if (variant.method.empty()) {
    planned.made = Checkpoint::open(resolve_model(variant.path));
    return planned;
  }
  Json settings{{"method", variant.method}};
  settings.update(variant.settings);
  planned.method = method_config(settings);
  require_fits(*planned.method, model);
  planned.needs_calibration = needs_of(*planned.method).calibration();
  require(!planned.needs_calibration || study.calibration, "method ", variant.method,
          " needs calibration text: give the study a 'calibration'");
  planned.compress_gflop =
      compression_work(*planned.method, model, calibration_tokens(planned, study))
          .total(model.num_hidden_layers);
  return planned;
}

// Variants behind the first that computes a shared part have less to do.
void leave_out_shared(Plan& plan) {
  std::vector<PlannedVariant*> compressed;
  for (PlannedVariant& variant : plan.variants) {
    if (variant.method) compressed.push_back(&variant);
  }
  const ModelConfig& model = plan.base.config();
  for (const SharedPart& part : shared_parts(methods_of(plan))) {
    for (const size_t user : std::span(part.users).subspan(1)) {
      PlannedVariant& variant = *compressed[user];
      const auto work =
          compression_work(*variant.method, model, calibration_tokens(variant, plan.study));
      variant.compress_gflop -= shared_gflop(part.kind, work, model.num_hidden_layers);
    }
  }
}

AskedTask asked(const StudyTask& wanted, const Study& study, const ModelConfig& config,
                const Tokenizer& tokenizer) {
  AskedTask asked{.label = wanted.label(),
                  .task = &task_named(wanted.name),
                  .items = {},
                  .hashes = {},
                  .cost = {}};
  const TaskOptions options{.limit = wanted.limit,
                            .seed = static_cast<uint64_t>(study.seed),
                            .max_positions = num_scored_positions(config),
                            .chat = wanted.chat,
                            .extra = wanted.options};
  asked.items = asked.task->items(tokenizer, wanted.subset, options);
  require(!asked.items.empty(), "no items to ask");
  asked.hashes = item_hashes(asked.items);
  std::vector<ScoreRequest> requests;
  for (const Item& item : asked.items) {
    in_context("item " + item.sample.id, [&] {
      for (const ScoreRequest& request : item.requests) check_request(config, request);
    });
    requests.insert(requests.end(), item.requests.begin(), item.requests.end());
  }
  asked.cost = plan_score(requests);
  return asked;
}

CalibrationSet calibration_of(const Plan& plan) {
  const StudyCalibration& wanted = *plan.study.calibration;
  CalibrationRequest request{.source = parse_calibration_source(wanted.data),
                             .samples = wanted.samples,
                             .length = wanted.length,
                             .seed = wanted.seed};
  return read_calibration(request, plan.tokenizer);
}

PlanCost cost_of(const Plan& plan) {
  const ModelConfig& config = plan.base.config();
  PlanCost cost;
  for (const AskedTask& task : plan.tasks) {
    cost.rows_per_variant += task.cost.computed_tokens;
    cost.ask_gflop += ask_gflop(config, task.cost);
  }
  const CompressRoom room = compress_room(plan);
  cost.memory_bytes = std::max(model_memory(config), room.memory);
  const auto num_methods = static_cast<int64_t>(methods_of(plan).size());
  cost.disk_bytes =
      checkpoint_bytes(config) *
          (plan.study.keep_checkpoints ? num_methods : std::min<int64_t>(num_methods, 1)) +
      room.disk;
  cost.total_gflop = cost.ask_gflop * static_cast<double>(plan.variants.size() + 1);
  cost.total_gflop += inspect_gflop(plan, nullptr);
  for (const auto& variant : plan.variants)
    cost.total_gflop += variant.compress_gflop + inspect_gflop(plan, &variant);
  return cost;
}

std::string size_text(int64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What is computed once for several variants, and why the rest is not.
std::string shared_text(const Plan& plan) {
  std::vector<std::string> names, alone, dense;
  for (const PlannedVariant& variant : plan.variants) {
    if (!variant.method) continue;
    names.push_back(variant.variant.name);
    if (!variant.needs_calibration) continue;
    (needs_of(*variant.method).inputs ? dense : alone).push_back(variant.variant.name);
  }
  std::string text;
  for (const SharedPart& part : shared_parts(methods_of(plan))) {
    std::vector<std::string> users;
    for (const size_t user : part.users) users.push_back(names[user]);
    text += fmt::format("    {}, for {}\n", part.what, join(users));
  }
  if (!text.empty()) text = "  computed once:\n" + text;
  if (alone.size() > 1) {
    text +=
        "  computed for each: statistics behind the first block, for they are of inputs that the "
        "variant's own compressed blocks give\n";
  }
  if (dense.size() > 1) {
    text += fmt::format(
        "  computed for each: the dense hidden states that {} look at: to keep those of every "
        "block "
        "takes more room than their pass takes time\n",
        join(dense));
  }
  return text;
}

void require_room(const PlanCost& cost, const std::filesystem::path& output) {
  const int64_t memory = available_memory();
  require(memory == 0 || cost.memory_bytes <= memory, "the study needs ",
          size_text(cost.memory_bytes), " of memory, ", size_text(memory), " are available");
  const int64_t disk = free_disk(output);
  require(cost.disk_bytes <= disk, "the study needs ", size_text(cost.disk_bytes), " of disk in ",
          output.string(), ", ", size_text(disk), " are free");
}

}  // namespace

std::vector<MethodConfig> methods_of(const Plan& plan) {
  std::vector<MethodConfig> methods;
  for (const PlannedVariant& variant : plan.variants) {
    if (variant.method) methods.push_back(*variant.method);
  }
  return methods;
}

double ask_gflop(const ModelConfig& config, const ScoreStats& cost) {
  const auto blocks = static_cast<double>(config.num_hidden_layers * block_parameters(config));
  const auto head = static_cast<double>(config.vocab_size * config.hidden_size);
  return 2 *
         (static_cast<double>(cost.computed_tokens) * blocks +
          static_cast<double>(cost.logit_rows) * head) /
         1e9;
}

CompressOptions compress_options(const Plan& plan, const PlannedVariant& variant,
                                 const std::filesystem::path& folder) {
  CompressOptions options;
  options.memory_limit = plan.memory_limit;
  options.spill_folder = folder.parent_path();
  if (is_worth_a_journal(variant.compress_gflop)) options.journal = folder.string() + ".blocks";
  return options;
}

Plan make_plan(Study study, int64_t memory_limit) {
  const auto model_path = in_context("model", [&] { return resolve_model(study.model); });
  Checkpoint base = Checkpoint::open(model_path);
  Tokenizer tokenizer = base.tokenizer();
  Plan plan{.study = std::move(study),
            .model_path = model_path,
            .base = std::move(base),
            .tokenizer = std::move(tokenizer),
            .variants = {},
            .tasks = {},
            .calibration = std::nullopt,
            .policy = {},
            .cost = {},
            .memory_limit = memory_limit};
  for (const StudyVariant& variant : plan.study.variants) {
    plan.variants.push_back(in_context("variant '" + variant.name + "'", [&] {
      return planned(variant, plan.study, plan.base.config());
    }));
  }
  leave_out_shared(plan);
  for (const StudyTask& task : plan.study.tasks) {
    plan.tasks.push_back(in_context("task '" + task.label() + "'", [&] {
      return asked(task, plan.study, plan.base.config(), plan.tokenizer);
    }));
  }
  for (const PlannedVariant& variant : plan.variants) {
    if (!variant.made) continue;
    in_context("variant '" + variant.variant.name + "'",
               [&] { require_same_questions(*variant.made, plan.tokenizer, plan.tasks); });
  }
  if (std::ranges::any_of(plan.variants, &PlannedVariant::needs_calibration)) {
    plan.calibration = in_context("calibration", [&] { return calibration_of(plan); });
  }
  std::vector<TaskOutcomes> outcomes;
  for (const AskedTask& task : plan.tasks) outcomes.push_back({task.label, task.task->outcomes});
  plan.policy =
      plan.study.policy.empty()
          ? default_policy(outcomes)
          : policy_of(parse_policy(read_file(plan.study.policy), plan.study.policy), outcomes);
  plan.cost = cost_of(plan);
  require_room(plan.cost, plan.study.output);
  return plan;
}

std::string plan_text(const Plan& plan, double gflops) {
  std::string text = fmt::format("study {}: {}\n", plan.study.name, plan.base.description());
  text += fmt::format("  variants ({}):\n", plan.variants.size());
  for (const auto& [variant, method, made, needs_calibration, gflop] : plan.variants) {
    const char* control = variant.control == Control::kPositive   ? ", positive control"
                          : variant.control == Control::kNegative ? ", negative control"
                                                                  : "";
    text += fmt::format("    {}: {}{}{}\n", variant.name,
                        method ? describe(*method) : made->description(),
                        needs_calibration ? ", calibrated" : "", control);
  }
  text += shared_text(plan);
  text += fmt::format("  questions to each:\n    {:<24} {:>7} {:>9} {:>10} {:>8}\n", "task",
                      "items", "tokens", "computed", "saved");
  for (const AskedTask& task : plan.tasks) {
    const double saved =
        1 - static_cast<double>(task.cost.computed_tokens) /
                static_cast<double>(std::max<int64_t>(task.cost.request_tokens, 1));
    text += fmt::format("    {:<24} {:>7} {:>9} {:>10} {:>6.0f} %\n", task.label, task.items.size(),
                        task.cost.request_tokens, task.cost.computed_tokens, saved * 100);
  }
  text += fmt::format(
      "  work: {} tokens a variant, {:.1f} TFLOP in all; about {} at this machine's {:.0f} "
      "GFLOP/s\n",
      plan.cost.rows_per_variant, plan.cost.total_gflop / 1e3,
      duration_text(plan.cost.total_gflop / gflops), gflops);
  text +=
      fmt::format("  memory: {} at the most; disk: {} in {}\n", size_text(plan.cost.memory_bytes),
                  size_text(plan.cost.disk_bytes), plan.study.output);
  return text;
}

}  // namespace assay
