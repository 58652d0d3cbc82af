#include "run/study.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/yaml.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

constexpr std::array kStudyKeys{"study"sv,
                                "model"sv,
                                "calibration"sv,
                                "variants"sv,
                                "tasks"sv,
                                "limit"sv,
                                "policy"sv,
                                "seed"sv,
                                "keep_checkpoints"sv,
                                "output"sv,
                                "apply_chat_template"sv,
                                "system_instruction"sv,
                                "fewshot_as_multiturn"sv,
                                "chat_template_args"sv};
constexpr std::array kModelKeys{"path"sv, "dtype"sv, "device"sv};
constexpr std::array kCalibrationKeys{"data"sv, "samples"sv, "length"sv, "seeds"sv};
constexpr size_t kMaxVariants = 10'000;

std::string in(std::string_view where, const std::string& part) {
  return std::string(where) + ": " + part;
}

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
}

// "wanda", {sparsity: 0.5, pattern: "2:4"} -> "wanda-sparsity0.5-pattern2x4": readable, and a file
// name anywhere.
std::string variant_name(const std::string& method, const Json& settings) {
  std::string name = method;
  for (const auto& [key, value] : settings.items()) {
    name += "-" + key + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  std::ranges::replace(name, ':', 'x');
  std::erase_if(name, [](char c) { return !is_name_char(c); });
  return name;
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && name[0] != '.' &&
         std::ranges::all_of(name, is_name_char);
}

Control control_named(const std::string& word, const std::string& where) {
  if (word == "positive") return Control::kPositive;
  if (word == "negative") return Control::kNegative;
  fail(ErrorKind::kBadInput, where, ": 'control' must be positive or negative, got '", word, "'");
}

// Every combination of one value from each list of `entry`.
std::vector<Json> multiplied_out(const Json& entry, const std::string& where) {
  std::vector<Json> combinations{Json::object()};
  for (const auto& [key, value] : entry.items()) {
    const Json values = value.is_array() ? value : Json::array({value});
    require(!values.empty(), where, ": '", key, "' is an empty list");
    require(combinations.size() * values.size() <= kMaxVariants, where, ": more than ",
            kMaxVariants, " variants");
    std::vector<Json> longer;
    for (const Json& combination : combinations) {
      for (const Json& one : values) {
        longer.push_back(combination);
        longer.back()[key] = one;
      }
    }
    combinations = std::move(longer);
  }
  return combinations;
}

StudyVariant variant_from(Json settings, const std::string& where) {
  StudyVariant variant;
  variant.method = json_get_or<std::string>(settings, "method", "", where);
  variant.path = json_get_or<std::string>(settings, "path", "", where);
  require(variant.method.empty() != variant.path.empty(), where,
          ": needs either 'method' or 'path'");
  if (settings.contains("control")) {
    variant.control = control_named(json_get<std::string>(settings, "control", where), where);
  }
  std::string name = json_get_or<std::string>(settings, "name", "", where);
  for (const char* ours : {"method", "path", "control", "name"}) settings.erase(ours);
  require(variant.path.empty() || settings.empty(), where,
          ": a variant with 'path' takes no settings, got ", settings.dump());
  if (name.empty() && !variant.path.empty()) {
    std::string_view path = variant.path;
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    name = path.substr(path.find_last_of('/') + 1);
  }
  variant.name = name.empty() ? variant_name(variant.method, settings) : name;
  require(is_file_name(variant.name) && variant.name != "base" && variant.name != "journal", where,
          ": '", variant.name,
          "' cannot name a variant (letters, digits, . - _; not 'base' or 'journal'); give it "
          "another 'name'");
  variant.settings = std::move(settings);
  return variant;
}

std::vector<StudyVariant> variants_from(const Json& list, std::string_view where) {
  require(list.is_array(), where, ": 'variants' must be a list");
  std::vector<StudyVariant> variants;
  std::set<std::string> names;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string here = in(where, "variant " + std::to_string(i + 1));
    require(list[i].is_object(), here, ": expected {method: ..., ...} or {path: ...}, got ",
            list[i].dump());
    for (Json& settings : multiplied_out(list[i], here)) {
      variants.push_back(variant_from(std::move(settings), here));
      require(names.insert(variants.back().name).second, here, ": two variants are called '",
              variants.back().name, "'; give one a 'name'");
    }
    require(variants.size() <= kMaxVariants, where, ": more than ", kMaxVariants, " variants");
  }
  return variants;
}

// The chat keys of a study or task over those that stand outside of it.
ChatSettings chat_from(const Json& object, ChatSettings outer, std::string_view where) {
  ChatSettings chat = std::move(outer);
  chat.apply_chat_template =
      json_get_or(object, "apply_chat_template", chat.apply_chat_template, where);
  chat.system_instruction =
      json_get_or(object, "system_instruction", chat.system_instruction, where);
  chat.fewshot_as_multiturn =
      json_get_or(object, "fewshot_as_multiturn", chat.fewshot_as_multiturn, where);
  chat.template_args = json_get_or(object, "chat_template_args", chat.template_args, where);
  require(chat.template_args.is_object(), where, ": 'chat_template_args' must be an object, got ",
          chat.template_args.dump());
  return chat;
}

