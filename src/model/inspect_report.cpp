#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "model/inspect.h"

namespace assay {
namespace {

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double bits_per_weight(const TensorGroup& group) {
  return group.counts.weights == 0 ? 0.0
                                   : 8.0 * static_cast<double>(group.stored_bytes) /
                                         static_cast<double>(group.counts.weights);
}

template <class Keep>
int64_t sum_weights(const Inspection& inspection, const Keep& keep) {
  int64_t sum = 0;
  for (const auto& group : inspection.groups) sum += keep(group) ? group.counts.weights : 0;
  return sum;
}

int64_t total_weights(const Inspection& inspection) {
  return sum_weights(inspection, [](const TensorGroup&) { return true; });
}

int64_t linear_weights(const Inspection& inspection) {
  return sum_weights(inspection, [](const TensorGroup& group) { return group.linear; });
}

int64_t embedding_weights(const Inspection& inspection) {
  return sum_weights(inspection, [](const TensorGroup& group) {
    return group.name == "embed_tokens" || group.name == "lm_head";
  });
}

double linear_sparsity(const Inspection& inspection) {
  int64_t zeros = 0;
  for (const auto& group : inspection.groups) zeros += group.linear ? group.counts.zeros : 0;
  return share(zeros, linear_weights(inspection));
}

std::string dtypes_of(const TensorGroup& group) {
  std::string text;
  for (const auto& [dtype, weights] : group.weights_of_dtype)
    text += (text.empty() ? "" : "+") + dtype;
  return text;
}

Json group_to_json(const TensorGroup& group) {
  const auto& c = group.counts;
  Json json = {{"group", group.name},
               {"num_tensors", group.num_tensors},
               {"weights", c.weights},
               {"weights_of_dtype", group.weights_of_dtype},
               {"bits_per_weight", bits_per_weight(group)},
               {"zeros", c.zeros},
               {"sparsity", share(c.zeros, c.weights)},
               {"non_finite", c.non_finite}};
  if (!group.non_finite_tensors.empty()) json["non_finite_tensors"] = group.non_finite_tensors;
  if (group.linear) {
    json["holds_2_4"] = c.groups_2_4 == c.groups_of_4;
    json["holds_4_8"] = c.groups_4_8 == c.groups_of_8;
    json["distinct_magnitudes"] = {{"fewest", group.fewest_magnitudes},
                                   {"most", group.most_magnitudes}};
  }
  return json;
}

// Types of packed linears are longer than others.
size_t type_width(const Inspection& inspection) {
  size_t width = 10;
  for (const auto& group : inspection.groups) width = std::max(width, dtypes_of(group).size());
  return width;
}

std::string group_to_row(const TensorGroup& group, size_t type_width) {
  const auto& c = group.counts;
  const auto yes_no = [&](bool holds) { return group.linear ? (holds ? "yes" : "no") : ""; };
  const auto magnitudes =
      !group.linear ? ""
      : group.fewest_magnitudes == group.most_magnitudes
          ? fmt::format("{}", group.most_magnitudes)
          : fmt::format("{}-{}", group.fewest_magnitudes, group.most_magnitudes);
  return fmt::format("  {:<18}{:>8}{:>14}  {:<{}}{:>6.2f}{:>10.4f}{:>5}{:>5}{:>17}\n", group.name,
                     group.num_tensors, c.weights, dtypes_of(group), type_width,
                     bits_per_weight(group), share(c.zeros, c.weights),
                     yes_no(c.groups_2_4 == c.groups_of_4), yes_no(c.groups_4_8 == c.groups_of_8),
                     magnitudes);
}

std::string template_text(const Json& chat) {
  if (!chat.is_object()) return "no chat template";
  if (chat.contains("error")) return "a chat template that cannot be rendered";
  return "chat template (system turn " + chat["system_turn"].get<std::string>() +
         (chat["begins_with_bos"] == true ? ", writes BOS" : "") +
         (chat["depends_on_date"] == true ? ", depends on the date" : "") + ")";
}

std::string tokenizer_line(const Json& t) {
  if (t.contains("error")) return "cannot be read: " + t["error"].get<std::string>();
  return fmt::format("{}, {} tokens, BOS {}{}, EOS {}, {}", t["kind"].get<std::string>(),
                     t["vocab_size"].dump(), t["bos_token_id"].dump(),
                     t["adds_bos"] == true ? " (added)" : " (not added)", t["eos_token_id"].dump(),
                     template_text(t.value("chat_template", Json())));
}

// The member, or null where there is none: provenance is a file that anybody may have written.
const Json& member(const Json& object, const std::string& key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string value_text(const Json& value) {
  if (value.is_null()) return "unknown";
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// "bits 3, group_size 64"
std::string settings_text(const Json& method) {
  if (!method.is_object()) return "";
  std::string text;
  for (const auto& [key, value] : method.items()) {
    if (key == "method" || (value.is_structured() && value.empty())) continue;
    text += (text.empty() ? " (" : ", ") + key + " " + value_text(value);
  }
  return text.empty() ? text : text + ")";
}

// What was done, to what, with which text, and what was counted then. The whole stands in the JSON.
std::vector<std::string> provenance_lines(const Json& provenance) {
  if (provenance.is_null()) return {"none (not written by assay)"};
  const Json& method = member(provenance, "method");
  const Json& name = method.is_object() ? member(method, "method") : method;
  const Json& source = member(provenance, "source");
  std::vector<std::string> lines{
      fmt::format("assay {}: {}{}", value_text(member(provenance, "assay_version")),
                  value_text(name), settings_text(method)),
      fmt::format("of {}, weights {}", value_text(member(source, "description")),
                  value_text(member(source, "weights_sha256")))};
  if (const Json& calibration = member(provenance, "calibration"); !calibration.is_null()) {
    lines.push_back(fmt::format(
        "calibrated on {}, {} sequences, {} tokens, ids {}",
        value_text(member(calibration, "source")), value_text(member(calibration, "samples")),
        value_text(member(calibration, "tokens")), value_text(member(calibration, "ids_sha256"))));
  }
  if (const Json& cache = member(provenance, "kv_cache"); !cache.is_null()) {
    lines.push_back("keys and values are cached in few bits" + settings_text(cache));
  }
  return lines;
}

}  // namespace

Json inspection_to_json(const Inspection& inspection) {
  Json groups = Json::array();
  for (const auto& group : inspection.groups) groups.push_back(group_to_json(group));
  return {{"path", inspection.path},
          {"description", inspection.description},
          {"weights_hash", inspection.weights_hash},
          {"warnings", inspection.warnings},
          {"config", config_to_json(inspection.config, "float32")},
          {"parameters",
           {{"total", total_weights(inspection)},
            {"block_linears", linear_weights(inspection)},
            {"embeddings", embedding_weights(inspection)}}},
          {"linear_sparsity", linear_sparsity(inspection)},
          {"groups", groups},
          {"tokenizer", inspection.tokenizer},
          {"provenance", inspection.provenance},
          {"findings", inspection.findings}};
}

std::string inspection_to_text(const Inspection& inspection) {
  const auto& c = inspection.config;
  std::string text = inspection.description + "\n";
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("  {:<13}{}\n", name, value);
  };
  line("architecture",
       fmt::format("{}, {} layers, width {}, {} heads of {} ({} key-value), MLP {}, context {}",
                   c.model_type, c.num_hidden_layers, c.hidden_size, c.num_attention_heads,
                   c.head_dim, c.num_key_value_heads, c.intermediate_size,
                   c.max_position_embeddings));
  line("parameters",
       fmt::format("{} in all, {} in block linears, {} in embeddings{}", total_weights(inspection),
                   linear_weights(inspection), embedding_weights(inspection),
                   c.tie_word_embeddings ? " (tied head)" : ""));
  line("tokenizer", tokenizer_line(inspection.tokenizer));
  std::string_view name = "provenance";
  for (const std::string& part : provenance_lines(inspection.provenance)) {
    line(std::exchange(name, ""), part);
  }
  for (const std::string& warning : inspection.warnings) line("warning", warning);
  line("weights hash", inspection.weights_hash);
  line("sparsity",
       fmt::format("{:.4f} of the block linears is exactly zero", linear_sparsity(inspection)));
  const size_t width = type_width(inspection);
  text +=
      fmt::format("\n  {:<18}{:>8}{:>14}  {:<{}}{:>6}{:>10}{:>5}{:>5}{:>17}\n", "group", "tensors",
                  "weights", "stored", width, "bits", "sparsity", "2:4", "4:8", "magnitudes");
  for (const auto& group : inspection.groups) text += group_to_row(group, width);
  for (const std::string& finding : inspection.findings) text += "  FINDING: " + finding + "\n";
  return text;
}

}  // namespace assay
