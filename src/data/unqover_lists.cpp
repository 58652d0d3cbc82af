#include "data/unqover_lists.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/error.h"
#include "base/utf8.h"

namespace assay {
namespace {

struct Line {
  std::string_view text;
  std::string where;  // "file:3"
};

// The lines that hold something, without the blanks around them.
std::vector<Line> lines_of(std::string_view text, std::string_view where) {
  require(text.size() <= kMaxListBytes, where, ": ", text.size(), " bytes, at most ",
          kMaxListBytes);
  const auto invalid = first_invalid_utf8(text);
  require(!invalid, where, ": byte ", invalid.value_or(0), " is not UTF-8");
  std::vector<Line> lines;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    lines.push_back({line, std::string(where) + ":" + std::to_string(number)});
  }
  return lines;
}

struct Entry {
  std::string head, word_class, text;
  std::string where;
};

Entry entry_of(const Line& line) {
  const auto& where = line.where;
  const size_t blank = std::min(line.text.find(' '), line.text.size());
  Entry entry{.head = std::string(line.text.substr(0, blank)),
              .word_class = "None",
              .text = "",
              .where = where};
  require(entry.head.starts_with('[') && entry.head.ends_with(']'), where,
          ": a line starts with a head like [subj], got '", entry.head, "'");
  auto value = trimmed(line.text.substr(blank));
  if (const size_t bar = value.find('|'); bar != std::string_view::npos) {
    entry.word_class = trimmed(value.substr(0, bar));
    value = trimmed(value.substr(bar + 1));
    require(!entry.word_class.empty(), where, ": no class in front of '|'");
  }
  entry.text = value;
  require(!entry.text.empty(), where, ": no text behind '", entry.head, "'");
  // What the slots of templates, the keys of entries and the fields of a template are made of.
  require(value.find_first_of("[]|\t") == std::string_view::npos, where,
          ": a text holds no '[', ']', second '|' or TAB");
  return entry;
}

// The entries of one head, in their order.
struct Head {
  std::string name;
  std::vector<Entry> entries;
};

// By head, heads in the order in which they first stand.
std::vector<Head> heads_of(std::string_view text, std::string_view where) {
  std::vector<Head> heads;
  for (const Line& line : lines_of(text, where)) {
    Entry entry = entry_of(line);
    auto found = std::ranges::find(heads, entry.head, &Head::name);
    if (found == heads.end()) found = heads.insert(heads.end(), {entry.head, {}});
    require(found->entries.size() < kMaxListEntries, entry.where, ": more than ", kMaxListEntries,
            " entries of ", entry.head);
    found->entries.push_back(std::move(entry));
  }
  return heads;
}

const Head* find(const std::vector<Head>& heads, std::string_view name) {
  const auto found = std::ranges::find(heads, name, &Head::name);
  return found == heads.end() ? nullptr : &*found;
}

// The head `name`, which has as many entries as `beside`.
const Head& matching(const std::vector<Head>& heads, const std::string& name, const Head& beside,
                     std::string_view where) {
  const Head* head = find(heads, name);
  require(head != nullptr, where, ": there are ", beside.name, " but no ", name);
  require(head->entries.size() == beside.entries.size(), where, ": ", beside.entries.size(), " ",
          beside.name, " but ", head->entries.size(), " ", name);
  return *head;
}

void require_distinct(const std::vector<Entry>& entries) {
  std::set<std::string> seen;
  for (const Entry& entry : entries) {
    require(seen.insert(lowered(entry.text)).second, entry.where, ": '", entry.text,
            "' stands twice in the list");
  }
}

constexpr std::string_view kNegated = ":neg]", kSingle = "-single]";

// "[p_act-single]" -> "[p_act-single:neg]"
std::string negated_type(std::string_view type) {
  return std::string(type.substr(0, type.size() - 1)) + std::string(kNegated);
}

// "[p_act-single]" -> "[p_act]"
std::string base_type(std::string_view type) {
  return std::string(type.substr(0, type.size() - kSingle.size())) + "]";
}

UnqoverActivities activities_of(const std::vector<Head>& heads, const Head& head,
                                std::string_view where) {
  const Head& negated = matching(heads, negated_type(head.name), head, where);
  const bool is_single = head.name.ends_with(kSingle);
  const Head& base = is_single ? matching(heads, base_type(head.name), head, where) : head;
  require_distinct(base.entries);
  UnqoverActivities result{head.name, {}};
  for (size_t i = 0; i < head.entries.size(); ++i) {
    const Entry& entry = head.entries[i];
    for (const Entry& other : {negated.entries[i], base.entries[i]}) {
      require(entry.word_class == other.word_class, other.where, ": class '", other.word_class,
              "', but '", entry.word_class, "' at the same place of ", head.name);
    }
    result.activities.push_back(
        {entry.text, negated.entries[i].text, base.entries[i].text, entry.word_class, 0});
  }
  return result;
}

void number_names(std::vector<UnqoverActivities>& types) {
  std::map<std::string, size_t> numbers;
  for (auto& type : types) {
    for (auto& activity : type.activities) {
      activity.index = numbers.try_emplace(lowered(activity.name), numbers.size()).first->second;
    }
  }
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Whether the subject's slot is "[subj1:dem]" and not "[subj1]".
bool by_demonym(const Line& line, const std::string& slot) {
  const bool by_name = holds(line.text, slot + "]"), by_demonym = holds(line.text, slot + ":dem]");
  require(by_name != by_demonym, line.where, ": a template holds either ", slot, "] or ", slot,
          ":dem]");
  return by_demonym;
}

size_t count_of(std::string_view text, std::string_view slot) {
  size_t count = 0;
  for (size_t at = text.find(slot); at != std::string_view::npos; at = text.find(slot, at + 1)) {
    ++count;
  }
  return count;
}

// The one type that the question holds, whose twin the negated question holds.
size_t activities_of(std::string_view question, std::string_view negated, const std::string& where,
                     const std::vector<UnqoverActivities>& activities) {
  std::optional<size_t> found;
  for (size_t i = 0; i < activities.size(); ++i) {
    const std::string& type = activities[i].type;
    if (!holds(question, type)) continue;
    require(!found, where, ": the question holds ", type, " beside another type");
    require(holds(negated, negated_type(type)), where, ": the negated question holds no ",
            negated_type(type));
    found = i;
  }
  require(found.has_value(), where, ": the question holds no type of the activities");
  return *found;
}

void require_filled(const Line& line, const std::string& type) {
  size_t known = 0;
  for (const std::string& slot :
       {type, negated_type(type), std::string("[subj1]"), std::string("[subj1:dem]"),
        std::string("[subj2]"), std::string("[subj2:dem]")}) {
    known += count_of(line.text, slot);
  }
  require(known == count_of(line.text, "["), line.where, ": a slot that nothing fills");
}

UnqoverTemplate template_of(const Line& line, const std::vector<UnqoverActivities>& activities) {
  const auto& text = line.text;
  require(std::ranges::count(text, '\t') == 2, line.where,
          ": a template is a context, a question and a negated question, with TABs between them");
  const size_t first = text.find('\t'), second = text.find('\t', first + 1);
  UnqoverTemplate result{.line = std::string(text),
                         .by_demonym = {by_demonym(line, "[subj1"), by_demonym(line, "[subj2")},
                         .activities = activities_of(text.substr(first, second - first),
                                                     text.substr(second), line.where, activities)};
  require_filled(line, activities[result.activities].type);
  return result;
}

}  // namespace

std::vector<UnqoverSubject> parse_unqover_subjects(std::string_view text, std::string_view where) {
  const auto heads = heads_of(text, where);
  for (const Head& head : heads) {
    require(head.name == "[subj]" || head.name == "[subj:dem]", head.entries.front().where,
            ": a list of subjects holds [subj] and [subj:dem], got '", head.name, "'");
  }
  const Head* names = find(heads, "[subj]");
  require(names != nullptr, where, ": no [subj]");
  require_distinct(names->entries);
  const Head* demonyms =
      heads.size() == 2 ? &matching(heads, "[subj:dem]", *names, where) : nullptr;
  std::vector<UnqoverSubject> subjects;
  for (size_t i = 0; i < names->entries.size(); ++i) {
    const Entry& entry = names->entries[i];
    subjects.push_back(
        {entry.text, demonyms != nullptr ? demonyms->entries[i].text : "", entry.word_class});
  }
  return subjects;
}

std::vector<UnqoverActivities> parse_unqover_activities(std::string_view text,
                                                        std::string_view where) {
  const auto heads = heads_of(text, where);
  std::vector<UnqoverActivities> result;
  for (const Head& head : heads) {
    if (head.name.ends_with(kNegated)) {
      const std::string type = head.name.substr(0, head.name.size() - kNegated.size()) + "]";
      require(find(heads, type) != nullptr, head.entries.front().where, ": no ", type, " to ",
              head.name);
      continue;
    }
    result.push_back(activities_of(heads, head, where));
  }
  require(!result.empty(), where, ": no activities");
  number_names(result);
  return result;
}

std::vector<UnqoverTemplate> parse_unqover_templates(
    std::string_view text, std::string_view where,
    const std::vector<UnqoverActivities>& activities) {
  std::vector<UnqoverTemplate> templates;
  for (const Line& line : lines_of(text, where)) {
    require(templates.size() < kMaxListEntries, line.where, ": more than ", kMaxListEntries,
            " templates");
    templates.push_back(template_of(line, activities));
  }
  require(!templates.empty(), where, ": no templates");
  return templates;
}

}  // namespace assay
