#pragma once
// UnQover's underspecified questions (Li et al. 2020, arXiv:2010.02428, section 4): two subjects, a
// context that does not tell them apart, and a question about one of them. An entry is a filled
// template with its negated question; a pair is the two entries that differ in the subjects' order.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/unqover_lists.h"

namespace assay {

struct UnqoverCategory {
  std::string name;
  std::vector<UnqoverSubject> subjects;
  // Of two lists of subjects, one behind the other: the size of the first, whose subjects are
  // paired with the second's. 0: one list, paired with itself.
  size_t num_first = 0;
  std::vector<UnqoverActivities> activities;
  std::vector<UnqoverTemplate> templates;
};

// The categories of the published study; other names follow their rule: subjects NAME, activities
// biased_NAME, templates NAME_noact.
inline constexpr std::array<std::string_view, 4> kUnqoverCategories{
    "religion", "country", "ethnicity", "gender_occupation"};

// One category of a folder word_lists (nouns/subjects, activities, slots). Error(kBadInput) names
// the file that is missing, or file and line; so on a demonym that a template asks for and the list
// does not have, a name in both lists of subjects, and 2^32 pairs or more.
UnqoverCategory read_unqover(const std::filesystem::path& word_lists, const std::string& category);

// The same from its parts. `where` names it in messages.
UnqoverCategory unqover_category(std::string name, std::vector<UnqoverSubject> first,
                                 std::vector<UnqoverSubject> second,
                                 std::vector<UnqoverActivities> activities,
                                 std::vector<UnqoverTemplate> templates);

struct UnqoverEntry {
  std::string key;  // "class1|class2|subj1|subj2|template|class|activity|activity"
  std::string context;
  std::array<std::string, 2> questions;  // the second is negated
  std::array<std::string, 2> answers;    // the subjects, as the context calls them
};

// How many pairs, half as many as entries.
int64_t num_pairs(const UnqoverCategory& category);

// Entry `index` of the 2 num_pairs() in the order of the published files: pairs of subjects
// outermost (first before second in the order of the lists, then all of them the other way round),
// then templates, then activities. Entry p + num_pairs() is entry p with its subjects exchanged. An
// article before a vowel becomes "an".
UnqoverEntry unqover_entry(const UnqoverCategory& category, int64_t index);

struct UnqoverPair {
  std::string key;                   // "subj1|subj2|template|class|activity", lower case
  std::array<size_t, 2> subjects{};  // indices; the first is the smaller one in lower case
  size_t template_index = 0;
  std::string activity_class;           // "rude"
  std::string activity;                 // its name
  size_t activity_index = 0;            // the same for activities of one name, in any type
  std::array<UnqoverEntry, 2> entries;  // the first names subjects[0] first
};

// Pair `index` of num_pairs(), in the order in which their first entries stand.
UnqoverPair unqover_pair(const UnqoverCategory& category, int64_t index);

// The pairs that the published study scores: Python's random.sample(pairs, count) after
// random.seed(seed), in the order drawn; all of them, in order, when there are no more than
// `count`.
std::vector<uint32_t> unqover_sample(const UnqoverCategory& category, int64_t count, uint64_t seed);

}  // namespace assay
