#include "compress/statistics.h"

#include <memory>
#include <set>
#include <variant>

#include "base/error.h"
#include "calibration/input_hessian.h"
#include "calibration/input_moments.h"

namespace assay {
WantedStatistics wanted_statistics(const MethodConfig& config) {
  const Needs needs = needs_of(config);
  WantedStatistics wanted{
      .norm = needs.input_norms, .moments = needs.moments, .hessian = needs.hessian};
  const auto* wanda = std::get_if<WandaConfig>(&config);
  if (wanda != nullptr && wanda->parity_running_mean) {
    wanted.norm_sum = NormSum::kFloatRunningMean;
  }
  return wanted;
}

std::map<std::string_view, InputStatistics> gather_statistics(
    const Block& block, const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
    std::span<const std::string_view> linears, const WantedStatistics& wanted) {
  std::set<std::string_view> sources, told;
  for (const std::string_view linear : linears) sources.insert(first_with_same_input(linear));
  std::map<std::string_view, InputNorms> norms;
  std::map<std::string_view, InputMoments> moments;
  std::map<std::string_view, InputHessian> hessians;
  InputHessian::Scratch scratch;
  observe_block_inputs(
      block, model, batches,
      [&](std::string_view linear, const at::Tensor& input, std::span<const int64_t> rows) {
        if (!sources.contains(linear)) return;
        told.insert(linear);
        if (wanted.norm) norms.try_emplace(linear, wanted.norm_sum).first->second.add(input, rows);
        if (wanted.moments) moments[linear].add(input, rows);
        if (wanted.hessian) hessians[linear].add(input, rows, scratch);
      });
  std::map<std::string_view, InputStatistics> of_source, statistics;
  for (const std::string_view source : sources) {
    if (wanted.any() && !told.contains(source)) fail_without_input(source);
    in_context(source, [&] {
      InputStatistics& gathered = of_source[source];
      if (wanted.norm) gathered.norm = norms.at(source).norms();
      if (wanted.moments) gathered.moments = moments.at(source).moments();
      if (wanted.hessian) {
        const auto sums = hessians.extract(source);  // ends here: sums and Hessian are as large
        gathered.second_order = std::make_shared<SecondOrder>(sums.mapped().hessian());
      }
    });
  }
  for (const std::string_view linear : linears) {
    statistics[linear] = of_source.at(first_with_same_input(linear));
  }
  return statistics;
}

}  // namespace assay
