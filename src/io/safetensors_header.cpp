#include "io/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

constexpr size_t kMaxTensors = 1'000'000;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxRank = 64;
constexpr int kMaxDepth = 32;

template <class... Parts>
[[noreturn]] void corrupt(const Parts&... parts) {
  fail(ErrorKind::kCorruptFile, parts...);
}

// Receives the parser's events. Depth 1 is the header object, depth 2 a tensor or the metadata,
// depth 3 a shape or data_offsets; whatever lies under an unknown field is skipped down to
// kMaxDepth.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderEntries entries;

  bool null() override { return scalar("null"); }
  bool boolean(bool /*value*/) override { return scalar("a bool"); }
  bool number_integer(number_integer_t /*value*/) override { return scalar("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return scalar("the number " + text);
  }
  bool binary(binary_t& /*value*/) override { return scalar("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr || depth_ != 3) return scalar("the number " + std::to_string(value));
    if (list_->size() >= kMaxRank) corrupt(where(), " is too long");
    list_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (skipping()) return true;
    if (in_metadata_ && depth_ == 2) {
      entries.metadata[key_] = std::move(value);
      return true;
    }
    if (depth_ != 2 || key_ != "dtype") return scalar("a string");
    entries.tensors.back().dtype = dtype_named(value);
    if (entries.tensors.back().dtype == nullptr) corrupt(where(), ": unknown dtype '", value, "'");
    return true;
  }

  bool start_object(size_t /*elements*/) override {
    if (depth_ >= 2 && !skipping()) return scalar("an object");
    enter();
    if (depth_ == 2) start_entry();
    return true;
  }

  bool start_array(size_t /*elements*/) override {
    if (depth_ == 0) corrupt("the header must be an object, got an array");
    if (!skipping()) {
      const bool is_list =
          depth_ == 2 && !in_metadata_ && (key_ == "shape" || key_ == "data_offsets");
      if (!is_list) return scalar("an array");
      list_ =
          key_ == "shape" ? &entries.tensors.back().shape : &entries.tensors.back().data_offsets;
    }
    enter();
    return true;
  }

  bool end_object() override {
    if (depth_ == 2 && !in_metadata_) finish_tensor();
    --depth_;
    return true;
  }

  bool end_array() override {
    --depth_;
    list_ = nullptr;
    return true;
  }

  bool key(string_t& value) override {
    if (depth_ == 1) {
      if (value.size() > kMaxNameBytes) corrupt("a name of ", value.size(), " bytes");
      if (value.find('\0') != std::string::npos) corrupt("a name with a zero byte");
      if (!names_.insert(value).second) corrupt("'", value, "' appears twice");
      name_ = value;
    } else if (depth_ == 2) {
      key_ = value;
      if (!fields_.insert(value).second) corrupt(where(), " appears twice");
    }
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    corrupt("the header is not valid JSON at byte ", position);
  }

 private:
  // Inside the value of a field that no reader knows.
  bool skipping() const {
    return depth_ >= 2 && !in_metadata_ && key_ != "dtype" && key_ != "shape" &&
           key_ != "data_offsets";
  }

  std::string where() const {
    if (depth_ <= 1) return "'" + name_ + "'";
    return "'" + name_ + "': '" + key_ + "'";
  }

  bool scalar(const std::string& got) const {
    if (skipping()) return true;
    if (depth_ == 0) corrupt("the header must be an object, got ", got);
    if (depth_ == 1) corrupt(where(), " must be an object, got ", got);
    if (in_metadata_) corrupt(where(), " must be a string, got ", got);
    if (key_ == "dtype") corrupt(where(), " must be a string, got ", got);
    corrupt(where(), " must be a list of non-negative integers, got ", got);
  }

  void enter() {
    if (++depth_ > kMaxDepth) corrupt("the header is nested more than ", kMaxDepth, " deep");
  }

  void start_entry() {
    fields_.clear();
    key_.clear();
    in_metadata_ = name_ == "__metadata__";
    if (in_metadata_) return;
    if (entries.tensors.size() >= kMaxTensors) corrupt("more than ", kMaxTensors, " tensors");
    entries.tensors.push_back({name_, nullptr, {}, {}});
  }

  void finish_tensor() {
    for (const auto* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.contains(field)) corrupt("'", name_, "': missing '", field, "'");
    }
    if (entries.tensors.back().data_offsets.size() != 2) {
      corrupt("'", name_, "': 'data_offsets' must be two numbers");
    }
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string name_, key_;                 // at depth 1 and 2
  std::set<std::string> names_, fields_;   // seen at depth 1 and in the current entry
  std::vector<uint64_t>* list_ = nullptr;  // the list being read
};

}  // namespace

HeaderEntries read_header_entries(std::string_view json) {
  HeaderReader reader;
  nlohmann::json::sax_parse(json, &reader);  // throws from its events, never returns false
  return std::move(reader.entries);
}

}  // namespace assay
