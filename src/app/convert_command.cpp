// assay convert IN OUT: a checkpoint in another format, with what it loses there.

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "app/commands.h"
#include "app/memory_size.h"
#include "base/error.h"
#include "base/free_disk.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "model/dense_export.h"
#include "model/gguf_export.h"
#include "model/gguf_file_types.h"
#include "model/packed_conversion.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  std::string input, output, format = "auto", file_type, imatrix, save_dtype, max_part_size;
  int64_t threads = 0;
  bool overwrite = false, dry_run = false;
};

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string file_type_names() {
  std::string names;
  for (const GgufFileType& type : gguf_file_types()) {
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  return names;
}

// "gguf", "dense" or a packed format; "auto" settled by the output's name.
std::string checked_format(const ConvertArguments& arguments) {
  const bool has_ending = fs::path(arguments.output).extension() == ".gguf";
  const std::string format = arguments.format != "auto" ? arguments.format
                             : has_ending               ? "gguf"
                                                        : "dense";
  if (format == "gguf") {
    require(has_ending, arguments.output, ": a GGUF file's name must end in .gguf");
    require(!arguments.file_type.empty(), "convert: --format gguf needs --file_type (",
            file_type_names(), ")");
    require(arguments.save_dtype.empty(), "convert: --save_dtype is for folders");
    return format;
  }
  require(!has_ending, arguments.output, ": --format ", format, " writes a folder");
  require(
      arguments.file_type.empty() && arguments.imatrix.empty() && arguments.max_part_size.empty(),
      "convert: --file_type, --imatrix and --max_part_size are for --format gguf");
  return format;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names{"auto", "gguf", "dense"};
  for (const ExportFormat& format : export_formats()) names.emplace_back(format.name);
  return names;
}

void check_targets(const std::vector<fs::path>& paths, const ConvertArguments& arguments) {
  for (const fs::path& path : paths) {
    if (!fs::exists(path)) continue;
    require(fs::is_regular_file(path), path.string(), ": exists and is not a file");
    require(!fs::equivalent(path, arguments.input), path.string(), ": is the input itself");
    require(arguments.overwrite, path.string(), ": exists (--overwrite replaces it)");
  }
}

void print_unsaid(const std::string& what) {
  std::cout << "note: the format cannot say " << what << '\n';
}

void print_loss(std::string_view type, const StorageLoss& loss) {
  std::cout << fmt::format("  {:<7}{:>5} tensors {:>9.1f} MB", type, loss.tensors,
                           megabytes(loss.bytes));
  if (loss.copied > 0) std::cout << fmt::format(", {} copied byte for byte", loss.copied);
  if (loss.changed > 0) {
    std::cout << fmt::format(
        ", {:.2f} % of the values changed, by {:.3g} at most, relative error {:.5f}",
        100.0 * static_cast<double>(loss.changed) / static_cast<double>(loss.values),
        loss.max_error, loss.relative_error());
  }
  std::cout << '\n';
}

// What was lost, in words. Zeros are of a pruned model where a hundredth of all values is 0.
void print_losses(const std::map<std::string, StorageLoss>& by_format,
                  const std::vector<std::string>& unsaid) {
  StorageLoss all;
  for (const auto& [type, loss] : by_format) all.add(loss);
  if (all.changed == 0) std::cout << "every value is what it was\n";
  if (all.lost_zeros > 0) {
    std::cout << fmt::format("note: {} of {} zeros are no longer 0{}\n", all.lost_zeros, all.zeros,
                             all.zeros * 100 > all.values
                                 ? ": the sparsity of this pruned model is lost where a type "
                                   "has no 0 (docs/checkpoints.md)"
                                 : "");
  }
  for (const std::string& what : unsaid) print_unsaid(what);
}

// Types and sizes before anything is written.
std::map<std::string, StorageLoss> planned_sizes(const GgufPlan& plan) {
  std::map<std::string, StorageLoss> sizes;
  for (const PlannedTensor& tensor : plan.tensors) {
    StorageLoss& size = sizes[std::string(tensor.stored.format->name)];
    size.tensors += 1;
    size.copied += tensor.is_copied ? 1 : 0;
    size.bytes += static_cast<int64_t>(byte_size(tensor.stored));
  }
  return sizes;
}

void print_gguf_plan(const ConvertArguments& arguments, const Checkpoint& checkpoint,
                     const GgufPlan& plan) {
  std::cout << fmt::format("{} -> {} as {}\n", checkpoint.description(), arguments.output,
                           arguments.file_type);
  std::string without_zero;
  for (const auto& [type, size] : planned_sizes(plan)) {
    print_loss(type, size);
    if (!keeps_zeros(*block_format_by_name(type))) without_zero += " " + type;
  }
  const auto weighted = std::ranges::count_if(
      plan.tensors, [](const PlannedTensor& tensor) { return !tensor.importance.empty(); });
  if (weighted > 0) std::cout << weighted << " tensors are encoded with the importance matrix\n";
  std::cout << fmt::format("{:.1f} MB in all, {:.0f} MB are free there\n",
                           megabytes(static_cast<int64_t>(plan.data_bytes())),
                           megabytes(free_disk(arguments.output)));
  if (!without_zero.empty()) {
    std::cout << "note: of a pruned model the zeros are lost in" << without_zero << '\n';
  }
  for (const std::string& what : plan.lost) print_unsaid(what);
}

// Shows what is written, in values.
class ShownProgress {
 public:
  void operator()(double done, double total, const std::string& tensor) {
    if (!progress_) progress_.emplace(total);
    progress_->stage("convert: " + tensor);
    progress_->add(done - reported_);
    reported_ = done;
  }

 private:
  std::optional<Progress> progress_;
  double reported_ = 0;
};

void convert_to_gguf(const ConvertArguments& arguments, const Checkpoint& checkpoint) {
  GgufExportOptions options;
  options.file_type = arguments.file_type;
  std::optional<GgufFile> source;
  if (!fs::is_directory(arguments.input)) source = open_gguf(arguments.input);
  options.source = source ? &*source : nullptr;
  std::optional<ImportanceMatrix> importance;
  if (!arguments.imatrix.empty()) {
    importance = open_imatrix(arguments.imatrix);
    options.importance = &*importance;
    options.importance_source = fs::path(arguments.imatrix).filename().string();
  }
  if (!arguments.max_part_size.empty()) {
    options.max_part_bytes =
        static_cast<uint64_t>(parse_memory_size("--max_part_size", arguments.max_part_size));
  }
  check_targets({arguments.output}, arguments);  // before the source is hashed
  const GgufPlan plan = plan_gguf_export(checkpoint, options);
  check_targets(gguf_paths(arguments.output, plan.declarations(), options.max_part_bytes),
                arguments);
  if (arguments.dry_run) return print_gguf_plan(arguments, checkpoint, plan);
  const auto report = [&] {
    ShownProgress progress;
    return export_gguf(checkpoint, plan, arguments.output, options, std::ref(progress));
  }();
  std::cout << checkpoint.description() << " -> " << arguments.file_type << '\n';
  for (const auto& [type, loss] : report.by_format) print_loss(type, loss);
  print_losses(report.by_format, plan.lost);
  for (const fs::path& path : report.paths) std::cout << "written to " << path.string() << '\n';
}

ExistingFolder existing_of(const ConvertArguments& arguments) {
  return arguments.overwrite ? ExistingFolder::kReplace : ExistingFolder::kRefuse;
}

void convert_to_packed(const ConvertArguments& arguments, const std::string& format,
                       const Checkpoint& checkpoint) {
  const std::string dtype =
      arguments.save_dtype.empty() ? dtype_of_the_rest(checkpoint) : arguments.save_dtype;
  const auto plan = plan_packed_conversion(checkpoint, format, dtype);
  if (arguments.dry_run) {
    std::cout << fmt::format("{} -> {} as {}, other tensors in {}; {:.0f} MB are free there\n",
                             checkpoint.description(), arguments.output, format, dtype,
                             megabytes(free_disk(arguments.output)));
    for (const std::string& what : plan.unsaid) print_unsaid(what);
    return;
  }
  const auto losses = [&] {
    ShownProgress progress;
    return export_packed(checkpoint, plan.form, arguments.output, existing_of(arguments),
                         std::ref(progress));
  }();
  std::cout << checkpoint.description() << " -> " << format << '\n';
  for (const auto& [type, loss] : losses) print_loss(type, loss);
  print_losses(losses, plan.unsaid);
  std::cout << "written to " << arguments.output << '\n';
}

void convert_to_folder(const ConvertArguments& arguments, const Checkpoint& checkpoint) {
  DenseExportOptions options;
  if (!arguments.save_dtype.empty()) options.dtype = arguments.save_dtype;
  options.existing = existing_of(arguments);
  if (arguments.dry_run) {
    std::cout << fmt::format("{} -> {} as {}: {:.1f} MB, {:.0f} MB are free there\n",
                             checkpoint.description(), arguments.output, options.dtype,
                             megabytes(dense_bytes(checkpoint, options.dtype)),
                             megabytes(free_disk(arguments.output)));
    return;
  }
  const auto loss = [&] {
    ShownProgress progress;
    return export_dense(checkpoint, arguments.output, options, std::ref(progress));
  }();
  std::cout << checkpoint.description() << " -> " << options.dtype << '\n';
  print_loss(options.dtype, loss);
  print_losses({{options.dtype, loss}}, {});
  std::cout << "written to " << arguments.output << '\n';
}

void run(const ConvertArguments& arguments) {
  if (arguments.threads != 0) set_num_threads(arguments.threads);
  at::set_num_threads(static_cast<int>(num_threads()));
  const std::string format = checked_format(arguments);
  const fs::path input = resolve_model(arguments.input);
  const auto checkpoint = Checkpoint::open(input);
  ConvertArguments resolved = arguments;
  resolved.input = input.string();
  if (format == "gguf") return convert_to_gguf(resolved, checkpoint);
  if (format == "dense") return convert_to_folder(resolved, checkpoint);
  convert_to_packed(resolved, format, checkpoint);
}

}  // namespace

