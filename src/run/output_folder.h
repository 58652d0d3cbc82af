#pragma once
// The folder of a study's results: where everything in it lies, and that one run at a time writes
// to it. An arm is "base" or the name of a variant. Folders are made when a path in them is asked
// for.

#include <filesystem>
#include <string>

namespace assay {

class OutputFolder {
 public:
  // Creates the folder, locks it and removes the unfinished files that a killed run left there.
  // Error(kBadInput) when another run holds it or it cannot be written.
  explicit OutputFolder(std::filesystem::path root);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path journal_root() const;
  std::filesystem::path variant(const std::string& arm) const;
  std::filesystem::path checkpoint(const std::string& arm) const;   // of a compressed variant
  std::filesystem::path compression(const std::string& arm) const;  // what compression reported
  std::filesystem::path inspection(const std::string& arm) const;   // what is in its file
  std::filesystem::path int8_modes(const std::string& arm) const;   // of LLM.int8() products
  std::filesystem::path samples(const std::string& arm, const std::string& task_label) const;
  std::filesystem::path results(const std::string& arm) const;
  std::filesystem::path journal(const std::string& arm, const std::string& task_label) const;
  std::filesystem::path finished(const std::string& arm, const std::string& task_label) const;

 private:
  std::filesystem::path root_;
  int lock_ = -1;
};

}  // namespace assay
