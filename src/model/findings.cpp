#include "model/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "model/tensor_names.h"

namespace assay {
namespace {

constexpr double kUnlike = 30;         // times the median of a role
constexpr double kOneSided = 0.2;      // |mean| over root mean square
constexpr int64_t kFewWeights = 1024;  // a smaller linear's mean says little

using Findings = std::vector<std::string>;

void find_non_finite(const Inspection& inspection, Findings& findings) {
  for (const TensorGroup& group : inspection.groups) {
    for (const std::string& name : group.non_finite_tensors)
      findings.push_back(name + " holds NaN or infinite values");
  }
}

// What assay wrote down when it compressed, by tensor.
void find_false_zeros(const Inspection& inspection, Findings& findings) {
  const Json linears =
      inspection.provenance.is_object()
          ? inspection.provenance.value(Json::json_pointer("/report/linears"), Json())
          : Json();
  if (!linears.is_array()) return;
  std::map<std::string_view, const TensorFacts*> facts_of;
  for (const TensorFacts& facts : inspection.tensors) facts_of[facts.name] = &facts;
  for (const Json& linear : linears) {
    if (!linear.is_object() || !linear.contains("tensor") || !linear["tensor"].is_string() ||
        !linear.contains("zeros") || !linear["zeros"].is_number_integer()) {
      continue;
    }
    const auto name = linear["tensor"].get<std::string>();
    const auto claimed = linear["zeros"].get<int64_t>();
    const auto found = facts_of.find(name);
    if (found == facts_of.end()) {
      findings.push_back("the provenance speaks of " + name + ", which is not there");
      continue;
    }
    const WeightCounts& counts = found->second->counts;
    if (counts.zeros != claimed) {
      findings.push_back(fmt::format("{}: the provenance claims {} zeros, {} of {} weights are",
                                     name, claimed, counts.zeros, counts.weights));
    }
  }
}

void find_false_pattern(const Inspection& inspection, Findings& findings) {
  const Json pattern =
      inspection.provenance.is_object()
          ? inspection.provenance.value(Json::json_pointer("/method/pattern"), Json())
          : Json();
  if (pattern != "2:4" && pattern != "4:8") return;
  const bool is_2_4 = pattern == "2:4";
  for (const TensorFacts& facts : inspection.tensors) {
    if (!is_block_linear(facts.name)) continue;
    const WeightCounts& c = facts.counts;
    const int64_t groups = is_2_4 ? c.groups_of_4 : c.groups_of_8,
                  holding = is_2_4 ? c.groups_2_4 : c.groups_4_8;
    if (holding == groups) continue;
    findings.push_back(fmt::format("{}: the provenance claims {}, {} of {} groups do not hold it",
                                   facts.name, pattern.get<std::string>(), groups - holding,
                                   groups));
  }
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void find_unlike_linears(const Inspection& inspection, Findings& findings) {
  std::map<std::string, std::vector<double>> sizes;
  for (const TensorFacts& facts : inspection.tensors) {
    if (is_block_linear(facts.name) && std::isfinite(facts.rms))
      sizes[role_of(facts.name)].push_back(facts.rms);
  }
  for (const TensorFacts& facts : inspection.tensors) {
    if (!is_block_linear(facts.name) || !std::isfinite(facts.rms)) continue;
    if (facts.counts.zeros == facts.counts.weights) {
      findings.push_back(facts.name + ": every weight is zero");
      continue;
    }
    const auto& of_role = sizes.at(role_of(facts.name));
    const double usual = median(of_role);
    if (of_role.size() > 2 && (facts.rms > kUnlike * usual || facts.rms * kUnlike < usual)) {
      findings.push_back(
          fmt::format("{}: root mean square {:.3g}, the median of its role is {:.3g}", facts.name,
                      facts.rms, usual));
    }
    if (facts.counts.weights >= kFewWeights && std::abs(facts.mean) > kOneSided * facts.rms) {
      findings.push_back(
          fmt::format("{}: its mean is {:.2g} of its root mean square: are its codes "
                      "read with the zero of another convention?",
                      facts.name, facts.mean / facts.rms));
    }
  }
}

void find_tokens_without_rows(const Inspection& inspection, Findings& findings) {
  const Json& t = inspection.tokenizer;
  if (!t.is_object() || t.contains("error")) return;
  const int64_t rows = inspection.config.vocab_size;
  if (const auto size = t.value("vocab_size", int64_t{0}); size > rows) {
    findings.push_back(
        fmt::format("the tokenizer has {} tokens, the embedding {} rows", size, rows));
  }
  const auto check = [&](const char* name, const std::optional<int64_t>& of_config) {
    if (of_config && (*of_config < 0 || *of_config >= rows)) {
      findings.push_back(fmt::format("the config's {} {} is outside the vocabulary of {}", name,
                                     *of_config, rows));
    }
    const Json id = t.value(name, Json());
    if (of_config && id.is_number_integer() && id != *of_config) {
      findings.push_back(fmt::format("{} is {} in the config and {} in the tokenizer", name,
                                     *of_config, id.dump()));
    }
  };
  check("bos_token_id", inspection.config.bos_token_id);
  check("eos_token_id", inspection.config.eos_token_id);
}

void find_template_faults(const Inspection& inspection, Findings& findings) {
  const Json& t = inspection.tokenizer;
  if (!t.is_object() || !t.contains("chat_template")) return;
  const Json& chat = t["chat_template"];
  if (chat.is_object() && chat.contains("error"))
    findings.push_back("the chat template cannot be rendered: " + chat["error"].get<std::string>());
  if (chat.is_object() && chat.value("begins_with_bos", false) && t.value("adds_bos", false)) {
    findings.emplace_back(
        "the chat template writes BOS and the tokenizer adds it: a program that "
        "does both gives the model two");
  }
}

}  // namespace

std::vector<std::string> find_faults(const Inspection& inspection) {
  Findings findings;
  find_non_finite(inspection, findings);
  find_false_zeros(inspection, findings);
  find_false_pattern(inspection, findings);
  find_unlike_linears(inspection, findings);
  find_tokens_without_rows(inspection, findings);
  find_template_faults(inspection, findings);
  return findings;
}

}  // namespace assay
