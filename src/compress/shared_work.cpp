#include "compress/shared_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

// One kind of statistic of an input, and where it lies.
struct StatisticsPart {
  std::string what;
  WantedStatistics wanted;
};

std::vector<StatisticsPart> statistics_parts(const WantedStatistics& wanted) {
  std::vector<StatisticsPart> parts;
  if (wanted.norm) {
    const bool running = wanted.norm_sum == NormSum::kFloatRunningMean;
    parts.push_back({std::string("input norms of the first block") +
                         (running ? ", as a float32 running mean" : ""),
                     {.norm = true, .norm_sum = wanted.norm_sum}});
  }
  if (wanted.moments) parts.push_back({"input moments of the first block", {.moments = true}});
  if (wanted.hessian) parts.push_back({"Hessians of the first block", {.hessian = true}});
  return parts;
}

void copy_part(const InputStatistics& from, const WantedStatistics& part, InputStatistics& to) {
  if (part.norm) to.norm = from.norm;
  if (part.moments) to.moments = from.moments;
  if (part.hessian) to.second_order = from.second_order;
}

void add(WantedStatistics& wanted, const WantedStatistics& part) {
  wanted.norm |= part.norm;
  wanted.moments |= part.moments;
  wanted.hessian |= part.hessian;
  if (part.norm) wanted.norm_sum = part.norm_sum;
}

// OWL by GBLM runs GBLM with its defaults.
std::string gradients_part(const MethodConfig& config) {
  const auto* given = std::get_if<GblmConfig>(&config);
  const GblmConfig gblm = given != nullptr ? *given : GblmConfig{};
  return fmt::format("gradients ({} over samples{})", gblm.norm == GradientNorm::kL1 ? "L1" : "L2",
                     gblm.parity_half ? fmt::format(", float16 times {}", gblm.alpha) : "");
}

std::string outliers_part(const OwlMethodConfig& owl) {
  return fmt::format("shares of outliers (above {} times the mean)", owl.outlier_multiple);
}

// Without users.
std::vector<SharedPart> parts_of(const MethodConfig& config) {
  std::vector<SharedPart> parts;
  const auto add_part = [&](SharedKind kind, std::string what) {
    parts.push_back({.kind = kind, .what = std::move(what), .users = {}});
  };
  if (needs_of(config).inputs) return parts;  // whole dense blocks, too large to keep
  for (StatisticsPart& part : statistics_parts(wanted_statistics(config)))
    add_part(SharedKind::kFirstBlock, std::move(part.what));
  if (needs_of(config).gradients) add_part(SharedKind::kGradients, gradients_part(config));
  if (const auto* owl = std::get_if<OwlMethodConfig>(&config))
    add_part(SharedKind::kOutliers, outliers_part(*owl));
  return parts;
}

}  // namespace

std::vector<SharedPart> shared_parts(std::span<const MethodConfig> configs) {
  std::vector<SharedPart> parts;
  for (size_t user = 0; user < configs.size(); ++user) {
    for (SharedPart& one : parts_of(configs[user])) {
      auto part = std::ranges::find(parts, one.what, &SharedPart::what);
      if (part == parts.end()) part = parts.insert(part, std::move(one));
      part->users.push_back(user);
    }
  }
  std::erase_if(parts, [](const SharedPart& part) { return part.users.size() < 2; });
  return parts;
}

SharedWork::SharedWork(std::span<const MethodConfig> configs) {
  for (const SharedPart& part : shared_parts(configs)) users_left_[part.what] = part.users.size();
}

template <class Value>
Value SharedWork::take(std::map<std::string, Value>& kept, const std::string& part,
                       const std::function<Value()>& compute) {
  const auto found = kept.find(part);
  Value value = found != kept.end() ? found->second : compute();
  const auto users = users_left_.find(part);
  const bool is_wanted = users != users_left_.end() && users->second > 1;
  if (users != users_left_.end() && users->second > 0) --users->second;
  if (is_wanted) {
    kept.insert_or_assign(part, value);
  } else {
    kept.erase(part);
  }
  return value;
}

std::map<std::string_view, InputStatistics> SharedWork::of_first_block(
    const MethodConfig& config, std::span<const std::string_view> linears,
    const std::function<std::map<std::string_view, InputStatistics>(const WantedStatistics&)>&
        gather) {
  using Statistics = std::map<std::string_view, InputStatistics>;
  const auto parts = statistics_parts(wanted_statistics(config));
  const auto is_kept = [&](const StatisticsPart& part) {
    const auto kept = statistics_.find(part.what);
    return kept != statistics_.end() &&
           std::ranges::all_of(linears, [&](auto name) { return kept->second.contains(name); });
  };
  WantedStatistics missing;
  for (const StatisticsPart& part : parts) {
    if (is_kept(part)) continue;
    statistics_.erase(part.what);
    add(missing, part.wanted);
  }
  const Statistics gathered = missing.any() ? gather(missing) : Statistics();
  Statistics result;
  for (const StatisticsPart& part : parts) {
    const Statistics of_part = take<Statistics>(statistics_, part.what, [&] {
      Statistics fresh;
      for (const std::string_view linear : linears)
        copy_part(gathered.at(linear), part.wanted, fresh[linear]);
      return fresh;
    });
    for (const std::string_view linear : linears)
      copy_part(of_part.at(linear), part.wanted, result[linear]);
  }
  return result;
}

std::shared_ptr<const GradientStore> SharedWork::gradients(
    const MethodConfig& config,
    const std::function<std::shared_ptr<const GradientStore>()>& compute) {
  return take(gradients_, gradients_part(config), compute);
}

std::vector<double> SharedWork::outlier_percents(
    const OwlMethodConfig& config, const std::function<std::vector<double>()>& compute) {
  return take(outliers_, outliers_part(config), compute);
}

int64_t shared_bytes(std::span<const MethodConfig> configs, const ModelConfig& model,
                     const Spill& spill) {
  const int64_t hidden = model.hidden_size, heads = model.num_attention_heads * model.head_dim,
                mlp = model.intermediate_size;
  int64_t bytes = 0;
  for (const SharedPart& part : shared_parts(configs)) {
    const MethodConfig& user = configs[part.users.front()];
    if (part.kind == SharedKind::kFirstBlock && wanted_statistics(user).hessian) {
      bytes += 2 * 4 * (2 * hidden * hidden + heads * heads + mlp * mlp);  // and their factors
    }
    if (part.kind == SharedKind::kGradients && !spill.gradients) {
      GradientOptions options;
      if (const auto* gblm = std::get_if<GblmConfig>(&user); gblm != nullptr && gblm->parity_half)
        options.reference_scale = gblm->alpha;
      bytes += static_cast<int64_t>(GradientStore::bytes(model, options));
    }
  }
  return bytes;
}

double shared_gflop(SharedKind kind, const CompressionWork& work, int64_t num_layers) {
  switch (kind) {
    case SharedKind::kFirstBlock:
      return 0;
    case SharedKind::kGradients:
      return work.gradients;
    case SharedKind::kOutliers:
      return work.outliers * static_cast<double>(num_layers);
  }
  return 0;
}

}  // namespace assay
