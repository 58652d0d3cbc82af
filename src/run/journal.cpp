#include "run/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace assay {
namespace {

Json answers_to_json(const ItemAnswers& answers) {
  Json list = Json::array();
  for (const auto& answer : answers) {
    list.push_back({answer.log_likelihood, answer.num_tokens, answer.is_greedy});
  }
  return list;
}

ItemAnswers answers_from_json(const Json& list) {
  ItemAnswers answers;
  for (const Json& answer : list) {
    answers.push_back({.log_likelihood = answer.at(0).get<double>(),
                       .num_tokens = answer.at(1).get<int64_t>(),
                       .is_greedy = answer.at(2).get<bool>()});
  }
  return answers;
}

void write_all(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    require(written > 0, path.string(), ": cannot write: ", std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Journal::Journal(std::filesystem::path path, std::string key) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  require(fd_ >= 0, path_.string(), ": cannot open: ", std::strerror(errno));
  try {
    recover(key);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Journal::~Journal() { ::close(fd_); }

void Journal::recover(const std::string& key) {
  const std::string text = read_file(path_);
  size_t intact = 0;  // bytes of whole lines
  int64_t line_number = 0;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string where = path_.string() + ":" + std::to_string(++line_number);
    const Json line = parse_json(std::string_view(text).substr(begin, end - begin), where);
    if (line_number == 1) {
      if (json_get<std::string>(line, "key", where) != key) break;
    } else {
      try {
        answered_[line.at("item").get<int64_t>()] = answers_from_json(line.at("scores"));
      } catch (const nlohmann::json::exception&) {
        fail(ErrorKind::kCorruptFile, where, ": not a line of a journal");
      }
    }
    intact = end + 1;
  }
  require(::ftruncate(fd_, static_cast<off_t>(intact)) == 0, path_.string(),
          ": cannot truncate: ", std::strerror(errno));
  if (intact == 0) {
    write_all(fd_, Json{{"key", key}}.dump() + "\n", path_);
    require(::fsync(fd_) == 0, path_.string(), ": cannot fsync: ", std::strerror(errno));
    sync_folder(path_.parent_path());
  }
}

void Journal::append(const std::map<int64_t, ItemAnswers>& items) {
  std::string lines;
  for (const auto& [index, answers] : items) {
    lines += Json{{"item", index}, {"scores", answers_to_json(answers)}}.dump() + "\n";
  }
  write_all(fd_, lines, path_);
  require(::fdatasync(fd_) == 0, path_.string(), ": cannot fsync: ", std::strerror(errno));
  answered_.insert(items.begin(), items.end());
}

}  // namespace assay
