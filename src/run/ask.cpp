#include "run/ask.h"

#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "run/samples.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The requests of the items that have no answers yet, and where each belongs.
struct OpenRequests {
  std::vector<ScoreRequest> requests;
  std::vector<std::pair<int64_t, size_t>> owner;  // item, position among its requests
};

OpenRequests open_requests(std::span<const Item> items,
                           const std::map<int64_t, ItemAnswers>& answered) {
  OpenRequests open;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    if (answered.contains(index)) continue;
    for (size_t r = 0; r < items[i].requests.size(); ++r) {
      open.requests.push_back(items[i].requests[r]);
      open.owner.emplace_back(index, r);
    }
  }
  return open;
}

// Collects results of requests until an item has all of its own.
class ItemCollector {
 public:
  explicit ItemCollector(std::span<const Item> items) : items_(items) {}

  void add(int64_t item, size_t position, const ScoreResult& result) {
    auto& entry = partial_[item];
    entry.answers.resize(items_[static_cast<size_t>(item)].requests.size());
    entry.answers[position] = result;
    if (++entry.count < entry.answers.size()) return;
    complete_[item] = std::move(entry.answers);
    partial_.erase(item);
  }

  std::map<int64_t, ItemAnswers> take_complete() { return std::exchange(complete_, {}); }

 private:
  struct Partial {
    ItemAnswers answers;
    size_t count = 0;
  };

  std::span<const Item> items_;
  std::map<int64_t, Partial> partial_;
  std::map<int64_t, ItemAnswers> complete_;
};

int64_t num_requests(std::span<const Item> items, const std::map<int64_t, ItemAnswers>& answered) {
  int64_t count = 0;
  for (const auto& [index, answers] : answered) {
    require_intact(static_cast<size_t>(index) < items.size() &&
                       answers.size() == items[static_cast<size_t>(index)].requests.size(),
                   "the journal answers an item that was not asked");
    count += static_cast<int64_t>(answers.size());
  }
  return count;
}

}  // namespace

std::optional<std::vector<ItemAnswers>> finished_answers(const OutputFolder& output,
                                                         const std::string& variant,
                                                         const AskedTask& asked,
                                                         const std::string& key) {
  const fs::path mark = output.finished(variant, asked.label);
  const fs::path samples = output.samples(variant, asked.label);
  if (!fs::exists(mark) || !fs::exists(samples)) return std::nullopt;
  const Json finished = parse_json(read_file(mark), mark.string());
  if (json_get<std::string>(finished, "key", mark.string()) != key) return std::nullopt;
  auto answers = read_sample_answers(samples);
  require_intact(answers.size() == asked.items.size(), samples.string(), ": ", answers.size(),
                 " items, ", asked.items.size(), " were asked; delete the file to ask again");
  return answers;
}

std::vector<ItemAnswers> ask(const CausalLM& model, const Tokenizer& tokenizer,
                             const OutputFolder& output, const std::string& variant,
                             const AskedTask& asked, const std::string& key,
                             const AskOptions& options) {
  const fs::path journal_path = output.journal(variant, asked.label);
  Journal journal(journal_path, key);
  options.on_skipped(num_requests(asked.items, journal.answered()));

  const OpenRequests open = open_requests(asked.items, journal.answered());
  ItemCollector collector(asked.items);
  ScoreOptions score_options;
  score_options.batch_tokens = options.batch_tokens;
  score_options.on_batch = [&](std::span<const int64_t> finished,
                               const std::vector<ScoreResult>& results) {
    for (const int64_t request : finished) {
      const auto& [item, position] = open.owner[static_cast<size_t>(request)];
      collector.add(item, position, results[static_cast<size_t>(request)]);
    }
    if (const auto complete = collector.take_complete(); !complete.empty()) {
      journal.append(complete);
    }
    options.on_answered(static_cast<int64_t>(finished.size()));
  };
  if (!open.requests.empty()) score(model, open.requests, score_options);

  std::vector<ItemAnswers> answers;
  for (size_t i = 0; i < asked.items.size(); ++i) {
    if (asked.items[i].requests.empty()) {  // a row that cannot be asked; its judge says why
      answers.emplace_back();
      continue;
    }
    const auto found = journal.answered().find(static_cast<int64_t>(i));
    if (found == journal.answered().end()) {
      fail(ErrorKind::kInternal, asked.label, ": item ", i, " was never answered");
    }
    answers.push_back(found->second);
  }
  write_samples(output.samples(variant, asked.label), *asked.task, asked.items, answers, tokenizer);
  write_file_atomic(output.finished(variant, asked.label), Json{{"key", key}}.dump() + "\n");
  fs::remove(journal_path);
  return answers;
}

}  // namespace assay
