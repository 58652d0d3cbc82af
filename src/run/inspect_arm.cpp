#include "run/inspect_arm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "model/tensor_names.h"

namespace assay {
namespace {

// A weight decoded and counted takes as long as so many operations of products (SmolLM2: 6 ns of
// one core).
constexpr double kInspectFlop = 270;

double share(int64_t part, int64_t whole) {
  return whole == 0 ? NAN : static_cast<double>(part) / static_cast<double>(whole);
}

// Several groups as one, under the name of the first.
void add(TensorGroup& sum, const TensorGroup& group) {
  sum.num_tensors += group.num_tensors;
  for (const auto& [dtype, weights] : group.weights_of_dtype) {
    sum.weights_of_dtype[dtype] += weights;
  }
  sum.stored_bytes += group.stored_bytes;
  sum.counts.weights += group.counts.weights;
  sum.counts.zeros += group.counts.zeros;
  sum.counts.groups_of_4 += group.counts.groups_of_4;
  sum.counts.groups_2_4 += group.counts.groups_2_4;
  sum.num_compared += group.num_compared;
  sum.error_squares += group.error_squares;
  sum.base_squares += group.base_squares;
}

RoleInspection role_of_group(const TensorGroup& group) {
  const WeightCounts& counts = group.counts;
  RoleInspection role{.role = group.name,
                      .num_tensors = group.num_tensors,
                      .weights = counts.weights,
                      .stored = {}};
  for (const auto& [dtype, weights] : group.weights_of_dtype)
    role.stored += (role.stored.empty() ? "" : "+") + dtype;
  role.bits = 8 * share(static_cast<int64_t>(group.stored_bytes), counts.weights);
  role.zeros = share(counts.zeros, counts.weights);
  if (group.linear) role.groups_2_4 = share(counts.groups_2_4, counts.groups_of_4);
  if (group.num_compared > 0)
    role.relative_error = relative_error(group.error_squares, group.base_squares);
  return role;
}

// A NaN is above every number.
double rank(const TensorDifference& difference) {
  const double error = relative_error(difference);
  return std::isnan(error) ? INFINITY : error;
}

std::vector<TensorError> worst_of(const WeightDifference& difference) {
  std::vector<TensorDifference> changed;
  for (const TensorDifference& t : difference.tensors) {
    if (t.changed > 0) changed.push_back(t);
  }
  std::ranges::stable_sort(changed, std::ranges::greater(), rank);
  if (changed.size() > kWorstTensors) changed.resize(kWorstTensors);
  std::vector<TensorError> worst;
  worst.reserve(changed.size());
  for (const TensorDifference& t : changed) {
    worst.push_back(
        {.tensor = t.name, .relative_error = relative_error(t), .max_error = t.max_error});
  }
  return worst;
}

}  // namespace

FileInspection in_short(const Inspection& inspection) {
  FileInspection result;
  result.format = inspection.description;
  TensorGroup linears;
  linears.name = "linears of the blocks";
  linears.linear = true;
  for (const TensorGroup& group : inspection.groups) {
    result.stored_bytes += static_cast<int64_t>(group.stored_bytes);
    if (group.linear) add(linears, group);
    result.roles.push_back(role_of_group(group));
  }
  result.linears = role_of_group(linears);
  if (inspection.difference) {
    result.worst = worst_of(*inspection.difference);
    result.not_compared = inspection.difference->not_compared;
  }
  result.warnings = inspection.warnings;
  result.findings = inspection.findings;
  return result;
}

std::string inspection_key(const Json& identity, const Json& base_identity) {
  const Json key{{"assay_version", version()}, {"weights", identity}, {"base", base_identity}};
  return sha256_hex(key.dump());
}

double inspect_gflop(const Plan& plan, const PlannedVariant* variant) {
  const int files = variant == nullptr ? 1 : 2;  // a variant's is decoded beside the base's
  return kInspectFlop * static_cast<double>(files * num_weights(plan.base.config())) / 1e9;
}

bool is_inspected(const std::filesystem::path& record, const std::string& key) {
  if (!std::filesystem::exists(record)) return false;
  const Json file = parse_intact_json(read_file(record), record.string());
  return json_get<std::string>(file, "key", record.string()) == key;
}

void inspect_arm(const Checkpoint& checkpoint, const Checkpoint* base,
                 const std::filesystem::path& record, const std::string& key) {
  const Inspection inspection = inspect(checkpoint, {.against = base, .magnitudes = false});
  const Json file{{"key", key}, {"inspection", to_json(in_short(inspection))}};
  write_file_atomic(record, file.dump(2) + "\n");
}

FileInspection recorded_inspection(const std::filesystem::path& record) {
  const Json file = parse_intact_json(read_file(record), record.string());
  try {
    return file_inspection(json_get<Json>(file, "inspection", record.string()), record.string());
  } catch (const Error& e) {
    fail(ErrorKind::kCorruptFile, e.what(), "; delete it to inspect again");
  }
}

}  // namespace assay
