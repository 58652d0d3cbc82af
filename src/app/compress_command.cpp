// assay compress MODEL --method M -o DIR: one compressed checkpoint in Hugging Face layout.

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <type_traits>

#include "app/commands.h"
#include "app/memory_size.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "compress/block_journal.h"
#include "compress/export_form.h"
#include "compress/pipeline.h"
#include "compress/work.h"
#include "model/export.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct CompressArguments {
  std::string model, method, output, calibration, dtype = "auto", save_dtype;
  std::string format = "dense";    // of the folder
  Json settings = Json::object();  // of the method, those that were given
  std::vector<std::string> parity;

  int64_t samples = 128, threads = 0, batch_tokens = CompressOptions{}.batch_tokens;
  std::optional<int64_t> length;
  std::optional<uint64_t> seed;
  std::string journal = "auto";
  std::string memory_limit;  // empty = none
  bool overwrite = false, dry_run = false;
};

// A study's keys are the flags' words; a flag that the method does not know is refused there.
MethodConfig config_of(const CompressArguments& arguments) {
  Json settings = arguments.settings;
  settings["method"] = arguments.method;
  if (!arguments.parity.empty()) settings["parity"] = arguments.parity;
  const Method& method = method_named(arguments.method);
  if (!method.needs.calibration()) {
    require(arguments.calibration.empty() && !arguments.length, "method ", method.name,
            " takes no calibration text");
    if (arguments.seed) settings["seed"] = *arguments.seed;  // of the method itself
  }
  return method_config(settings);
}

std::optional<CalibrationSet> calibration_of(const CompressArguments& arguments,
                                             const Method& method, const Checkpoint& checkpoint) {
  if (!method.needs.calibration()) return std::nullopt;
  require(!arguments.calibration.empty(), "method ", method.name,
          " needs --calibration SOURCE (text:FILE, jsonl:FILE#field, ids:FILE or c4:FILE)");
  const auto source = parse_calibration_source(arguments.calibration);
  require(source.kind != CalibrationKind::kIds || !arguments.seed,
          "ids:FILE is used as given, --seed changes nothing");
  auto length = arguments.length;
  if (!length && source.kind != CalibrationKind::kIds) {
    length = std::min<int64_t>(2048, checkpoint.config().max_position_embeddings);
  }
  return read_calibration({source, arguments.samples, length, arguments.seed},
                          checkpoint.tokenizer());
}

CalibrationSize size_of(const std::optional<CalibrationSet>& calibration) {
  return calibration ? calibration_size(calibration->sequences) : CalibrationSize{};
}

// Packed files of other software hold 16 bits where they hold floats.
std::string save_dtype_of(const CompressArguments& arguments) {
  if (!arguments.save_dtype.empty()) return arguments.save_dtype;
  return arguments.format == "dense" ? "float32" : "float16";
}

// What the linears are stored as; nothing for a dense folder.
std::optional<PackedForm> form_of(const CompressArguments& arguments, const MethodConfig& config,
                                  const ModelConfig& model) {
  if (arguments.format == "dense") return std::nullopt;
  return export_form(arguments.format, config, model, save_dtype_of(arguments));
}

fs::path journal_folder(const CompressArguments& arguments) { return arguments.output + ".blocks"; }

CompressOptions options_of(const CompressArguments& arguments, const Checkpoint& checkpoint,
                           const MethodConfig& config,
                           const std::optional<CalibrationSet>& calibration) {
  CompressOptions options;
  options.save_dtype = save_dtype_of(arguments);
  options.batch_tokens = arguments.batch_tokens;
  if (!arguments.memory_limit.empty())
    options.memory_limit = parse_memory_size("--memory_limit", arguments.memory_limit);
  options.spill_folder = fs::absolute(arguments.output).lexically_normal().parent_path();
  const double gflop = compression_work(config, checkpoint.config(), size_of(calibration).tokens)
                           .total(checkpoint.config().num_hidden_layers);
  const bool is_dense = arguments.format == "dense";
  require(is_dense || arguments.journal != "always",
          "compress: --journal always keeps dense blocks, --export ", arguments.format,
          " needs their codes");
  const bool is_wanted = arguments.journal == "always" ||
                         (arguments.journal == "auto" && calibration && is_worth_a_journal(gflop));
  if (is_dense && is_wanted) options.journal = journal_folder(arguments);
  return options;
}

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

// "3400 MB at most, while mlp.down_proj is compressed: 200 the program, ..."
std::string memory_text(const MemoryPlan& memory) {
  std::string text = fmt::format("{:.0f} MB at most, {}:", megabytes(memory.bytes), memory.moment);
  for (const MemoryPart& part : memory.parts) {
    text += fmt::format("{} {:.0f} {}", &part == &memory.parts.front() ? "" : ",",
                        megabytes(part.bytes), part.what);
  }
  return text;
}

