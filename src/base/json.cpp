#include "base/json.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>
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

// Builds the tree from the parser's events. nlohmann's own builder looks for a key among those of
// an ordered object one by one, which is quadratic for the vocabulary of a tokenizer; here a hash
// set finds duplicates.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::string_view where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(size_t) { return open(Json::object()); }
  bool start_array(size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& key) {
    require(open_.back().keys.insert(key).second, where_, ": duplicate key '", key, "'");
    open_.back().key = std::move(key);
    return true;
  }
  template <class Exception>
  bool parse_error(size_t, const std::string&, const Exception& e) {
    if constexpr (std::is_same_v<Exception, nlohmann::json::parse_error>) {
      fail(ErrorKind::kBadInput, where_, ": not valid JSON at byte ", e.byte);
    }
    fail(ErrorKind::kBadInput, where_, ": not valid JSON: ", e.what());
  }

 private:
  struct Open {
    Json value;
    std::string key;                       // of the member that is being read
    std::unordered_set<std::string> keys;  // of an object
  };

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    auto& [parent, key, keys] = open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
    } else {
      auto& members = parent.get_ref<Json::object_t&>();
      members.Json::object_t::Container::emplace_back(std::move(key), std::move(value));
    }
    return true;
  }
  bool open(Json empty) {
    // Copies, comparisons and dumps of a value recurse.
    require(open_.size() < kMaxJsonDepth, where_, ": nested deeper than ", kMaxJsonDepth,
            " levels");
    open_.push_back({std::move(empty), {}, {}});
    return true;
  }
  bool close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(done));
  }

  std::string_view where_;
  std::vector<Open> open_;
  Json root_;
};

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
  TreeBuilder builder{where};
  Json::sax_parse(text, &builder);
  return builder.take();
}

Json parse_intact_json(std::string_view text, std::string_view where) {
  try {
    return parse_json(text, where);
  } catch (const Error& e) {
    fail(ErrorKind::kCorruptFile, e.what());
  }
}

}  // namespace assay
