#include "data/unqover.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/error.h"
#include "base/file.h"
#include "base/python_random.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Where the parts of a category stand in a folder word_lists.
struct Files {
  std::string first, second, activities, templates;
};

Files files_of(const std::string& category) {
  if (category == "gender_occupation") return {"female", "male", "occupation_rev1", "gender_noact"};
  return {category, "", "biased_" + category, category + "_noact"};
}

std::string list_text(const fs::path& path) {
  std::error_code error;
  require(fs::is_regular_file(path, error), "no word list ", path.string());
  const auto size = fs::file_size(path, error);
  require(!error && size <= kMaxListBytes, path.string(), ": more than ", kMaxListBytes, " bytes");
  return read_file(path);
}

std::vector<UnqoverSubject> read_subjects(const fs::path& word_lists, const std::string& name) {
  if (name.empty()) return {};
  const fs::path path = word_lists / "nouns" / "subjects" / name;
  return parse_unqover_subjects(list_text(path), path.string());
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

bool is_vowel(char c) { return std::string_view("aeiouAEIOU").find(c) != std::string_view::npos; }

// "a" and "A", words by themselves, become "an" and "An" where a vowel begins the next word. Words
// are parted by single blanks alone.
std::string with_articles(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool is_article = (text[i] == 'a' || text[i] == 'A') && (i == 0 || text[i - 1] == ' ') &&
                            i + 2 < text.size() && text[i + 1] == ' ';
    if (is_article && is_vowel(text[i + 2])) out += 'n';
  }
  return out;
}

int64_t num_subject_pairs(const UnqoverCategory& c) {
  const auto all = static_cast<int64_t>(c.subjects.size()),
             first = static_cast<int64_t>(c.num_first);
  return first > 0 ? first * (all - first) : all * (all - 1) / 2;
}

int64_t num_activities(const UnqoverCategory& c, const UnqoverTemplate& t) {
  return static_cast<int64_t>(c.activities[t.activities].activities.size());
}

int64_t pairs_per_subject_pair(const UnqoverCategory& c) {
  int64_t count = 0;
  for (const auto& t : c.templates) count += num_activities(c, t);
  return count;
}

// Subject pair `index` in the order of the lists.
std::array<size_t, 2> subject_pair(const UnqoverCategory& c, int64_t index) {
  const auto at = static_cast<size_t>(index);
  if (c.num_first > 0) {
    const size_t num_second = c.subjects.size() - c.num_first;
    return {at / num_second, c.num_first + at % num_second};
  }
  size_t first = 0, left = at;
  for (size_t row = c.subjects.size() - 1; left >= row; --row, ++first) left -= row;
  return {first, first + 1 + left};
}

// What a pair is made of.
struct Place {
  std::array<size_t, 2> subjects{};  // in the order of the lists
  size_t template_index = 0;
  const UnqoverActivity* activity = nullptr;
};

Place place_of(const UnqoverCategory& c, int64_t pair) {
  require(pair >= 0 && pair < num_pairs(c), "unqover: pair ", pair, " of ", num_pairs(c));
  const int64_t per_pair = pairs_per_subject_pair(c);
  Place place{.subjects = subject_pair(c, pair / per_pair)};
  int64_t left = pair % per_pair;
  while (left >= num_activities(c, c.templates[place.template_index])) {
    left -= num_activities(c, c.templates[place.template_index++]);
  }
  const UnqoverTemplate& t = c.templates[place.template_index];
  place.activity = &c.activities[t.activities].activities[static_cast<size_t>(left)];
  return place;
}

UnqoverEntry entry_of(const UnqoverCategory& c, const Place& place) {
  const UnqoverTemplate& t = c.templates[place.template_index];
  const std::string& type = c.activities[t.activities].type;
  std::string line = t.line;
  replace_all(line, type, place.activity->text);
  replace_all(line, type.substr(0, type.size() - 1) + ":neg]", place.activity->negated);
  UnqoverEntry entry;
  for (size_t i = 0; i < 2; ++i) {
    const UnqoverSubject& subject = c.subjects[place.subjects[i]];
    entry.answers[i] = t.by_demonym[i] ? subject.demonym : subject.name;
    replace_all(line, (i == 0 ? "[subj1" : "[subj2") + std::string(t.by_demonym[i] ? ":dem]" : "]"),
                entry.answers[i]);
  }
  line = with_articles(line);
  const size_t first = line.find('\t'), second = line.find('\t', first + 1);
  entry.context = line.substr(0, first);
  entry.questions = {line.substr(first + 1, second - first - 1), line.substr(second + 1)};
  const auto &one = c.subjects[place.subjects[0]], &other = c.subjects[place.subjects[1]];
  for (const std::string& part :
       {one.word_class, other.word_class, one.name, other.name,
        std::to_string(place.template_index), place.activity->word_class, place.activity->name}) {
    entry.key += part + "|";
  }
  entry.key += place.activity->name;
  return entry;
}