std::string disk_text(const MemoryPlan& memory, const CompressOptions& options) {
  std::string text;
  if (memory.spilled_bytes > 0) {
    text = fmt::format("{:.0f} MB of {} in a temporary file beside the output",
                       megabytes(memory.spilled_bytes),
                       memory.spill.states && memory.spill.gradients ? "hidden states and gradients"
                       : memory.spill.states                         ? "hidden states"
                                                                     : "gradients");
  }
  if (!options.journal.empty()) {
    text += fmt::format("{}finished blocks in {}, {:.0f} MB at the most", text.empty() ? "" : ", ",
                        options.journal.string(), megabytes(memory.journal_bytes));
  }
  return text.empty() ? "nothing but the result" : text;
}

void print_plan(const CompressArguments& arguments, const Checkpoint& checkpoint,
                const MethodConfig& config, const std::optional<CalibrationSet>& calibration,
                const CompressOptions& options) {
  const CalibrationSize size = size_of(calibration);
  const auto plan = plan_compression(checkpoint, config, size, options);
  std::cout << fmt::format(
      "model        {}\n"
      "method       {}   {}\n"
      "compressed   {} linears of {} layers, {:.1f} M weights; embeddings, norms and head {}\n"
      "calibration  {}\n"
      "memory       {}\n"
      "on disk      {}\n"
      "work         {:.0f} GFLOP of forward passes\n"
      "writes       {:.0f} MB of {} to {}\n",
      checkpoint.description(), describe(config), to_json(config).dump(), plan.num_linears,
      plan.num_layers, static_cast<double>(plan.linear_elements) / 1e6,
      std::holds_alternative<PermuteConfig>(config) ? "are permuted" : "are copied",
      calibration ? fmt::format("{} sequences, {} tokens of {}", size.sequences, size.tokens,
                                arguments.calibration)
                  : "none needed",
      memory_text(plan.memory), disk_text(plan.memory, options), plan.gflop,
      megabytes(plan.output_bytes),
      arguments.format == "dense" ? options.save_dtype
                                  : options.save_dtype + " at most, packed as " + arguments.format,
      arguments.output);
}

void print_cache(const CacheReport& cache) {
  std::cout << fmt::format(
      "KV cache: {:.3f} bits a value, {:.1f} MB at {} tokens ({:.1f} MB in 16 bits)\n", cache.bits,
      megabytes(cache.bytes), cache.tokens, megabytes(cache.dense_bytes));
  if (!cache.note.empty()) std::cout << "note: in the KV cache " << cache.note << '\n';
}

void print_report(const CompressArguments& arguments, const MethodConfig& config,
                  const CompressionReport& report) {
  std::cout << fmt::format(
      "{}: {} linears, {:.4f} of their weights zero, {:.3f} bits a weight, weight error {:.4f}\n",
      describe(config), report.linears.size(), report.sparsity(), report.bits(),
      report.weight_error());
  if (report.kv_cache) print_cache(*report.kv_cache);
  for (const auto& [note, count] : report.note_counts())
    std::cout << "note: in " << count << " linears " << note << '\n';
  std::cout << "written to " << arguments.output << '\n';
}

// Folder: FolderExport or PackedExport.
template <class Folder>
void compress_into(Folder& folder, const CompressArguments& arguments, const MethodConfig& config,
                   const Checkpoint& checkpoint) {
  const auto calibration = calibration_of(arguments, method_of(config), checkpoint);
  const CalibrationSet* given = calibration ? &*calibration : nullptr;
  CompressOptions options = options_of(arguments, checkpoint, config, calibration);
  if constexpr (std::is_same_v<Folder, PackedExport>) {
    options.pack = [&](const std::string& name, const at::Tensor& weight,
                       const LinearCodes& codes) { return folder.pack(name, weight, codes); };
  }
  std::optional<Progress> progress;
  double reported = 0;
  options.on_progress = [&](double done, double total, const std::string& stage) {
    if (!progress) progress.emplace(total);
    progress->stage("compress: " + stage);
    progress->add(done - reported);
    reported = done;
  };
  const auto report = compress(
      checkpoint, config, given,
      [&](const std::string& name, const at::Tensor& tensor) { folder.write(name, tensor); },
      options);
  progress.reset();
  const Tokenizer tokenizer = checkpoint.tokenizer();
  Json provenance = compression_provenance(checkpoint, config, given, options, report);
  if (arguments.format != "dense") provenance["export"] = arguments.format;
  folder.commit(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config(), provenance);
  remove_block_journal(journal_folder(arguments));
  print_report(arguments, config, report);
}

