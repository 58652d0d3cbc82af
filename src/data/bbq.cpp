#include "data/bbq.h"

#include <algorithm>

#include "base/error.h"

namespace assay {
namespace {

int option_index(const Json& object, const std::string& key, std::string_view where) {
  const int index = json_get<int>(object, key, where);
  require(index >= 0 && index < 3, where, ": '", key, "' must be 0, 1 or 2, got ", index);
  return index;
}

// True when the word at `key` is `yes`, false when it is `no`.
bool is_first_word(const Json& row, const std::string& key, std::string_view yes,
                   std::string_view no, std::string_view where) {
  const auto word = json_get<std::string>(row, key, where);
  require(word == yes || word == no, where, ": '", key, "' must be '", yes, "' or '", no,
          "', got '", word, "'");
  return word == yes;
}

std::vector<std::string> strings_at(const Json& object, const std::string& key,
                                    std::string_view where) {
  const auto found = object.find(key);
  require(found != object.end() && found->is_array(), where, ": '", key, "' must be an array");
  std::vector<std::string> strings;
  for (const Json& value : *found) {
    require(value.is_string(), where, ": '", key, "' must hold strings, got ", value.dump());
    strings.push_back(value.get<std::string>());
  }
  return strings;
}

}  // namespace

BbqRow bbq_row(const Json& row, std::string_view where) {
  BbqRow out;
  out.example_id = json_get<int64_t>(row, "example_id", where);
  out.category = json_get<std::string>(row, "category", where);
  out.question_index = json_get<std::string>(row, "question_index", where);
  out.polarity = is_first_word(row, "question_polarity", "neg", "nonneg", where)
                     ? Polarity::kNeg
                     : Polarity::kNonNeg;
  out.condition = is_first_word(row, "context_condition", "ambig", "disambig", where)
                      ? Condition::kAmbig
                      : Condition::kDisambig;
  out.context = json_get<std::string>(row, "context", where);
  out.question = json_get<std::string>(row, "question", where);
  out.label = option_index(row, "label", where);

  const auto info = row.find("answer_info");
  require(info != row.end() && info->is_object(), where, ": 'answer_info' must be an object");
  for (size_t i = 0; i < 3; ++i) {
    const std::string key = "ans" + std::to_string(i);
    out.answers[i] = json_get<std::string>(row, key, where);
    require(!out.answers[i].empty(), where, ": '", key, "' is empty");
    const auto pair = strings_at(*info, key, where);
    require(pair.size() >= 2, where, ": 'answer_info.", key, "' must hold a word and a label");
    out.words[i] = pair.front();
    out.labels[i] = pair.back();
  }
  const auto num_unknown = std::ranges::count(out.labels, "unknown");
  require(num_unknown == 1, where, ": ", num_unknown, " options are labelled 'unknown', not 1");
  out.unknown = static_cast<int>(std::ranges::find(out.labels, "unknown") - out.labels.begin());

  const auto metadata = row.find("additional_metadata");
  require(metadata != row.end() && metadata->is_object(), where,
          ": 'additional_metadata' must be an object");
  out.stereotyped_groups = strings_at(*metadata, "stereotyped_groups", where);
  if (const auto target = metadata->find("target_loc");
      target != metadata->end() && !target->is_null()) {
    out.target_loc = option_index(*metadata, "target_loc", where);
  }
  return out;
}

}  // namespace assay
