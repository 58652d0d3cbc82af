#include "compress/pipeline.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/pages.h"
#include "base/version.h"
#include "calibration/gradient_store.h"
#include "calibration/hidden_states.h"
#include "compress/block_journal.h"
#include "compress/compress_block.h"
#include "compress/compress_linear.h"
#include "compress/error_energy.h"
#include "compress/memory_plan.h"
#include "compress/save_dtype.h"
#include "compress/shared_work.h"
#include "compress/statistics.h"
#include "compress/work.h"
#include "model/block.h"
#include "model/kv_cache.h"
#include "model/linear_product.h"

namespace assay {
namespace {

// ||stored - weight||_F / ||weight||_F, some rows at a time: a copy of a wide linear counts.
double relative_error(const at::Tensor& weight, const at::Tensor& stored) {
  constexpr int64_t kRows = 256;
  double squares = 0, errors = 0;
  for (int64_t first = 0; first < weight.size(0); first += kRows) {
    const int64_t count = std::min(kRows, weight.size(0) - first);
    const at::Tensor rows = weight.narrow(0, first, count);
    squares += sum_of_squares(rows);
    errors += sum_of_squares(stored.narrow(0, first, count) - rows);
  }
  return squares == 0 ? 0 : std::sqrt(errors / squares);
}

// All that the results depend on.
std::string identity_of(const Checkpoint& checkpoint, const MethodConfig& config,
                        const CalibrationSet* calibration, const CompressOptions& options) {
  const Json identity{{"version", version()},
                      {"weights", checkpoint.weights_hash()},
                      {"method", to_json(config)},
                      {"calibration", calibration != nullptr ? calibration->ids_hash : ""},
                      {"save_dtype", options.save_dtype},
                      {"batch_tokens", options.batch_tokens}};
  return identity.dump();
}

std::optional<KvCacheConfig> kv_cache_of_result(const Checkpoint& checkpoint,
                                                const MethodConfig& config) {
  return kv_cache_of(config, kv_cache_format(checkpoint.provenance()));
}

std::optional<CacheReport> cache_report(const Checkpoint& checkpoint, const MethodConfig& config) {
  const auto format = kv_cache_of_result(checkpoint, config);
  if (!format) return std::nullopt;
  const ModelConfig& model = checkpoint.config();
  CacheReport report;
  report.bits = kv_cache_bits(format, model.head_dim);
  report.tokens = model.max_position_embeddings;
  report.bytes = kv_cache_bytes(model, report.tokens, report.bits);
  report.dense_bytes =
      kv_cache_bytes(model, report.tokens, kv_cache_bits(std::nullopt, model.head_dim));
  if (format->group_size > 0 && model.head_dim % format->group_size != 0) {
    report.note = "groups of " + std::to_string(format->group_size) + " leave one of " +
                  std::to_string(model.head_dim % format->group_size) + " at the end of each head";
  }
  return report;
}

// One run: where the work stands and where results go.
class Run {
 public:
  Run(const Checkpoint& checkpoint, const MethodConfig& config, const CalibrationSet* calibration,
      const TensorSink& write, const CompressOptions& options)
      : checkpoint_(checkpoint),
        config_(config),
        write_(write),
        options_(options),
        type_(save_type(options.save_dtype)),
        needs_(needs_of(config)) {
    if (needs_.calibration()) {
      require(calibration != nullptr && !calibration->sequences.empty(), "method ",
              method_of(config).name, " needs calibration text");
      sequences_ = calibration->sequences;
    }
    const MemoryPlan plan = plan_memory(checkpoint, config, calibration_size(sequences_), options);
    spill_ = plan.spill;
    require(!options.pack || options.journal.empty(),
            "compress: packed weights are not kept in a journal");
    if (!options.journal.empty()) {
      journal_.emplace(options.journal, identity_of(checkpoint, config, calibration, options));
      journal_->require_room(plan.journal_bytes);
    }
    if (!needs_.calibration()) return;
    batches_ = embedded();
    return_freed_memory();
  }

