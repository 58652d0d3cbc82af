#include "tokenizer/pre_tokenizer_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kDigits = R"([{"type":"Digits","individual_digits":true}])";

constexpr std::string_view kLlama3 =
    R"([{"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)"
    R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}])";

constexpr std::string_view kQwen2 =
    R"([{"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)"
    R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}])";

constexpr std::string_view kTekken =
    R"([{"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
    R"("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|)"
    R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|)"
    R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}])";

constexpr std::string_view kGpt4o =
    R"([{"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":)"
    R"("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}])";

// The tokenizers that these names stand for, as their tokenizer.json files spell them out. Names
// are llama.cpp's; where it splits otherwise than the original (it has no NFC), the original
// counts.
constexpr auto kNamed = std::to_array<NamedPreTokenizer>({
    // name, steps, GPT-2's pattern, NFC, ignore_merges, adds BOS
    {"gpt-2", "", true, false, false, false},
    {"default", "", true, false, false, false},
    {"smollm", kDigits, true, false, false, false},
    {"starcoder", kDigits, true, false, false, false},
    {"refact", kDigits, true, false, false, false},
    {"llama-bpe", kLlama3, false, false, true, true},
    {"llama3", kLlama3, false, false, true, true},
    {"llama-v3", kLlama3, false, false, true, true},
    {"qwen2", kQwen2, false, true, false, false},
    {"tekken", kTekken, false, false, true, true},
    {"mistral-nemo", kTekken, false, false, true, true},
    {"gpt-4o", kGpt4o, false, false, false, false},
});

// The fields of a step that change how text is split, defaults filled in.
Json meaning_of_step(const Json& step) {
  const Json type = step.value("type", Json());
  if (type == "ByteLevel") {
    return {type, step.value("add_prefix_space", true), step.value("use_regex", true)};
  }
  if (type == "Digits") return {type, step.value("individual_digits", false)};
  if (type == "Split") {
    return {type, step.value("pattern", Json()), step.value("behavior", Json()),
            step.value("invert", false)};
  }
  return step;
}

// Step after step, whether they stand alone or in a sequence.
Json meaning_of(const Json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return Json::array();
  if (pre_tokenizer.value("type", Json()) != "Sequence") {
    return Json::array({meaning_of_step(pre_tokenizer)});
  }
  Json steps = Json::array();
  for (const Json& step : pre_tokenizer.value("pretokenizers", Json::array())) {
    steps.push_back(meaning_of_step(step));
  }
  return steps;
}

}  // namespace

const NamedPreTokenizer& pre_tokenizer_named(std::string_view name) {
  const auto found = std::ranges::find(kNamed, name, &NamedPreTokenizer::name);
  if (found != kNamed.end()) return *found;
  std::vector<std::string_view> names;
  names.reserve(kNamed.size());
  for (const auto& known : kNamed) names.push_back(known.name);
  fail(ErrorKind::kCorruptFile, "tokenizer.ggml.pre: '", name, "' is not supported",
       suggest(name, names));
}

Json pre_tokenizer_json(const NamedPreTokenizer& named) {
  Json byte_level{{"type", "ByteLevel"},
                  {"add_prefix_space", false},
                  {"trim_offsets", true},
                  {"use_regex", named.gpt2_pattern}};
  if (named.steps.empty()) return byte_level;
  Json steps = parse_json(named.steps, named.name);
  steps.push_back(std::move(byte_level));
  return Json{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

const NamedPreTokenizer* name_of_pre_tokenizer(const Json& pre_tokenizer, const Json& normalizer,
                                               bool ignore_merges) {
  const bool nfc = normalizer.is_object() && normalizer.value("type", Json()) == "NFC";
  if (!nfc && !normalizer.is_null()) return nullptr;
  const Json meaning = meaning_of(pre_tokenizer);
  const auto found = std::ranges::find_if(kNamed, [&](const NamedPreTokenizer& named) {
    return named.nfc == nfc && named.ignore_merges == ignore_merges &&
           meaning_of(pre_tokenizer_json(named)) == meaning;
  });
  return found == kNamed.end() ? nullptr : &*found;
}

}  // namespace assay
