#include "run/made_elsewhere.h"

#include <algorithm>

#include "base/error.h"
#include "infer/score.h"

namespace assay {
namespace {

constexpr size_t kComparedTexts = 50;  // of each task

// "[1, 2, 3, ...]"
std::string ids_text(std::span<const int32_t> ids) {
  constexpr size_t kShown = 8;
  std::string text;
  for (const int32_t id : ids.first(std::min(ids.size(), kShown))) {
    text += (text.empty() ? "" : ", ") + std::to_string(id);
  }
  return "[" + text + (ids.size() > kShown ? ", ...]" : "]");
}

void require_same_ids(const std::string& text, const Tokenizer& made, const Tokenizer& base) {
  const auto ours = base.encode(text).ids, theirs = made.encode(text).ids;
  if (ours == theirs) return;
  const auto [at, other] = std::ranges::mismatch(ours, theirs);
  fail(ErrorKind::kBadInput, "its tokenizer is not the base's: from token ", at - ours.begin() + 1,
       " on a text that is asked is ", ids_text({other, theirs.end()}), " there and ",
       ids_text({at, ours.end()}), " in the base; a study asks its variants the base's token ids");
}

void require_same_tokenizer(const Tokenizer& made, const Tokenizer& base,
                            std::span<const AskedTask> tasks) {
  require(made.adds_bos() == base.adds_bos(), "its tokenizer ",
          made.adds_bos() ? "puts BOS in front of texts, the base's does not"
                          : "puts no BOS in front of texts, the base's does");
  for (const AskedTask& task : tasks) {
    const size_t count = std::min(task.items.size(), kComparedTexts);
    for (const Item& item : std::span(task.items).first(count)) {
      in_context("item " + item.sample.id, [&] { require_same_ids(item.sample.text, made, base); });
    }
  }
}

}  // namespace

void require_same_questions(const Checkpoint& made, const Tokenizer& base,
                            std::span<const AskedTask> tasks) {
  require_same_tokenizer(made.tokenizer(), base, tasks);
  for (const AskedTask& task : tasks) {
    for (const Item& item : task.items) {
      in_context("item " + item.sample.id, [&] {
        for (const ScoreRequest& request : item.requests) check_request(made.config(), request);
      });
    }
  }
}

}  // namespace assay
