#pragma once
// The answers of one variant to one task while they come in: an append-only JSONL file, one line an
// item, fsynced per batch, so that a killed run loses at most the batch that was under way. A
// finished task lives in its samples file.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "infer/score.h"

namespace assay {

// Answers of one item: one result per request.
using ItemAnswers = std::vector<ScoreResult>;

class Journal {
 public:
  // Opens or creates `path`. `key` is the identity of what is asked of what; a file of another key
  // is started over (its answers are to other questions), and a torn last line, left by a kill, is
  // cut off. Error(kCorruptFile) names the line of any other damage.
  Journal(std::filesystem::path path, std::string key);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  // What earlier runs have answered, by index of the item.
  const std::map<int64_t, ItemAnswers>& answered() const { return answered_; }

  // Adds finished items and returns when they are on disk. Error(kBadInput) when the disk is full.
  void append(const std::map<int64_t, ItemAnswers>& items);

 private:
  void recover(const std::string& key);

  std::filesystem::path path_;
  int fd_ = -1;
  std::map<int64_t, ItemAnswers> answered_;
};

}  // namespace assay
