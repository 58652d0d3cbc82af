#include "compress/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

#include "base/available_memory.h"
#include "base/error.h"
#include "calibration/gradient_store.h"
#include "compress/compress_block.h"
#include "compress/save_dtype.h"
#include "compress/work.h"
#include "model/block.h"

namespace assay {
namespace {

// Code and data of the program and its libraries, threads and a model's header: measured.
constexpr int64_t kProgram = 140'000'000;
constexpr int64_t kFloat = 4;

// One moment of the compression.
struct Moment {
  std::string when;
  std::vector<MemoryPart> parts;

  int64_t bytes() const {
    int64_t sum = 0;
    for (const MemoryPart& part : parts) sum += part.bytes;
    return sum;
  }
};

// Sizes in bytes of what lies in memory, float32 where nothing else is said.
class Sizes {
 public:
  Sizes(const Checkpoint& checkpoint, const MethodConfig& config,
        const CalibrationSize& calibration, const CompressOptions& options)
      : model_(checkpoint.config()),
        config_(config),
        needs_(needs_of(config)),
        calibration_(calibration),
        options_(options),
        heads_(model_.num_attention_heads * model_.head_dim),
        kv_heads_(model_.num_key_value_heads * model_.head_dim),
        rows_(std::min(calibration.tokens, std::max(options.batch_tokens, calibration.longest))),
        saves_narrow_(options.save_dtype != "float32"),
        mlp_(model_.experts.num_experts > 0 ? MlpKind::kExperts : MlpKind::kPlain),
        names_(block_linear_names(model_, mlp_)) {
    save_type(options.save_dtype);  // refuses an unknown one
    for (const TensorRecord& record : checkpoint.tensors()) {
      // What is not stored as float32 lies in the mapped file too while it is decoded.
      if (record.name != "model.embed_tokens.weight" || record.stored_dtype == "F32") continue;
      const bool is_half = record.stored_dtype == "F16" || record.stored_dtype == "BF16";
      decoding_ = vocabulary() / (is_half ? 2 : 4);
    }
    for (const std::string_view linear : names_) block_ += linear_bytes(linear);
  }

  std::vector<Moment> moments(const Spill& spill) const {
    std::vector<Moment> all{copying()};
    if (!needs_.calibration()) {
      for (const std::string_view linear : names_) all.push_back(data_free(linear));
      return all;
    }
    std::vector<Moment> calibrated{embedding()};
    if (needs_.gradients) add_gradients(spill, calibrated);
    if (std::holds_alternative<OwlMethodConfig>(config_)) calibrated.push_back(outliers());
    if (compresses_blocks(config_)) {
      calibrated.push_back(whole_block());
    } else {
      for (const auto& together : linears_gathered_together(config_, model_, mlp_)) {
        calibrated.push_back(gathering(together));
        for (size_t i = 0; i < together.size(); ++i) calibrated.push_back(linear(together, i));
      }
    }
    calibrated.push_back(passing());
    for (Moment& moment : calibrated) {
      moment.parts.push_back({"hidden states", held_states(spill)});
      if (needs_.gradients) moment.parts.push_back({"gradients", held_gradients(spill)});
      all.push_back(std::move(moment));
    }
    return all;
  }

  int64_t spilled(const Spill& spill) const {
    return (spill.states ? states(calibration_.tokens) : 0) +
           (spill.gradients ? gradient_store() + gradient_states() : 0);
  }

  // Finished blocks, the states behind the last of them and, before they go, the one before it.
  int64_t journal() const {
    if (options_.journal.empty()) return 0;
    return model_.num_hidden_layers * block_ + gradient_store() + 2 * states(calibration_.tokens);
  }

 private:
  int64_t states(int64_t tokens) const { return kFloat * tokens * model_.hidden_size; }
  int64_t held_states(const Spill& spill) const {
    return spill.states ? states(rows_) : states(calibration_.tokens);
  }

  GradientOptions gradient_options() const {
    GradientOptions options;
    const auto* gblm = std::get_if<GblmConfig>(&config_);
    if (gblm != nullptr && gblm->parity_half) options.reference_scale = gblm->alpha;
    return options;
  }
  int64_t gradient_store() const {
    if (!needs_.gradients) return 0;
    return static_cast<int64_t>(GradientStore::bytes(model_, gradient_options()));
  }
  int64_t gradient_states() const {
    if (!needs_.gradients) return 0;
    return static_cast<int64_t>(gradient_state_bytes(model_, calibration_.tokens));
  }
  int64_t held_gradients(const Spill& spill) const {
    return spill.gradients ? largest() + 2 * states(calibration_.longest) : gradient_store();
  }

  int64_t in_features(std::string_view linear) const { return linear_shape(linear, model_)[1]; }
  int64_t linear_bytes(std::string_view linear) const {
    return kFloat * in_features(linear) * linear_shape(linear, model_)[0];
  }
  int64_t largest() const { return linear_bytes(names_.back()); }
  int64_t vocabulary() const { return kFloat * model_.vocab_size * model_.hidden_size; }

