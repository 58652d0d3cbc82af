#include "tasks/unqover_items.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "data/locations.h"
#include "data/unqover.h"
#include "tasks/chat_prompt.h"
#include "tasks/limit.h"
#include "tasks/padded_scoring.h"
#include "tasks/requests.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct UnqoverOptions {
  bool padded = false;  // protocol beyond-perplexity: its option scoring (tasks/padded_scoring.h)
  bool tulu = false;    // that study's prompt for TULU models, plain text
  int64_t num_pairs = 10000;  // drawn as the study draws them
  uint64_t pair_seed = 42;
  std::string lists;  // "official", "pack" or a folder
};

// One of two words at `key`, the first when it is missing; whether it is the second.
bool is_second(const Json& extra, const std::string& key,
               const std::array<std::string_view, 2>& words) {
  const auto word = json_get_or<std::string>(extra, key, std::string(words[0]), "unqover");
  require(std::ranges::find(words, word) != words.end(), "unqover: unknown ", key, " '", word, "'",
          suggest(word, words));
  return word == words[1];
}

UnqoverOptions unqover_options(const TaskOptions& task) {
  static constexpr std::array<std::string_view, 5> kKeys{"protocol", "pairs", "pair_seed", "prompt",
                                                         "lists"};
  const Json extra = task.extra.is_null() ? Json::object() : task.extra;
  require_known_keys(extra, kKeys, "unqover");
  UnqoverOptions options;
  options.padded = is_second(extra, "protocol", {"correct", "beyond-perplexity"});
  options.tulu = is_second(extra, "prompt", {"plain", "tulu"});
  if (extra.contains("pairs") && extra["pairs"] == "all") {
    options.num_pairs = std::numeric_limits<int64_t>::max();
  } else {
    options.num_pairs = json_get_or<int64_t>(extra, "pairs", options.num_pairs, "unqover");
    require(options.num_pairs >= 1, "unqover: pairs must be 'all' or at least 1, got ",
            options.num_pairs);
  }
  options.pair_seed = json_get_or<uint64_t>(extra, "pair_seed", options.pair_seed, "unqover");
  options.lists = json_get_or<std::string>(extra, "lists", "official", "unqover");
  const bool has_chat = task.chat.apply_chat_template;
  require(!has_chat || !options.padded,
          "unqover: apply_chat_template: the protocol "
          "beyond-perplexity has no chat, but 'prompt: tulu'");
  require(!has_chat || !options.tulu, "unqover: apply_chat_template beside 'prompt: tulu'");
  return options;
}

fs::path lists_folder(const UnqoverOptions& options) {
  if (options.lists == "pack") return packs_folder() / "unqover" / "word_lists";
  if (options.lists != "official") return options.lists;
  const fs::path folder = official_data_folder() / "unqover" / "word_lists";
  std::error_code error;
  require(fs::is_directory(folder, error), "unqover: no folder ", folder.string(),
          ": put word_lists of allenai/unqover (Apache-2.0) there, or set ASSAY_DATA to the folder "
          "that holds unqover/; 'lists: pack' asks this project's own small lists instead");
  return folder;
}

std::string prompt_of(const UnqoverEntry& entry, size_t question, const UnqoverOptions& options,
                      bool is_chat) {
  const std::string text = "Context: " + entry.context + "\nQuestion: " + entry.questions[question];
  if (options.tulu) return "<|user|>\n" + text + "\n<|assistant|>\n";
  return is_chat ? text : text + "\nAnswer:";  // a chat's turn ends where the answer begins
}

// The pair as an item; its questions become requests in unqover_items.
Sample pair_sample(const UnqoverCategory& category, const UnqoverPair& pair) {
  std::array<const UnqoverSubject*, 2> subjects{};
  for (size_t i = 0; i < 2; ++i) subjects[i] = &category.subjects[pair.subjects[i]];
  Sample sample;
  sample.id = category.name + "/" + pair.key;
  sample.stratum = category.name + "/" + std::to_string(pair.template_index);
  sample.cluster = sample.stratum + "/" + pair.activity;
  // Names stand for their gender; other subjects for themselves.
  const bool by_class = subjects[0]->word_class != subjects[1]->word_class;
  for (const auto* subject : subjects) {
    sample.groups.push_back(by_class ? subject->word_class : subject->name);
  }
  sample.context = pair.entries[0].context;
  for (const auto& entry : pair.entries) {
    sample.text += entry.context + " " + entry.questions[0] + " " + entry.questions[1] + "\n";
  }
  sample.doc = {{"subjects", {subjects[0]->name, subjects[1]->name}},
                {"classes", {subjects[0]->word_class, subjects[1]->word_class}},
                {"subject_indices", pair.subjects},
                {"template", pair.template_index},
                {"activity_class", pair.activity_class},
                {"activity", pair.activity},
                {"activity_index", pair.activity_index},
                {"entries", Json::array()}};
  for (const auto& entry : pair.entries) {
    sample.doc["entries"].push_back({{"key", entry.key},
                                     {"context", entry.context},
                                     {"questions", entry.questions},
                                     {"answers", entry.answers}});
  }
  return sample;
}

// The two requests of one question: `question` has its prompt and answers.
std::vector<ScoreRequest> question_requests(const Tokenizer& tokenizer, const Sample& question,
                                            const UnqoverOptions& options) {
  return options.padded ? padded_choice_requests(tokenizer, question)
                        : choice_requests(tokenizer, question);
}

// Eight requests: entry 0 question 0 with answers 0 and 1, its negation, then entry 1.
Item pair_item(const Tokenizer& tokenizer, Sample sample, const UnqoverOptions& options,
               const std::optional<ChatPrompt>& chat) {
  Item item{std::move(sample), {}};
  for (const Json& json : item.sample.doc.at("entries")) {
    const UnqoverEntry entry{.key = json.at("key"),
                             .context = json.at("context"),
                             .questions = json.at("questions"),
                             .answers = json.at("answers")};
    for (size_t q = 0; q < 2; ++q) {
      Sample question;
      question.id = item.sample.id;
      question.context = prompt_of(entry, q, options, chat.has_value());
      for (const auto& answer : entry.answers) question.choices.push_back(" " + answer);
      if (chat) ask_as_chat(*chat, question);
      for (auto& request : question_requests(tokenizer, question, options)) {
        item.requests.push_back(std::move(request));
      }
    }
  }
  return item;
}

void require_category(const std::string& subset) {
  require(!subset.empty(), "unqover: which category?", suggest("", kUnqoverCategories));
  require(subset.find_first_of("/.") == std::string::npos, "unqover: no category '", subset, "'",
          suggest(subset, kUnqoverCategories));
}

}  // namespace

std::vector<Item> unqover_items(const Tokenizer& tokenizer, const std::string& subset,
                                const TaskOptions& options) {
  require_category(subset);
  const auto own = unqover_options(options);
  require(own.lists != "official" || std::ranges::count(kUnqoverCategories, subset) == 1,
          "unqover: no category '", subset, "'", suggest(subset, kUnqoverCategories));
  const auto category = read_unqover(lists_folder(own), subset);
  const auto chat = chat_prompt(tokenizer, options.chat, "unqover");
  std::vector<Sample> samples;
  for (const uint32_t index : unqover_sample(category, own.num_pairs, own.pair_seed)) {
    samples.push_back(pair_sample(category, unqover_pair(category, index)));
  }
  std::vector<Item> items;
  for (Sample& sample : drawn(std::move(samples), options.limit, options.seed)) {
    items.push_back(pair_item(tokenizer, std::move(sample), own, chat));
  }
  return items;
}

}  // namespace assay