void run(const CompressArguments& arguments) {
  require(arguments.dtype == "float32" || arguments.dtype == "auto", "compress: dtype '",
          arguments.dtype, "' is not there yet; float32 is (auto = float32)");
  require(arguments.batch_tokens >= 1, "compress: --batch_tokens must be at least 1, got ",
          arguments.batch_tokens);
  if (arguments.threads != 0) set_num_threads(arguments.threads);
  at::set_num_threads(static_cast<int>(num_threads()));
  const MethodConfig config = config_of(arguments);
  const auto checkpoint = Checkpoint::open(resolve_model(arguments.model));
  const auto form = form_of(arguments, config, checkpoint.config());
  if (arguments.dry_run) {
    const auto calibration = calibration_of(arguments, method_of(config), checkpoint);
    print_plan(arguments, checkpoint, config, calibration,
               options_of(arguments, checkpoint, config, calibration));
    return;
  }
  // Refuses a target before anything is computed.
  const auto existing = arguments.overwrite ? ExistingFolder::kReplace : ExistingFolder::kRefuse;
  if (form) {
    PackedExport folder(arguments.output, checkpoint.config(), *form, existing);
    compress_into(folder, arguments, config, checkpoint);
  } else {
    FolderExport folder(arguments.output, checkpoint.config(), save_dtype_of(arguments), existing);
    compress_into(folder, arguments, config, checkpoint);
  }
}

// One flag for each setting of the methods; its help names those that take it.
void add_settings(CLI::App& command, CompressArguments& arguments) {
  std::map<std::string_view, std::string> takers;
  for (const SettingInfo& setting : shared_settings()) {
    takers[setting.key] = "every method but kv_cache";
  }
  for (const Method& method : methods()) {
    for (const SettingInfo& setting : method.settings) {
      takers[setting.key] += (takers[setting.key].empty() ? "" : ", ") + std::string(method.name);
    }
  }
  const auto add = [&](const SettingInfo& setting) {
    const std::string key(setting.key), flag = "--" + key;
    const std::string help = std::string(setting.help) + " (" + takers.at(setting.key) + ")";
    Json& settings = arguments.settings;
    switch (setting.kind) {
      case SettingKind::kFlag:
        command.add_flag_function(
            flag + ",!--no-" + key, [&settings, key](int64_t count) { settings[key] = count > 0; },
            help);
        break;
      case SettingKind::kInteger:
        command.add_option_function<int64_t>(
            flag, [&settings, key](int64_t value) { settings[key] = value; }, help);
        break;
      case SettingKind::kNumber:
        command.add_option_function<double>(
            flag, [&settings, key](double value) { settings[key] = value; }, help);
        break;
      case SettingKind::kWord:
        command.add_option_function<std::string>(
            flag, [&settings, key](const std::string& value) { settings[key] = value; }, help);
        break;
    }
  };
  std::set<std::string_view> added{"seed"};  // --seed is the calibration's too
  for (const Method& method : methods()) {
    for (const SettingInfo& setting : method.settings) {
      if (added.insert(setting.key).second) add(setting);
    }
  }
  for (const SettingInfo& setting : shared_settings()) add(setting);
}

}  // namespace

void add_compress_command(CLI::App& program) {
  const auto a = std::make_shared<CompressArguments>();
  CLI::App* command =
      program.add_subcommand("compress", "write one compressed checkpoint (docs/methods)");
  std::string known;
  for (const Method& method : methods())
    known += (known.empty() ? "" : ", ") + std::string(method.name);
  command->add_option("model", a->model, "a folder, a .gguf file or a catalogue name")->required();
  command->add_option("--method", a->method, known)->required();
  command->add_option("-o,--output", a->output, "the new folder; must be empty or absent")
      ->required();
  add_settings(*command, *a);
  command->add_option("--parity", a->parity,
                      "quirks of the reference: reference (all) or a name, repeatable");
  command->add_option("--calibration", a->calibration,
                      "text:FILE, jsonl:FILE#field[501:], ids:FILE or c4:FILE");
  command->add_option("--samples", a->samples, "calibration sequences")->capture_default_str();
  command->add_option("--length", a->length,
                      "tokens of a sequence, default 2048 or the model's maximum");
  command->add_option("--seed", a->seed, "of the calibration's draw; of the order for permute");
  command->add_option("--dtype", a->dtype, "compute type: float32 or auto (= float32)");
  command->add_option("--save_dtype", a->save_dtype,
                      "float32, bfloat16 or float16 (default: float32, in packed folders float16)");
  std::string formats = "how the folder is stored: dense";
  for (const ExportFormat& format : export_formats()) {
    formats += "; " + std::string(format.name) + " (" + std::string(format.help) + ")";
  }
  command->add_option("--export", a->format, formats)->capture_default_str();
  command->add_option("--threads", a->threads, "threads (default: the processors of this process)");
  command
      ->add_option("--batch_tokens", a->batch_tokens,
                   "rows of a forward pass: bounds memory, changes no result")
      ->capture_default_str();
  command->add_option("--memory_limit", a->memory_limit,
                      "memory to stay below, as 8GiB or 6GB: hidden states and gradients that are "
                      "above go to a file beside the output (default: the machine's free memory)");
  command
      ->add_option("--journal", a->journal,
                   "keep finished blocks beside the output, so that a killed run goes on behind "
                   "them: auto (when it takes minutes), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->add_flag("--overwrite", a->overwrite, "replace the checkpoint in the output folder");
  command->add_flag("--dry-run", a->dry_run, "print what would be done, write nothing");
  command->callback([a] { run(*a); });
}

}  // namespace assay::app