  // Of a forward pass of `rows` rows: what a block's scratch holds (model/block.h). Pieces of less
  // than 32 MiB leave gaps in the allocator's heap, about half of their size.
  int64_t activations(int64_t rows) const {
    int64_t bytes = 0;
    const auto add = [&](int64_t count, int64_t width) {
      const int64_t piece = kFloat * rows * width;
      bytes += piece < (int64_t{32} << 20) ? count * piece * 3 / 2 : count * piece;
    };
    add(3, model_.hidden_size);
    add(2, heads_);
    add(2, kv_heads_);
    add(2, model_.intermediate_size);
    return bytes;
  }

  // Stored linears of the block, kept for the journal: those before `linear`.
  int64_t journaled(std::string_view linear) const {
    if (options_.journal.empty()) return 0;
    int64_t bytes = 0;
    for (const std::string_view earlier : names_) {
      if (earlier == linear) break;
      bytes += linear_bytes(earlier);
    }
    return bytes;
  }

  // A linear of `w` bytes at its most: the decoded weight, what the method holds of the same size
  // (DSnoT and RIA in float64), and what is stored; behind the method, rounding to another type.
  int64_t while_compressed(int64_t w) const {
    const auto of_method = [&](const auto& c) -> double {
      using Config = std::decay_t<decltype(c)>;
      if constexpr (std::is_same_v<Config, DenseConfig>) return 1;
      if constexpr (std::is_same_v<Config, GptqConfig>) {
        return column_order_of(c) == ColumnOrder::kGiven ? 2.5 : 4.5;
      }
      if constexpr (std::is_same_v<Config, SparseGptConfig>) return c.bits < 16 ? 3.5 : 3.25;
      if constexpr (std::is_same_v<Config, DsnotMethodConfig>) return 13;
      if constexpr (std::is_same_v<Config, RiaConfig>) return 8;
      return 3;
    };
    const auto* owl = std::get_if<OwlMethodConfig>(&config_);
    const double method =
        std::visit(of_method, owl == nullptr ? config_ : pruning_of(*owl, owl->sparsity));
    const double storing = saves_narrow_ ? 3.5 : 2;
    return static_cast<int64_t>(std::max(method, storing) * static_cast<double>(w));
  }

  // Bytes of the Hessian of a linear's inputs.
  int64_t hessian(std::string_view linear) const {
    return kFloat * in_features(linear) * in_features(linear);
  }

  Moment copying() const {
    const double copies = saves_narrow_ ? 2.5 : 1;
    return {"while the embedding is copied",
            {{"the program", kProgram},
             {"the embedding", static_cast<int64_t>(copies * static_cast<double>(vocabulary())) +
                                   (saves_narrow_ ? 0 : decoding_)}}};
  }

  Moment data_free(std::string_view linear) const {
    return {fmt::format("while {} is compressed", linear),
            {{"the program", kProgram}, {"a linear", while_compressed(linear_bytes(linear))}}};
  }

  Moment embedding() const {
    return {"while the calibration text is embedded",
            {{"the program", kProgram},
             {"the embedding", vocabulary() + std::max(decoding_, states(rows_))}}};
  }

  Moment passing() const {
    return {"while hidden states pass through a block",
            {{"the program", kProgram},
             {"a block's weights", block_},
             {"finished linears", journaled("")},
             {"activations of a batch", activations(rows_)}}};
  }

  Moment gathering(std::span<const std::string_view> together) const {
    int64_t sums = 0, widest = 0;
    if (needs_.hessian) {
      for (const std::string_view linear : together) {
        if (first_with_same_input(linear) != linear) continue;
        sums += hessian(linear);
        widest = std::max(widest, in_features(linear));
      }
    }
    return {"while statistics are gathered",
            {{"the program", kProgram},
             {"a block's weights", block_},
             {"finished linears", journaled(together.front())},
             {"statistics", sums},
             // An input of a sequence, transposed, and packed for the product.
             {"activations of a batch",
              activations(rows_) + 2 * kFloat * calibration_.longest * widest}}};
  }

  // Linear i of those whose statistics are held together. Statistics end with their last reader.
  Moment linear(std::span<const std::string_view> together, size_t i) const {
    const std::string_view name = together[i], source = first_with_same_input(name);
    int64_t held = 0, factoring = 0;
    if (needs_.hessian) {
      for (size_t k = i; k < together.size(); ++k) {
        const bool is_counted = std::any_of(
            together.begin() + static_cast<std::ptrdiff_t>(i),
            together.begin() + static_cast<std::ptrdiff_t>(k), [&](std::string_view earlier) {
              return first_with_same_input(earlier) == first_with_same_input(together[k]);
            });
        if (!is_counted) held += hessian(together[k]);
      }
      held += hessian(source);  // its factor
      if (source == name) factoring = hessian(source) / 4 * 3 + linear_bytes(name);
    }
    return {fmt::format("while {} is compressed", name),
            {{"the program", kProgram},
             {"a block's weights", block_ - linear_bytes(name)},
             {"finished linears", journaled(name)},
             {"statistics", held},
             {"a linear", std::max(factoring, while_compressed(linear_bytes(name)))}}};
  }