  CompressionReport walk() {
    const int64_t num_layers = checkpoint_.config().num_hidden_layers;
    const CompressionWork cost =
        compression_work(config_, checkpoint_.config(), calibration_size(sequences_).tokens);
    total_ = cost.total(num_layers);
    const int64_t first = journal_ ? take_over_finished_blocks(cost) : 0;
    if (first < num_layers) {
      if (needs_.gradients) gather_gradients(cost);
      if (std::holds_alternative<OwlMethodConfig>(config_)) share_out_sparsity(cost);
      if (first > 0 && needs_.calibration()) journal_->read_states(batches_);
    }
    for (int64_t layer = first; layer < num_layers; ++layer) {
      in_context("layer " + std::to_string(layer), [&] { walk_block(layer, cost); });
      return_freed_memory();
      if (!journal_) continue;
      const bool is_last = layer + 1 == num_layers;
      journal_->add(current_, is_last ? std::vector<CalibrationBatch>() : batches_);
      current_ = {};
    }
    batches_.clear();
    gradients_.reset();
    copy_the_rest();
    report_.kv_cache = cache_report(checkpoint_, config_);
    return std::move(report_);
  }

 private:
  // What an earlier, killed run finished; the number of its blocks.
  int64_t take_over_finished_blocks(const CompressionWork& cost) {
    const int64_t num_layers = checkpoint_.config().num_hidden_layers;
    const bool goes_on = journal_->num_finished() < num_layers;
    if (goes_on && needs_.calibration() && !journal_->has_states()) journal_->clear();
    for (int64_t layer = 0; layer < journal_->num_finished(); ++layer) {
      const FinishedBlock block = journal_->block(layer);
      for (const auto& [name, tensor] : block.tensors) {
        written_.insert(name);
        write_(name, tensor);
      }
      const CompressionReport& report = block.report;
      report_.linears.insert(report_.linears.end(), report.linears.begin(), report.linears.end());
      report_.folded.insert(report_.folded.end(), report.folded.begin(), report.folded.end());
      const double pass = layer + 1 < num_layers ? cost.pass : 0;
      advance(cost.num_gathers * cost.gather + cost.compress + pass,
              stage_of(layer) + ": of an earlier run");
    }
    return journal_->num_finished();
  }

  std::vector<CalibrationBatch> embedded() const {
    return embed_sequences(load_embedding(checkpoint_), checkpoint_.config(), sequences_,
                           options_.batch_tokens,
                           {.in_file = spill_.states, .folder = options_.spill_folder});
  }

  std::string stage_of(int64_t layer) const {
    return "layer " + std::to_string(layer + 1) + " of " +
           std::to_string(checkpoint_.config().num_hidden_layers);
  }

  // The method itself, or what OWL runs on this block.
  MethodConfig config_of_block(int64_t layer) const {
    const auto* owl = std::get_if<OwlMethodConfig>(&config_);
    return owl == nullptr ? config_ : pruning_of(*owl, sparsities_.at(static_cast<size_t>(layer)));
  }

  // One backward pass through the dense model before the first block is compressed.
  void gather_gradients(const CompressionWork& cost) {
    const auto config = config_of_gblm();
    GradientOptions options{
        .place = {.in_file = spill_.gradients, .folder = options_.spill_folder}};
    if (config.parity_half) options.reference_scale = config.alpha;
    double told = 0;
    options.on_progress = [&](double done, double all, const std::string& stage) {
      const double now = all > 0 ? cost.gradients * done / all : 0;
      advance(now - told, "gradients, " + stage);
      told = now;
    };
    const auto compute = [&]() -> std::shared_ptr<const GradientStore> {
      auto kept = journal_ ? journal_->gradients() : nullptr;
      if (kept) return kept;
      auto computed =
          std::make_shared<GradientStore>(checkpoint_, sequences_, config.norm, options);
      if (journal_) journal_->keep(*computed);
      return computed;
    };
    gradients_ =
        options_.shared == nullptr ? compute() : options_.shared->gradients(config_, compute);
    advance(cost.gradients - told, "gradients: there");
  }

  GblmConfig config_of_gblm() const {
    const auto* gblm = std::get_if<GblmConfig>(&config_);
    return gblm != nullptr ? *gblm : GblmConfig{};
  }

  // From OWL's look at the dense model to the sparsity of each block.
  void share_out_sparsity(const CompressionWork& cost) {
    const auto& owl = std::get<OwlMethodConfig>(config_);
    double told = 0;
    const auto compute = [&] {
      auto percents = outlier_percents(owl, cost);
      told = cost.outliers * static_cast<double>(percents.size());
      return percents;
    };
    const auto percents =
        options_.shared == nullptr ? compute() : options_.shared->outlier_percents(owl, compute);
    advance(cost.outliers * static_cast<double>(percents.size()) - told, "outliers: counted");
    sparsities_ = owl_sparsities(percents, owl);
  }

