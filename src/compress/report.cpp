#include "compress/report.h"

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

// Sum over linears of elements * value(linear), divided by all elements; 0 when there is none.
template <class Value>
double mean_over_weights(const CompressionReport& report, const Value& value) {
  double sum = 0;
  for (const LinearReport& linear : report.linears)
    sum += static_cast<double>(linear.elements()) * value(linear);
  return report.elements() == 0 ? 0 : sum / static_cast<double>(report.elements());
}

}  // namespace

int64_t CompressionReport::elements() const {
  int64_t sum = 0;
  for (const LinearReport& linear : linears) sum += linear.elements();
  return sum;
}

double CompressionReport::sparsity() const {
  int64_t zeros = 0;
  for (const LinearReport& linear : linears) zeros += linear.zeros;
  return elements() == 0 ? 0 : static_cast<double>(zeros) / static_cast<double>(elements());
}

double CompressionReport::bits() const {
  return mean_over_weights(*this, [](const LinearReport& linear) { return linear.bits; });
}

double CompressionReport::weight_error() const {
  return std::sqrt(mean_over_weights(
      *this, [](const LinearReport& l) { return l.weight_error * l.weight_error; }));
}

std::map<std::string, int64_t> CompressionReport::note_counts() const {
  std::map<std::string, int64_t> counts;
  for (const LinearReport& linear : linears) {
    if (!linear.note.empty()) ++counts[linear.note];
  }
  return counts;
}

CompressionReport compression_report(const Json& json) {
  try {
    CompressionReport report;
    for (const Json& linear : json.at("linears")) {
      LinearReport& read = report.linears.emplace_back();
      read.tensor = linear.at("tensor").get<std::string>();
      read.rows = linear.at("rows").get<int64_t>();
      read.cols = linear.at("cols").get<int64_t>();
      read.zeros = linear.at("zeros").get<int64_t>();
      read.bits = linear.at("bits").get<double>();
      read.weight_error = linear.at("weight_error").get<double>();
      read.levels_per_group = linear.at("levels_per_group").get<int64_t>();
      read.group_size = linear.at("group_size").get<int64_t>();
      read.note = linear.at("note").get<std::string>();
    }
    report.folded = json.at("folded").get<std::vector<std::string>>();
    report.copied = json.at("copied").get<std::vector<std::string>>();
    if (json.contains("kv_cache")) {
      const Json& cache = json.at("kv_cache");
      report.kv_cache = {.bits = cache.at("bits").get<double>(),
                         .tokens = cache.at("tokens").get<int64_t>(),
                         .bytes = cache.at("bytes").get<int64_t>(),
                         .dense_bytes = cache.at("dense_bytes").get<int64_t>(),
                         .note = cache.at("note").get<std::string>()};
    }
    return report;
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::kCorruptFile, "not what a compression reported (", e.what(), ")");
  }
}

Json to_json(const CompressionReport& report) {
  Json linears = Json::array();
  for (const LinearReport& linear : report.linears) {
    linears.push_back(
        {{"tensor", linear.tensor},
         {"rows", linear.rows},
         {"cols", linear.cols},
         {"zeros", linear.zeros},
         {"sparsity", static_cast<double>(linear.zeros) / static_cast<double>(linear.elements())},
         {"bits", linear.bits},
         {"weight_error", linear.weight_error},
         {"levels_per_group", linear.levels_per_group},
         {"group_size", linear.group_size},
         {"note", linear.note}});
  }
  Json json{{"elements", report.elements()},
            {"sparsity", report.sparsity()},
            {"bits", report.bits()},
            {"weight_error", report.weight_error()},
            {"linears", linears},
            {"folded", report.folded},
            {"copied", report.copied}};
  if (const auto& cache = report.kv_cache) {
    json["kv_cache"] = {{"bits", cache->bits},
                        {"tokens", cache->tokens},
                        {"bytes", cache->bytes},
                        {"dense_bytes", cache->dense_bytes},
                        {"note", cache->note}};
  }
  return json;
}

}  // namespace assay
