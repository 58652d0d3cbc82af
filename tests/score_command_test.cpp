// assay score as a program: lines in, lines out, on a tiny random model.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "command.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

struct Output {
  int exit_code;
  std::vector<Json> answers;
  std::string errors;
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ScoreCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        std::filesystem::temp_directory_path() / ("score_command_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    write_tiny_model(folder_ / "model");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static Output score(const std::string& input, const std::string& flags = "") {
    std::ofstream(folder_ / "in.jsonl") << input;
    const std::string command =
        std::string(ASSAY_BINARY) + " score " + (folder_ / "model").string() + " --input " +
        (folder_ / "in.jsonl").string() + " " + flags + " > " + (folder_ / "out.jsonl").string() +
        " 2> " + (folder_ / "errors").string();
    const int status = std::system(command.c_str());
    Output output{
        .exit_code = WEXITSTATUS(status), .answers = {}, .errors = text_of(folder_ / "errors")};
    std::istringstream lines(text_of(folder_ / "out.jsonl"));
    for (std::string line; std::getline(lines, line);) output.answers.push_back(Json::parse(line));
    return output;
  }

  static inline std::filesystem::path folder_;
};

TEST_F(ScoreCommand, AnswersEveryLineInOrderAndCopiesTheId) {
  const auto output = score(
      "{\"id\": 7, \"context\": \"the cat\", \"continuation\": \" sat\"}\n"
      "{\"id\": [\"a\", null], \"context_ids\": [1, 20], \"continuation_ids\": [30, 31]}\n"
      "{\"id\": {\"k\": 1}, \"context\": \"\", \"continuation\": \"the\"}\n");
  ASSERT_EQ(output.exit_code, 0) << output.errors;
  ASSERT_EQ(output.answers.size(), 3u);
  EXPECT_EQ(output.answers[0]["id"], 7);
  EXPECT_EQ(output.answers[1]["id"].dump(), "[\"a\",null]");
  EXPECT_EQ(output.answers[1]["num_tokens"], 2);
  EXPECT_EQ(output.answers[2]["id"].dump(), "{\"k\":1}");
  for (const Json& a : output.answers) {
    EXPECT_EQ(a.size(), 4u) << a;
    EXPECT_LT(a["log_likelihood"].get<double>(), 0);
    EXPECT_TRUE(a["is_greedy"].is_boolean());
  }
}

// A context as a user's turn, and the same turns given as messages.
TEST_F(ScoreCommand, PutsLinesAsAChat) {
  const auto config = folder_ / "model" / "tokenizer_config.json";
  const std::string before = text_of(config);
  const std::string line = "{\"id\": 1, \"messages\": [], \"continuation\": \"the\"}\n";
  EXPECT_NE(score(line).errors.find("'messages' needs --apply_chat_template"), std::string::npos);
  EXPECT_NE(score(line, "--apply_chat_template").errors.find("has no chat template"),
            std::string::npos);

  Json with_template = Json::parse(before);
  with_template["chat_template"] =
      "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}";
  std::ofstream(config) << with_template.dump();
  const auto plain = score(
      "{\"id\": 1, \"context\": \"the cat\", \"continuation\": \"sat\"}\n"
      "{\"id\": 2, \"messages\": [{\"role\": \"user\", \"content\": \"the cat\"}], "
      "\"continuation\": \"sat\"}\n"
      "{\"id\": 3, \"messages\": [{\"role\": \"system\", \"content\": \"x\"}, "
      "{\"role\": \"user\", \"content\": \"the cat\"}], \"continuation\": \"sat\"}\n",
      "--apply_chat_template");
  const auto instructed =
      score("{\"id\": 3, \"context\": \"the cat\", \"continuation\": \"sat\"}\n",
            "--apply_chat_template --system_instruction x");
  const auto twice = score(
      "{\"id\": 3, \"messages\": [{\"role\": \"system\", \"content\": \"y\"}], "
      "\"continuation\": \"sat\"}\n",
      "--apply_chat_template --system_instruction x");
  std::ofstream(config) << before;
  ASSERT_EQ(plain.exit_code, 0) << plain.errors;
  ASSERT_EQ(instructed.exit_code, 0) << instructed.errors;
  const auto of = [](const Json& answer) { return answer["log_likelihood"].get<double>(); };
  EXPECT_EQ(of(plain.answers[0]), of(plain.answers[1]));
  EXPECT_EQ(of(plain.answers[2]), of(instructed.answers[0]));
  EXPECT_NE(of(plain.answers[0]), of(plain.answers[2]));
  EXPECT_NE(twice.errors.find("a second system turn"), std::string::npos) << twice.errors;
}

