#pragma once
// The word lists and templates of UnQover (Li et al. 2020, arXiv:2010.02428; folder word_lists of
// allenai/unqover), and of packs in the same format.
//
// A list has one entry a line: a head in brackets, a blank, the text. "class | text" gives the text
// a class, without a bar it is "None". Blank lines and lines that start with # are skipped. Errors
// are Error(kBadInput) and say "WHERE:LINE".

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

inline constexpr size_t kMaxListBytes = size_t{1} << 20;  // of one file
inline constexpr size_t kMaxListEntries = 4096;           // of one head, or templates

struct UnqoverSubject {
  std::string name;        // [subj]
  std::string demonym;     // [subj:dem], empty where the list has none
  std::string word_class;  // "female"; "None"
};

// One thing that the asked person did, and its opposite.
struct UnqoverActivity {
  std::string text;        // [p_act-single]
  std::string negated;     // [p_act-single:neg]
  std::string name;        // the text at the same place of the base type: [p_act]
  std::string word_class;  // "rude"; the same of both texts
  size_t index = 0;        // of the name among the distinct names of the list, in lower case
};

// The activities of a type; heads "-single" hold another grammatical form of the same activities.
struct UnqoverActivities {
  std::string type;  // "[p_act-single]"
  std::vector<UnqoverActivity> activities;
};

// "A [subj1] man met a [subj2] man.", "Who [p_act]?", "Who [p_act:neg]?", with TABs between them.
struct UnqoverTemplate {
  std::string line;
  std::array<bool, 2> by_demonym{};  // the subject's slot is [subj1:dem], [subj2:dem]
  size_t activities = 0;             // which type the questions ask for
};

// Subjects in their order. Two subjects that differ in case alone are an error; so is a demonym for
// some of them only.
std::vector<UnqoverSubject> parse_unqover_subjects(std::string_view text, std::string_view where);

// Types in the order in which they first stand in the list. Every type has its ":neg" twin with as
// many entries of the same classes, and a "-single" type has its base type.
std::vector<UnqoverActivities> parse_unqover_activities(std::string_view text,
                                                        std::string_view where);

// Templates in their order. Each holds both subjects' slots, and one type of `activities`: in the
// question the type itself, in the negated question its twin.
std::vector<UnqoverTemplate> parse_unqover_templates(
    std::string_view text, std::string_view where,
    const std::vector<UnqoverActivities>& activities);

}  // namespace assay
