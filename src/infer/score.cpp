#include "infer/score.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "infer/prefix_tree.h"
#include "kernels/vocabulary.h"

namespace assay {
namespace {

// Keys and values of the path to the next batch, per layer, in the model's format. Allocated when a
// tree does not fit one batch.
std::vector<PathCache> make_path_caches(const CausalLM& model, int64_t longest_path, bool needed) {
  std::vector<PathCache> caches(model.blocks.size(),
                                {.keys = {}, .values = {}, .format = model.kv_cache});
  if (!needed) return caches;
  const int64_t width = model.config.num_key_value_heads * model.config.head_dim;
  for (PathCache& cache : caches) {
    cache.keys = at::empty({longest_path, width}, at::kFloat);
    cache.values = at::empty({longest_path, width}, at::kFloat);
  }
  return caches;
}

// Rows of the path that lie in the batch that starts at `first_row` go to their positions; earlier
// ones are there.
void keep_path(std::span<const int64_t> path_rows, int64_t first_row, const BlockScratch& scratch,
               PathCache& cache) {
  const int64_t width = scratch.keys.size(1);
  for (size_t p = 0; p < path_rows.size(); ++p) {
    if (path_rows[p] < first_row) continue;
    const int64_t from = (path_rows[p] - first_row) * width, to = static_cast<int64_t>(p) * width;
    std::copy_n(scratch.keys.const_data_ptr<float>() + from, width,
                cache.keys.mutable_data_ptr<float>() + to);
    std::copy_n(scratch.values.const_data_ptr<float>() + from, width,
                cache.values.mutable_data_ptr<float>() + to);
  }
}

// Hidden states, after the last norm, of the wanted rows of a batch.
at::Tensor final_hidden(const CausalLM& model, const PrefixTree& tree, int64_t first_row,
                        int64_t last_row, const std::vector<int64_t>& wanted_rows,
                        std::vector<PathCache>& caches, BlockScratch& scratch) {
  const TokenForest forest = slice_forest(tree.forest, first_row, last_row);
  const ForestLayout layout(model.config, forest);
  std::vector<int64_t> next_path;
  if (last_row < static_cast<int64_t>(tree.forest.ids.size()))
    next_path = path_before(tree.forest, last_row);
  auto hidden = embed(model.embedding, model.config, forest);
  for (size_t layer = 0; layer < model.blocks.size(); ++layer) {
    const bool is_last = layer + 1 == model.blocks.size();
    in_context("layer " + std::to_string(layer), [&] {
      block_forward_(model.blocks[layer], model.config, layout, caches[layer],
                     is_last ? std::optional(wanted_rows) : std::nullopt, hidden, scratch);
    });
    keep_path(next_path, first_row, scratch, caches[layer]);
  }
  return normed(hidden, model.norm, model.config);
}

}  // namespace

void check_request(const ModelConfig& config, const ScoreRequest& request) {
  require(!request.context_ids.empty(), "no context token");
  require(!request.continuation_ids.empty(), "no continuation token");
  const auto positions =
      static_cast<int64_t>(request.context_ids.size() + request.continuation_ids.size() - 1);
  require(positions <= config.max_position_embeddings, positions,
          " positions are needed, the model has ", config.max_position_embeddings);
  require(positions <= num_scored_positions(config), positions, " positions are needed; beyond ",
          num_scored_positions(config),
          " this model's longrope turns every position of a text otherwise, which is not computed");
  for (const auto* ids : {&request.context_ids, &request.continuation_ids}) {
    for (const int32_t id : *ids) {
      require(id >= 0 && id < config.vocab_size, "token id ", id, " is outside the vocabulary of ",
              config.vocab_size);
    }
  }
}

std::vector<ScoreResult> score(const CausalLM& model, std::span<const ScoreRequest> requests,
                               const ScoreOptions& options, ScoreStats* stats) {
  require(options.batch_tokens >= 1, "score: batch_tokens must be at least 1, got ",
          options.batch_tokens);
  require(!model.blocks.empty(), "score: the model has no layers");
  for (size_t i = 0; i < requests.size(); ++i) {
    in_context("score: request " + std::to_string(i),
               [&] { check_request(model.config, requests[i]); });
  }
  const PrefixTree tree = build_prefix_tree(requests);
  const auto num_rows = static_cast<int64_t>(tree.forest.ids.size());
  auto caches = make_path_caches(model, tree.longest_path, num_rows > options.batch_tokens);
  BlockScratch scratch;

  std::vector<ScoreResult> results(requests.size());
  for (ScoreResult& r : results) r.is_greedy = true;
  ScoreStats counted{.num_requests = static_cast<int64_t>(requests.size()), .request_tokens = 0};
  for (const ScoreRequest& r : requests) {
    counted.request_tokens +=
        static_cast<int64_t>(r.context_ids.size() + r.continuation_ids.size() - 1);
  }
  size_t next_question = 0;
  for (int64_t first_row = 0; first_row < num_rows; first_row += options.batch_tokens) {
    const int64_t last_row = std::min(first_row + options.batch_tokens, num_rows);
    const size_t first_question = next_question;
    std::vector<int64_t> wanted_rows;
    std::vector<kernels::TokenQuestion> questions;
    for (; next_question < tree.questions.size() && tree.questions[next_question].row < last_row;
         ++next_question) {
      const TreeQuestion& q = tree.questions[next_question];
      if (wanted_rows.empty() || wanted_rows.back() != q.row - first_row)
        wanted_rows.push_back(q.row - first_row);
      questions.push_back({.row = static_cast<int64_t>(wanted_rows.size()) - 1, .token = q.token});
    }
    const auto hidden =
        final_hidden(model, tree, first_row, last_row, wanted_rows, caches, scratch);
    const auto answers = kernels::token_log_probabilities(
        model.lm_head.packed(), hidden.const_data_ptr<float>(), hidden.size(0), questions,
        static_cast<float>(model.config.final_logit_softcapping));
    std::vector<int64_t> finished;
    for (size_t i = 0; i < answers.size(); ++i) {
      const auto request = static_cast<size_t>(tree.questions[first_question + i].request);
      ScoreResult& r = results[request];
      r.log_likelihood += answers[i].log_probability;
      r.is_greedy = r.is_greedy && answers[i].is_greedy;
      if (++r.num_tokens < std::ssize(requests[request].continuation_ids)) continue;
      if (!std::isfinite(r.log_likelihood)) {
        fail(ErrorKind::kInternal, "score: the log-likelihood of request ", request, " is ",
             r.log_likelihood);
      }
      finished.push_back(static_cast<int64_t>(request));
    }
    counted.computed_tokens += last_row - first_row;
    counted.logit_rows += hidden.size(0);
    if (options.on_batch) options.on_batch(finished, results);
  }
  if (stats) *stats = counted;
  return results;
}

ScoreStats plan_score(std::span<const ScoreRequest> requests) {
  ScoreStats stats{.num_requests = static_cast<int64_t>(requests.size()), .request_tokens = 0};
  for (const ScoreRequest& r : requests) {
    require(!r.context_ids.empty() && !r.continuation_ids.empty(),
            "plan_score: a request has an empty part");
    stats.request_tokens +=
        static_cast<int64_t>(r.context_ids.size() + r.continuation_ids.size() - 1);
  }
  const PrefixTree tree = build_prefix_tree(requests);
  stats.computed_tokens = static_cast<int64_t>(tree.forest.ids.size());
  for (size_t i = 0; i < tree.questions.size(); ++i) {
    if (i == 0 || tree.questions[i].row != tree.questions[i - 1].row) ++stats.logit_rows;
  }
  return stats;
}

std::vector<ScoreRequest> rolling_requests(std::span<const int32_t> ids, int64_t window) {
  require(window >= 2, "rolling windows need at least 2 tokens, got ", window);
  std::vector<ScoreRequest> requests;
  for (size_t first = 0; first + 1 < ids.size(); first += static_cast<size_t>(window)) {
    const auto part = ids.subspan(first, std::min(static_cast<size_t>(window), ids.size() - first));
    if (part.size() < 2) break;
    requests.push_back(
        {.context_ids = {part.front()}, .continuation_ids = {part.begin() + 1, part.end()}});
  }
  return requests;
}

}  // namespace assay
