#include "compress/statistics.h"

#include <memory>
#include <set>
#include <variant>

#include "base/error.h"
#include "calibration/input_hessian.h"
#include "calibration/input_moments.h"

namespace assay {
namespace {

NormSum norm_sum_of(const MethodConfig& config) {
  const auto* wanda = std::get_if<WandaConfig>(&config);
  return wanda != nullptr && wanda->parity_running_mean ? NormSum::kFloatRunningMean
                                                        : NormSum::kDouble;
}

}  // namespace

std::map<std::string_view, InputStatistics> gather_statistics(
    const Block& block, const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
    std::span<const std::string_view> linears, const MethodConfig& config) {
  const Needs needs = needs_of(config);
  std::set<std::string_view> sources;
  for (const std::string_view linear : linears) sources.insert(first_with_same_input(linear));
  std::map<std::string_view, InputNorms> norms;
  std::map<std::string_view, InputMoments> moments;
  std::map<std::string_view, InputHessian> hessians;
  observe_block_inputs(
      block, model, batches,
      [&](std::string_view linear, const at::Tensor& input, std::span<const int64_t> rows) {
        if (!sources.contains(linear)) return;
        if (needs.input_norms)
          norms.try_emplace(linear, norm_sum_of(config)).first->second.add(input, rows);
        if (needs.moments) moments[linear].add(input, rows);
        if (needs.hessian) hessians[linear].add(input, rows);
      });
  std::map<std::string_view, InputStatistics> of_source, statistics;
  for (const std::string_view source : sources) {
    in_context(source, [&] {
      InputStatistics& gathered = of_source[source];
      if (needs.input_norms) gathered.norm = norms.at(source).norms();
      if (needs.moments) gathered.moments = moments.at(source).moments();
      if (needs.hessian) {
        gathered.second_order = std::make_shared<SecondOrder>(hessians.at(source).hessian());
      }
    });
  }
  for (const std::string_view linear : linears) {
    statistics[linear] = of_source.at(first_with_same_input(linear));
  }
  return statistics;
}

}  // namespace assay
