#pragma once
// One item of an evaluation, whatever data set it came from.

#include <string>
#include <vector>

#include "base/json.h"

namespace assay {

struct Sample {
  std::string id;                    // unique within the task, stable between runs
  std::string cluster;               // items of one cluster are not independent (statistics.md 1)
  std::vector<std::string> groups;   // the populations that the item is about, for tables by group
  std::string stratum;               // a limit draws evenly from each of these; empty: one stratum
  std::string context;               // the prompt, as scored
  std::vector<std::string> choices;  // continuations, each with its leading space
  bool is_chat = false;  // the context is a rendered chat: special tokens that it spells are
                         // tokens, and the choices have no leading space
  int target = -1;       // index of the right choice, -1 when there is none
  std::string text;      // the item's own words without prompt wording: overlap checks
  Json doc;              // the row as read, with what metrics need
};

}  // namespace assay