  // AWQ: the dense block as it is and packed, and behind the search the folded one twice, its
  // rounded values, and codes. SmoothQuant lets the packed one go before it folds and rounds.
  Moment whole_block() const {
    int64_t inputs = 0, search = 0;
    if (const auto* awq = std::get_if<AwqConfig>(&config_)) {
      const int64_t seen = awq->search_tokens == 0
                               ? calibration_.tokens
                               : std::min(calibration_.tokens, awq->search_tokens);
      inputs = kFloat * seen * (2 * model_.hidden_size + heads_ + model_.intermediate_size);
      search = activations(std::min<int64_t>(seen, 4080)) + 3 * largest();
    }
    const int64_t results =
        std::holds_alternative<AwqConfig>(config_) ? block_ * 9 / 4 : block_ + largest();
    return {"while a block is compressed",
            {{"the program", kProgram},
             {"a block's weights", 2 * block_},
             {"finished linears", journaled("")},
             {"inputs of a block", inputs},
             {"the search", std::max({search, results, activations(rows_)})}}};
  }

  Moment outliers() const {
    return {"while outliers are counted",
            {{"the program", kProgram},
             {"a block's weights", 2 * block_},
             {"activations of a batch", std::max(activations(rows_), 2 * largest())}}};
  }

  // The way back: a block's linears in both directions, two sums of each, and a sample's states.
  void add_gradients(const Spill& spill, std::vector<Moment>& moments) const {
    const int64_t between = spill.gradients ? 0 : gradient_states();
    moments.push_back({"while the loss is computed",
                       {{"the program", kProgram},
                        {"the head", 4 * vocabulary()},
                        {"hidden states between blocks", between},
                        {"activations of a sample", 3 * states(calibration_.longest)}}});
    moments.push_back({"while gradients are summed",
                       {{"the program", kProgram},
                        {"a block's weights", 2 * block_},
                        {"sums of gradients", 2 * block_ + largest()},
                        {"hidden states between blocks", between},
                        {"activations of a sample", 2 * activations(calibration_.longest)}}});
  }

  const ModelConfig& model_;
  const MethodConfig& config_;
  Needs needs_;
  CalibrationSize calibration_;
  const CompressOptions& options_;
  int64_t heads_, kv_heads_, rows_;
  bool saves_narrow_;
  MlpKind mlp_;  // of the blocks with the most weights
  std::span<const std::string_view> names_;
  int64_t block_ = 0;     // weights of a block
  int64_t decoding_ = 0;  // of the embedding as it is stored
};

MemoryPlan plan_with(const Sizes& sizes, const Spill& spill) {
  const auto moments = sizes.moments(spill);
  Moment most = *std::ranges::max_element(moments, {}, &Moment::bytes);
  std::erase_if(most.parts, [](const MemoryPart& part) { return part.bytes == 0; });
  return {.moment = most.when,
          .parts = most.parts,
          .bytes = most.bytes(),
          .spill = spill,
          .spilled_bytes = sizes.spilled(spill),
          .journal_bytes = sizes.journal()};
}

}  // namespace

CalibrationSize calibration_size(const std::vector<std::vector<int32_t>>& sequences) {
  CalibrationSize size{.sequences = static_cast<int64_t>(sequences.size())};
  for (const auto& ids : sequences) {
    const auto length = static_cast<int64_t>(ids.size());
    size.tokens += length;
    size.longest = std::max(size.longest, length);
  }
  return size;
}

MemoryPlan plan_memory(const Checkpoint& checkpoint, const MethodConfig& config,
                       const CalibrationSize& calibration, const CompressOptions& options) {
  const Sizes sizes(checkpoint, config, calibration, options);
  const int64_t limit = options.memory_limit > 0 ? options.memory_limit : available_memory();
  const Needs needs = needs_of(config);
  Spill spill;
  MemoryPlan plan = plan_with(sizes, spill);
  const auto spill_while_above = [&](bool Spill::*part, bool is_there) {
    if (!is_there || limit == 0 || plan.bytes <= limit) return;
    spill.*part = true;
    plan = plan_with(sizes, spill);
  };
  spill_while_above(&Spill::gradients, needs.gradients);
  spill_while_above(&Spill::states, needs.calibration());
  require(options.memory_limit == 0 || plan.bytes <= options.memory_limit, "memory_limit: ",
          fmt::format("{:.0f} MB is not enough, {:.0f} MB are needed {}",
                      static_cast<double>(options.memory_limit) / 1e6,
                      static_cast<double>(plan.bytes) / 1e6, plan.moment));
  return plan;
}

}  // namespace assay