StudyTask task_from(const Json& entry, const Study& study, const std::optional<int64_t>& limit,
                    const std::string& where) {
  Json options = entry.is_string() ? Json{{"task", entry}} : entry;
  const auto word = json_get<std::string>(options, "task", where);
  StudyTask task;
  const auto slash = word.find('/');
  task.name = word.substr(0, slash);
  task.subset = slash == std::string::npos ? "" : word.substr(slash + 1);
  task.limit = limit;
  if (options.contains("limit")) task.limit = json_get<int64_t>(options, "limit", where);
  require(!task.limit || *task.limit > 0, where, ": 'limit' must be at least 1");
  task.chat = chat_from(options, study.chat, where);
  for (const char* ours : {"task", "limit", "apply_chat_template", "system_instruction",
                           "fewshot_as_multiturn", "chat_template_args"}) {
    options.erase(ours);
  }
  task.options = std::move(options);
  return task;
}

StudyCalibration calibration_from(const Json& object, const std::string& where) {
  require_known_keys(object, kCalibrationKeys, where);
  StudyCalibration calibration;
  calibration.data = json_get<std::string>(object, "data", where);
  calibration.samples = json_get_or(object, "samples", calibration.samples, where);
  calibration.length = json_get_or(object, "length", calibration.length, where);
  require(calibration.samples > 0 && calibration.length > 1, where,
          ": 'samples' must be at least 1 and 'length' at least 2");
  if (object.contains("seeds")) {
    const Json& seeds = object.at("seeds");
    const bool is_one = seeds.is_array() && seeds.size() == 1 && seeds[0].is_number_integer() &&
                        seeds[0].get<int64_t>() >= 0;
    require(is_one, where, ": 'seeds' must be a list of one non-negative integer, got ",
            seeds.dump());
    calibration.seed = seeds[0].get<uint64_t>();
  }
  return calibration;
}

void read_model(const Json& model, const std::string& where, Study& study) {
  if (model.is_string()) {
    study.model = model.get<std::string>();
    return;
  }
  require_known_keys(model, kModelKeys, where);
  study.model = json_get<std::string>(model, "path", where);
  study.dtype = json_get_or<std::string>(model, "dtype", study.dtype, where);
  const auto device = json_get_or<std::string>(model, "device", "auto", where);
  require(device == "auto" || device == "cpu", where, ": device '", device,
          "' is not supported (known: auto, cpu)");
  require(study.dtype == "auto" || study.dtype == "float32", where, ": dtype '", study.dtype,
          "' is not supported (known: auto, float32)");
}

std::vector<StudyTask> tasks_from(const Json& list, const Study& study,
                                  const std::optional<int64_t>& limit, std::string_view where) {
  require(list.is_array() && !list.empty(), where,
          ": 'tasks' must be a list with at least one task");
  std::vector<StudyTask> tasks;
  std::set<std::string> labels;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string here = in(where, "task " + std::to_string(i + 1));
    tasks.push_back(task_from(list[i], study, limit, here));
    require(labels.insert(tasks.back().label()).second, here, ": '", tasks.back().label(),
            "' is asked twice");
  }
  return tasks;
}

}  // namespace

std::string StudyTask::label() const { return subset.empty() ? name : name + "/" + subset; }

Study parse_study(std::string_view text, std::string_view where) {
  const Json root = parse_yaml(text, where);
  require_known_keys(root, kStudyKeys, where);
  Study study;
  study.name = json_get<std::string>(root, "study", where);
  read_model(json_get<Json>(root, "model", where), in(where, "model"), study);
  if (root.contains("calibration")) {
    study.calibration = calibration_from(root.at("calibration"), in(where, "calibration"));
  }
  study.variants = variants_from(json_get<Json>(root, "variants", where), where);
  std::optional<int64_t> limit;
  if (root.contains("limit")) limit = json_get<int64_t>(root, "limit", where);
  study.chat = chat_from(root, {}, where);
  study.tasks = tasks_from(json_get<Json>(root, "tasks", where), study, limit, where);
  study.policy = json_get_or<std::string>(root, "policy", "", where);
  study.seed = json_get_or<int64_t>(root, "seed", 0, where);
  require(study.seed >= 0, where, ": 'seed' must not be negative");
  study.keep_checkpoints = json_get_or(root, "keep_checkpoints", false, where);
  study.output = json_get_or<std::string>(root, "output", "results/" + study.name, where);
  require(!study.output.empty(), where, ": 'output' is empty");
  return study;
}

}  // namespace assay
