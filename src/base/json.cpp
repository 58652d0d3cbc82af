#include "base/json.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  size_t best_distance = word.size() / 2 + 1;
  for (const auto candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

std::string suggest(std::string_view word, std::span<const std::string_view> known) {
  if (const auto near = nearest_name(word, known); !near.empty())
    return " (did you mean '" + near + "'?)";
  std::string list;
  for (const auto name : known) list.append(list.empty() ? "" : ", ").append(name);
  return " (known: " + list + ")";
}

void require_known_keys(const Json& object, std::span<const std::string_view> known,
                        std::string_view where) {
  require(object.is_object(), where, ": expected an object, got ", object.type_name());
  for (const auto& [key, value] : object.items()) {
    require(std::ranges::find(known, key) != known.end(), where, ": unknown key '", key, "'",
            suggest(key, known));
  }
}

Json parse_json(std::string_view text, std::string_view where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string duplicate;
  const auto watch = [&](int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      auto key = parsed.get<std::string>();
      if (!keys.back().insert(key).second && duplicate.empty()) duplicate = key;
    }
    return true;
  };
  Json value;
  try {
    value = Json::parse(text, watch);
  } catch (const nlohmann::json::parse_error& e) {
    fail(ErrorKind::kBadInput, where, ": not valid JSON at byte ", e.byte);
  }
  require(duplicate.empty(), where, ": duplicate key '", duplicate, "'");
  return value;
}

}  // namespace assay