void add_convert_command(CLI::App& program) {
  const auto a = std::make_shared<ConvertArguments>();
  CLI::App* command =
      program.add_subcommand("convert", "a checkpoint in another format: GGUF, packed or dense");
  command->footer(
      "Values are kept where the new format can hold them, and what changes is counted in the "
      "file\n"
      "that was written. Between packed formats codes and scales are carried over, nothing is\n"
      "quantized (assay compress does that); the fp8 formats alone round. Tensors of a GGUF file\n"
      "that keep their type are copied byte for byte, and symmetric codes of 4 and 8 bits in "
      "groups\n"
      "of a multiple of 32 become Q4_0 and Q8_0 as they are. Pruned weights stay 0 in F32, F16,\n"
      "BF16, Q8_0, Q4_0, Q5_0, Q3_K and Q6_K, not in Q4_1, Q5_1, Q2_K, Q4_K, Q5_K and IQ4.\n"
      "\n"
      "  assay convert my-model my-model.Q4_K_M.gguf --file_type Q4_K_M --imatrix imatrix.gguf\n"
      "  assay convert model.Q8_0.gguf folder --save_dtype bfloat16\n"
      "  assay convert model-gptq model-awq --format awq\n"
      "\n"
      "File types are llama.cpp's: Q4_K_M is Q4_K with Q6_K where it matters most; K types need\n"
      "rows of a multiple of 256, other rows take the type that llama.cpp takes (--dry-run shows\n"
      "it).");
  command->add_option("input", a->input, "a folder, a .gguf file or a catalogue name")->required();
  command->add_option("output", a->output, "the new .gguf file or folder")->required();
  std::string help = "auto (by the output's name: gguf or dense), gguf, dense";
  for (const ExportFormat& format : export_formats()) {
    help += fmt::format(", {} ({})", format.name, format.help);
  }
  command->add_option("--format", a->format, help)
      ->check(CLI::IsMember(format_names()))
      ->capture_default_str();
  command->add_option("--file_type", a->file_type, "of a GGUF file: " + file_type_names());
  command->add_option(
      "--imatrix", a->imatrix,
      "importance matrix of llama.cpp (.dat or .gguf): weighs the errors of columns");
  command->add_option("--max_part_size", a->max_part_size,
                      "split a GGUF file into parts of at most this size, as 4GB");
  command->add_option(
      "--save_dtype", a->save_dtype,
      "of a folder: float32, bfloat16 or float16 (default: float32 of a dense one, else "
      "what the source's other tensors have)");
  command->add_option("--threads", a->threads, "threads (default: the processors of this process)");
  command->add_flag("--overwrite", a->overwrite, "replace what is there");
  command->add_flag("--dry-run", a->dry_run, "print types, sizes and losses, write nothing");
  command->callback([a] { run(*a); });
}

}  // namespace assay::app