  // How many weights stand out in each block of the dense model.
  std::vector<double> outlier_percents(const OwlMethodConfig& owl, const CompressionWork& cost) {
    const ModelConfig& model = checkpoint_.config();
    std::vector<double> percents;
    for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
      in_context("layer " + std::to_string(layer), [&] {
        const Block block = load_block(checkpoint_, layer);
        const auto norms = block_input_norms(block, model, batches_, NormSum::kDouble);
        std::vector<ScoredLinear> linears;
        for (const std::string_view linear : block_linear_names(model, layer)) {
          linears.push_back(
              {checkpoint_.tensor(linear_weight_name(layer, linear)), norms.at(linear)});
        }
        percents.push_back(outlier_percent(linears, owl.outlier_multiple));
        pass_through_(block, model, batches_);
      });
      advance(cost.outliers, stage_of(layer) + ": outliers counted");
    }
    batches_.clear();  // before the same is held again
    batches_ = embedded();
    return percents;
  }

  void advance(double units, const std::string& stage) {
    done_ += units;
    if (options_.on_progress) options_.on_progress(done_, total_, stage);
  }

  void walk_block(int64_t layer, const CompressionWork& cost) {
    const ModelConfig& model = checkpoint_.config();
    const std::string stage = stage_of(layer);
    const auto linears = block_linear_names(model, layer);
    const double of_linear = cost.compress / static_cast<double>(linears.size());
    if (!needs_.calibration()) {
      for (const std::string_view linear : linears) {
        finish_linear(layer, linear, {});
        advance(of_linear, stage);
      }
      return;
    }
    if (compresses_blocks(config_)) {
      walk_dense_block(layer, cost);
      return;
    }
    Block block = load_block(checkpoint_, layer);
    return_freed_memory();
    for (const auto& together : linears_gathered_together(config_, model, mlp_kind(model, layer))) {
      const bool is_dense = layer == 0 && together.front() == linears.front();
      auto statistics = statistics_of(block, together, is_dense);
      return_freed_memory();
      advance(cost.gather, stage + ": statistics gathered");
      for (const std::string_view linear : together) {
        if (gradients_) {
          statistics[linear].gradient = gradients_->gradient(layer, linear);
          statistics[linear].num_samples = gradients_->num_samples();
        }
        // What no later linear reads is let go: the dense weight, and statistics behind their last.
        const auto bias = linear_of(block, linear).bias();
        linear_of(block, linear) = Linear();
        const at::Tensor stored = finish_linear(layer, linear, statistics.at(linear));
        statistics.erase(linear);
        linear_of(block, linear) = Linear(stored, bias);
        advance(of_linear, stage + ": " + std::string(linear));
      }
    }
    if (layer + 1 == model.num_hidden_layers) return;
    pass_through_(block, model, batches_);
    advance(cost.pass, stage + ": passed through");
  }

  // `is_dense`: nothing that these inputs depend on has been compressed.
  std::map<std::string_view, InputStatistics> statistics_of(
      const Block& block, std::span<const std::string_view> linears, bool is_dense) {
    const auto gather = [&](const WantedStatistics& wanted) {
      return gather_statistics(block, checkpoint_.config(), batches_, linears, wanted);
    };
    if (!is_dense || options_.shared == nullptr) return gather(wanted_statistics(config_));
    return options_.shared->of_first_block(config_, linears, gather);
  }

  // A block that is looked at, and passed through, as it was before compression.
  void walk_dense_block(int64_t layer, const CompressionWork& cost) {
    const ModelConfig& model = checkpoint_.config();
    const BlockWeights weights = block_weights(checkpoint_, layer);
    CompressedBlock compressed = compress_block(config_, weights, model, batches_,
                                                options_.pack ? KeepCodes::kYes : KeepCodes::kNo);
    for (const std::string_view linear : block_linear_names(model, layer)) {
      in_context(linear, [&] {
        finish(linear_weight_name(layer, linear), weights.linear(linear),
               std::move(compressed.linears.at(linear)));
      });
    }
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    finish_folded(prefix + "input_layernorm.weight",
                  stored_norm_weight(model, compressed.input_layernorm));
    finish_folded(prefix + "post_attention_layernorm.weight",
                  stored_norm_weight(model, compressed.post_attention_layernorm));
    for (const auto& [linear, bias] : compressed.biases)
      finish_folded(linear_bias_name(layer, linear), bias);
    advance(cost.gather + cost.compress, stage_of(layer) + ": compressed");
    if (layer + 1 == model.num_hidden_layers) return;
    pass_through_(dense_block(weights), model, batches_);
    advance(cost.pass, stage_of(layer) + ": passed through");
  }