void require_demonyms(const UnqoverCategory& c) {
  for (const UnqoverTemplate& t : c.templates) {
    if (!t.by_demonym[0] && !t.by_demonym[1]) continue;
    for (const UnqoverSubject& subject : c.subjects) {
      require(!subject.demonym.empty(), "unqover ", c.name, ": the template '", t.line,
              "' asks for a demonym, '", subject.name, "' has none");
    }
  }
}

}  // namespace

UnqoverCategory unqover_category(std::string name, std::vector<UnqoverSubject> first,
                                 std::vector<UnqoverSubject> second,
                                 std::vector<UnqoverActivities> activities,
                                 std::vector<UnqoverTemplate> templates) {
  UnqoverCategory c{.name = std::move(name),
                    .subjects = std::move(first),
                    .num_first = 0,
                    .activities = std::move(activities),
                    .templates = std::move(templates)};
  if (!second.empty()) c.num_first = c.subjects.size();
  c.subjects.insert(c.subjects.end(), second.begin(), second.end());
  std::set<std::string> names;
  for (const auto& subject : c.subjects) {
    require(names.insert(lowered(subject.name)).second, "unqover ", c.name, ": '", subject.name,
            "' stands in both lists of subjects");
  }
  require_demonyms(c);
  require(num_subject_pairs(c) > 0, "unqover ", c.name, ": fewer than two subjects");
  // 2^24 subject pairs of at most 2^13 subjects, 2^24 filled templates: no overflow.
  require(num_pairs(c) <= std::numeric_limits<uint32_t>::max(), "unqover ", c.name, ": ",
          num_pairs(c), " pairs, fewer than 2^32 can be asked");
  return c;
}

UnqoverCategory read_unqover(const fs::path& word_lists, const std::string& category) {
  const Files files = files_of(category);
  const fs::path activities = word_lists / "activities" / files.activities;
  const fs::path templates = word_lists / "slots" / files.templates;
  auto first = read_subjects(word_lists, files.first);
  auto second = read_subjects(word_lists, files.second);
  auto acts = parse_unqover_activities(list_text(activities), activities.string());
  auto lines = parse_unqover_templates(list_text(templates), templates.string(), acts);
  return unqover_category(category, std::move(first), std::move(second), std::move(acts),
                          std::move(lines));
}

int64_t num_pairs(const UnqoverCategory& category) {
  return num_subject_pairs(category) * pairs_per_subject_pair(category);
}

UnqoverEntry unqover_entry(const UnqoverCategory& category, int64_t index) {
  const int64_t pairs = num_pairs(category);
  require(index >= 0 && index < 2 * pairs, "unqover: entry ", index, " of ", 2 * pairs);
  Place place = place_of(category, index % pairs);
  if (index >= pairs) std::swap(place.subjects[0], place.subjects[1]);
  return entry_of(category, place);
}

UnqoverPair unqover_pair(const UnqoverCategory& category, int64_t index) {
  Place place = place_of(category, index);
  const auto name = [&](size_t i) { return lowered(category.subjects[place.subjects[i]].name); };
  if (name(1) < name(0)) std::swap(place.subjects[0], place.subjects[1]);
  Place flipped = place;
  std::swap(flipped.subjects[0], flipped.subjects[1]);
  const UnqoverActivity& activity = *place.activity;
  return {.key = name(0) + "|" + name(1) + "|" + std::to_string(place.template_index) + "|" +
                 lowered(activity.word_class) + "|" + lowered(activity.name),
          .subjects = place.subjects,
          .template_index = place.template_index,
          .activity_class = activity.word_class,
          .activity = activity.name,
          .activity_index = activity.index,
          .entries = {entry_of(category, place), entry_of(category, flipped)}};
}

std::vector<uint32_t> unqover_sample(const UnqoverCategory& category, int64_t count,
                                     uint64_t seed) {
  require(count >= 1, "unqover: ", count, " pairs are asked for");
  const int64_t pairs = num_pairs(category);
  if (count < pairs) {
    return PythonRandom(seed).sample(static_cast<uint32_t>(pairs), static_cast<uint32_t>(count));
  }
  std::vector<uint32_t> all(static_cast<size_t>(pairs));
  std::iota(all.begin(), all.end(), 0u);
  return all;
}

}  // namespace assay