TEST_F(ScoreCommand, RollsOverWindowsAndLeavesOutASingleLastToken) {
  const auto output = score(
      "{\"id\": 1, \"ids\": [5, 6, 7, 8, 9, 10, 11], \"window\": 3}\n"
      "{\"id\": 2, \"context_ids\": [5], \"continuation_ids\": [6, 7]}\n"
      "{\"id\": 3, \"context_ids\": [8], \"continuation_ids\": [9, 10]}\n"
      "{\"id\": 4, \"ids\": [5], \"window\": 3}\n");
  ASSERT_EQ(output.exit_code, 0) << output.errors;
  const Json& windows = output.answers[0]["nll_per_window"];
  ASSERT_EQ(windows.size(), 2u);  // 5 6 7 | 8 9 10 | 11 left out
  EXPECT_EQ(output.answers[0]["num_tokens"], 4);
  EXPECT_EQ(windows[0].get<double>(), -output.answers[1]["log_likelihood"].get<double>() / 2);
  EXPECT_EQ(windows[1].get<double>(), -output.answers[2]["log_likelihood"].get<double>() / 2);
  EXPECT_EQ(output.answers[3].dump(), "{\"id\":4,\"nll_per_window\":[],\"num_tokens\":0}");
}

TEST_F(ScoreCommand, GivesTheSameBytesForAnyBatchAndThreads) {
  std::string input;
  for (int i = 0; i < 60; ++i) {
    input += "{\"id\": " + std::to_string(i) + ", \"context\": \"that is the way " +
             std::string(i % 7, 'a') + "\", \"continuation\": \" to " +
             std::string(1 + i % 3, 'b') + "\"}\n";
  }
  const auto expected = score(input);
  ASSERT_EQ(expected.exit_code, 0) << expected.errors;
  for (const char* flags :
       {"--batch_tokens 3 --threads 1", "--batch_tokens 50 --threads 3 --dtype float32"}) {
    EXPECT_EQ(score(input, flags).answers, expected.answers) << flags;
  }
}

TEST_F(ScoreCommand, StopsAtABadLineWithItsNumberAfterTheAnswersBeforeIt) {
  const std::string good = "{\"id\": 0, \"context\": \"the\", \"continuation\": \" cat\"}\n";
  for (const auto& [line, message] : std::vector<std::pair<std::string, std::string>>{
           {"{\"id\": 1", "in.jsonl:3"},
           {"", "in.jsonl:3"},
           {"{\"context\": \"a\", \"continuation\": \"b\"}", "missing key 'id'"},
           {"{\"id\": 1, \"context\": \"a\", \"continuation\": \"\"}", "continuation is empty"},
           {"{\"id\": 1, \"context\": \"a\", \"continuatoin\": \"b\"}",
            "did you mean 'continuation'"},
           {"{\"id\": 1, \"context_ids\": [1], \"continuation_ids\": [999]}",
            "999 is outside the vocabulary of 320"},
           {"{\"id\": 1, \"context_ids\": [], \"continuation_ids\": [3]}", "no context token"},
           {"{\"id\": 1, \"context_ids\": [1.5], \"continuation_ids\": [3]}", "context_ids"},
           {"{\"id\": 1, \"ids\": [1, 2, 3], \"window\": 1}", "at least 2"},
       }) {
    const auto output = score(good + good + line + "\n" + good);
    EXPECT_EQ(output.exit_code, 2) << line;
    EXPECT_EQ(output.answers.size(), 2u) << line;
    EXPECT_NE(output.errors.find("in.jsonl:3"), std::string::npos) << output.errors;
    EXPECT_NE(output.errors.find(message), std::string::npos) << output.errors;
  }
}

TEST_F(ScoreCommand, RefusesFlagsItCannotHonour) {
  EXPECT_EQ(score("", "--dtype bfloat16").exit_code, 2);
  EXPECT_EQ(score("", "--threads -1").exit_code, 2);
  EXPECT_EQ(score("", "--batch_tokens 0").exit_code, 2);
  EXPECT_EQ(score("", "--batchtokens 5").exit_code, 2);
  EXPECT_EQ(score("").exit_code, 0);  // no line, no answer
}

// Pages of a file that was cut are no memory any more: reading them is a signal, not an error.
TEST_F(ScoreCommand, AFileThatBecomesShorterEndsInOneLine) {
  const auto victim = folder_ / "victim";
  std::filesystem::copy(folder_ / "model", victim, std::filesystem::copy_options::recursive);
  std::ofstream(folder_ / "cut.sh")
      << "cd " << folder_.string() << "; mkfifo questions\n"
      << ASSAY_BINARY << " score victim --input - < questions 2> errors & pid=$!\n"
      << "exec 3> questions\n"
      << "until grep -q victim/model.safetensors /proc/$pid/maps; do sleep 0.05; done\n"
      << "truncate -s 4096 victim/model.safetensors\n"
      << R"(echo '{"id": 1, "context": "the cat", "continuation": " sat"}' >&3)"
      << "\n"
      << "exec 3>&-; wait $pid; echo $?\n";
  const auto ended = run_command("bash " + (folder_ / "cut.sh").string());
  EXPECT_EQ(ended.text, "2\n") << text_of(folder_ / "errors");
  const std::string errors = text_of(folder_ / "errors");
  EXPECT_NE(errors.find("victim/model.safetensors: "), std::string::npos) << errors;
  EXPECT_EQ(std::ranges::count(errors, '\n'), 1) << errors;
}

}  // namespace
}  // namespace assay
