#include "run/variant_checkpoint.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "compress/block_journal.h"
#include "compress/pipeline.h"
#include "model/export.h"
#include "model/kv_cache.h"
#include "model/linear_product.h"
#include "run/self_check.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The report in the provenance says what to recount in the file.
void recount(const Checkpoint& checkpoint, const CompressionReport& report) {
  std::vector<LinearClaim> claims;
  for (const LinearReport& linear : report.linears) {
    claims.push_back({.tensor = linear.tensor,
                      .zeros = linear.zeros,
                      .levels_per_group = linear.levels_per_group,
                      .group_size = linear.group_size});
  }
  require_passed(std::vector{check_claims(checkpoint, claims)});
}

void compress_into(const fs::path& folder, const Plan& plan, const PlannedVariant& variant,
                   const CalibrationSet* calibration, SharedWork& shared, Progress& progress) {
  FolderExport target(folder, plan.base.config(), "float32", ExistingFolder::kReplace);
  CompressOptions options = compress_options(plan, variant, folder);
  options.shared = &shared;
  const double budget = variant.compress_gflop;
  double reported = 0;
  options.on_progress = [&](double done, double total, const std::string& stage) {
    progress.stage(variant.variant.name + ": compress, " + stage);
    const double now = total > 0 ? budget * done / total : 0;
    progress.add(now - reported);
    reported = now;
  };
  const auto report = compress(
      plan.base, *variant.method, calibration,
      [&](const std::string& name, const at::Tensor& tensor) { target.write(name, tensor); },
      options);
  target.commit(plan.tokenizer.to_tokenizer_json(), plan.tokenizer.to_tokenizer_config(),
                compression_provenance(plan.base, *variant.method, calibration, options, report));
  remove_block_journal(folder.string() + ".blocks");
  recount(Checkpoint::open(folder), report);
}

// Of equal weights, what else tells two checkpoints apart.
Json with_arithmetic(Json identity, const Checkpoint& checkpoint) {
  const Json provenance = checkpoint.provenance();
  if (const auto int8 = checkpoint.int8_product()) identity["product"] = to_json(*int8);
  if (const auto cache = kv_cache_format(provenance)) identity["kv_cache"] = to_json(*cache);
  return identity;
}

}  // namespace

Json base_identity(const Plan& plan) {
  return with_arithmetic({{"hash", plan.base.weights_hash()}}, plan.base);
}

Json variant_identity(const Plan& plan, const PlannedVariant& variant) {
  if (!variant.method) {
    return with_arithmetic({{"hash", variant.made->weights_hash()}}, *variant.made);
  }
  Json identity = with_arithmetic(
      {{"source", plan.base.weights_hash()}, {"method", to_json(*variant.method)}}, plan.base);
  if (variant.needs_calibration) identity["calibration"] = plan.calibration->provenance;
  return identity;
}

Checkpoint variant_checkpoint(const Plan& plan, const PlannedVariant& variant,
                              const OutputFolder& output, SharedWork& shared, Progress& progress) {
  if (!variant.method) return *variant.made;
  const std::string& name = variant.variant.name;
  const fs::path folder = output.checkpoint(name);
  const std::string identity = variant_identity(plan, variant).dump();
  const fs::path record = output.compression(name);
  const bool is_made =
      fs::exists(folder / "config.json") && fs::exists(record) &&
      parse_json(read_file(record), record.string()).value("identity", std::string()) == identity;
  if (is_made) {
    progress.skip(variant.compress_gflop);
    return Checkpoint::open(folder);
  }
  in_context(name, [&] {
    compress_into(folder, plan, variant, variant.needs_calibration ? &*plan.calibration : nullptr,
                  shared, progress);
    return 0;
  });
  const Checkpoint made = Checkpoint::open(folder);
  write_file_atomic(record, Json{{"identity", identity},
                                 {"weights_hash", made.weights_hash()},
                                 {"provenance", made.provenance()}}
                                    .dump(2) +
                                "\n");
  return made;
}

bool is_compressed(const PlannedVariant& variant, const OutputFolder& output) {
  return !variant.method || fs::exists(output.compression(variant.variant.name));
}

void remove_variant_checkpoint(const PlannedVariant& variant, const OutputFolder& output) {
  if (!variant.method) return;  // not ours
  std::error_code error;
  fs::remove_all(output.checkpoint(variant.variant.name), error);
  require(!error, output.checkpoint(variant.variant.name).string(),
          ": cannot remove: ", error.message());
}

}  // namespace assay
