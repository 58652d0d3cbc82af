#include "tasks/tasks.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/hash.h"

namespace assay {
namespace {

// Every part is preceded by its length, so that no two lists of parts give the same bytes.
void add(Sha256& hash, std::string_view part) {
  hash.update(std::to_string(part.size())).update(":").update(part);
}

void add(Sha256& hash, const std::vector<int32_t>& ids) {
  add(hash,
      std::string_view(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)));
}

}  // namespace

std::span<const Task> all_tasks() {
  static const std::array kTasks{perplexity_task(), stereoqa_task(), bbq_task(),    dialect_task(),
                                 stereoset_task(),  piqa_task(),     unqover_task()};
  return kTasks;
}

const Task& task_named(std::string_view name) {
  const auto tasks = all_tasks();
  const auto found = std::ranges::find(tasks, name, &Task::name);
  if (found != tasks.end()) return *found;
  std::vector<std::string_view> known;
  known.reserve(tasks.size());
  for (const Task& task : tasks) known.push_back(task.name);
  fail(ErrorKind::kBadInput, "no task '", name, "'", suggest(name, known));
}

ItemHashes item_hashes(std::span<const Item> items) {
  Sha256 data, tokens;
  for (const auto& [sample, requests] : items) {
    for (const auto& part : {sample.id, sample.cluster, sample.context, sample.text})
      add(data, part);
    add(data, std::to_string(sample.target));
    add(data, std::to_string(sample.choices.size()));
    for (const auto& choice : sample.choices) add(data, choice);
    add(tokens, std::to_string(requests.size()));
    for (const auto& request : requests) {
      add(tokens, request.context_ids);
      add(tokens, request.continuation_ids);
    }
  }
  return {data.hex(), tokens.hex()};
}

}  // namespace assay
