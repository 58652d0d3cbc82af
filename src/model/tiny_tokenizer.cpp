#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tiny_model.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 3> kSpecial{"<|endoftext|>", "<|im_start|>", "<|im_end|>"};

// "Ġ" is the symbol of a space.
constexpr std::array<std::string_view, 61> kMerges{
    "Ġ t",  "h e",   "Ġ a",  "i n",  "r e",   "o n",  "Ġt he", "e r",  "Ġ s",  "a t",    "Ġ w",
    "Ġ o",  "e n",   "Ġ c",  "i t",  "i s",   "a n",  "o r",   "e s",  "Ġ b",  "e d",    "Ġ f",
    "in g", "Ġ p",   "o u",  "Ġa n", "a l",   "a r",  "Ġt o",  "Ġ m",  "Ġo f", "Ġ in",   "Ġ d",
    "Ġ h",  "Ġan d", "i c",  "a s",  "l e",   "Ġt h", "i on",  "o m",  "l l",  "en t",   "Ġ n",
    "Ġ l",  "s t",   "Ġ re", "v e",  "Ġ e",   "r o",  "l y",   "Ġb e", "Ġ g",  "Ġth at", "c t",
    "Ġ is", "i d",   "o t",  "Ġo n", "Ġf or", "v er"};

std::string utf8(uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the rest follow from U+0100 on.
std::vector<std::string> byte_symbols() {
  std::vector<std::string> printable, others;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool own =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    if (own) {
      printable.push_back(utf8(byte));
    } else {
      others.push_back(utf8(0x100 + static_cast<uint32_t>(others.size())));
    }
  }
  printable.insert(printable.end(), others.begin(), others.end());
  return printable;
}

}  // namespace

std::vector<std::string> tiny_vocabulary() {
  std::vector<std::string> tokens(kSpecial.begin(), kSpecial.end());
  for (auto& symbol : byte_symbols()) tokens.push_back(std::move(symbol));
  for (const auto merge : kMerges) {
    std::string token(merge);
    tokens.push_back(token.erase(token.find(' '), 1));
  }
  return tokens;
}

std::vector<std::string> tiny_merges() { return {kMerges.begin(), kMerges.end()}; }

Json tiny_tokenizer_json() {
  Json vocab = Json::object(), added = Json::array();
  const auto tokens = tiny_vocabulary();
  for (size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
  for (size_t id = 0; id < kSpecial.size(); ++id) {
    added.push_back({{"id", id},
                     {"content", kSpecial[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {digits, byte_level}}}},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocab},
            {"merges", tiny_merges()}}}};
}

Json tiny_tokenizer_config() {
  return {{"add_bos_token", false},
          {"add_prefix_space", false},
          {"bos_token", "<|im_start|>"},
          {"clean_up_tokenization_spaces", false},
          {"eos_token", "<|im_end|>"},
          {"model_max_length", 512},
          {"tokenizer_class", "GPT2Tokenizer"},
          {"unk_token", "<|endoftext|>"}};
}

}  // namespace assay