  // A norm or bias that a scale was folded into.
  void finish_folded(const std::string& name, const at::Tensor& tensor) {
    write_tensor(name, as_stored(tensor, type_, name));
    report_.folded.push_back(name);
    current_.report.folded.push_back(name);
  }

  void write_tensor(const std::string& name, const at::Tensor& stored) {
    written_.insert(name);
    write_(name, stored);
    if (journal_) current_.tensors.emplace_back(name, stored);
  }

  // Compresses, writes and reports one linear; returns the weight as stored.
  at::Tensor finish_linear(int64_t layer, std::string_view linear, const InputStatistics& input) {
    return in_context(linear, [&] {
      const std::string name = linear_weight_name(layer, linear);
      const at::Tensor weight = checkpoint_.tensor(name);
      return finish(name, weight,
                    compress_linear(config_of_block(layer), {name, weight, input, codes_dtype()}));
    });
  }

  std::string codes_dtype() const { return options_.pack ? options_.save_dtype : std::string(); }

  // Writes and reports one linear; returns the weight as stored.
  at::Tensor finish(const std::string& name, const at::Tensor& weight, CompressedLinear result) {
    const at::Tensor stored = options_.pack ? options_.pack(name, result.weight, result.codes)
                                            : as_stored(result.weight, type_, name);
    result.codes = {};
    LinearReport report;
    report.tensor = name;
    report.rows = weight.size(0);
    report.cols = weight.size(1);
    report.zeros = stored.numel() - at::count_nonzero(stored).item<int64_t>();
    report.bits = result.bits;
    report.weight_error = relative_error(result.target.defined() ? result.target : weight, stored);
    report.levels_per_group = result.levels_per_group;
    report.group_size = result.group_size;
    report.note = std::move(result.note);
    report_.linears.push_back(report);
    current_.report.linears.push_back(std::move(report));
    write_tensor(name, stored);
    return stored;
  }

  void copy_the_rest() {
    for (const TensorRecord& record : checkpoint_.tensors()) {
      if (written_.contains(record.name)) continue;
      at::Tensor tensor = checkpoint_.tensor(record.name);
      if (const auto* permute = std::get_if<PermuteConfig>(&config_)) {
        tensor = permute_tensor(record.name, tensor, *permute);
      }
      write_(record.name, as_stored(tensor, type_, record.name));
      report_.copied.push_back(record.name);
    }
  }

  const Checkpoint& checkpoint_;
  const MethodConfig& config_;
  const TensorSink& write_;
  const CompressOptions& options_;
  at::ScalarType type_;
  Needs needs_;
  std::vector<std::vector<int32_t>> sequences_;  // of calibration
  Spill spill_;
  std::vector<CalibrationBatch> batches_;
  std::shared_ptr<const GradientStore> gradients_;
  std::optional<BlockJournal> journal_;
  FinishedBlock current_;           // what the journal is given behind a block
  std::vector<double> sparsities_;  // of each block, OWL's
  CompressionReport report_;
  std::set<std::string> written_;
  double done_ = 0, total_ = 0;
};

}  // namespace

CompressionReport compress(const Checkpoint& checkpoint, const MethodConfig& config,
                           const CalibrationSet* calibration, const TensorSink& write,
                           const CompressOptions& options) {
  require_fits(config, checkpoint.config());
  return Run(checkpoint, config, calibration, write, options).walk();
}

Json compression_provenance(const Checkpoint& checkpoint, const MethodConfig& config,
                            const CalibrationSet* calibration, const CompressOptions& options,
                            const CompressionReport& report) {
  Json provenance{
      {"assay_version", version()},
      {"method", to_json(config)},
      {"source",
       {{"description", checkpoint.description()}, {"weights_sha256", checkpoint.weights_hash()}}},
      {"calibration", calibration != nullptr ? calibration->provenance : Json()},
      {"save_dtype", options.save_dtype},
      {"report", to_json(report)}};
  if (const auto* int8 = std::get_if<LlmInt8Config>(&config)) {
    provenance["product"] = to_json(product_options(*int8));
  }
  if (std::holds_alternative<SmoothQuantConfig>(config)) {
    provenance["product"] = to_json(kernels::LlmInt8Options{.threshold = 0});  // every input
  }
  if (keeps_weights(config)) {
    if (const auto int8 = checkpoint.int8_product()) {
      provenance["product"] = to_json(*int8);
    }
  }
  if (const auto cache = kv_cache_of_result(checkpoint, config)) {
    provenance["kv_cache"] = to_json(*cache);
  }
  return provenance;
}

}  // namespace assay
