// assay tokenize MODEL --input F: token ids of texts, JSONL in, JSONL out.

#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include "app/commands.h"
#include "app/line_reader.h"
#include "base/error.h"
#include "base/json.h"
#include "model/checkpoint.h"

namespace assay::app {
namespace {

using namespace std::string_view_literals;

struct TokenizeArguments {
  std::string model, input;
  bool add_bos = false, parse_special = false;
};

Json answer_to(const Json& request, const std::string& where, const Tokenizer& tokenizer,
               const TokenizeArguments& arguments) {
  constexpr std::array kKeys = {"id"sv, "text"sv};
  require_known_keys(request, kKeys, where);
  require(request.contains("id"), where, ": missing key 'id'");
  auto encoding =
      tokenizer.encode(json_get<std::string>(request, "text", where),
                       arguments.parse_special ? SpecialText::kParse : SpecialText::kPlain);
  if (arguments.add_bos && tokenizer.adds_bos()) {
    encoding.ids.insert(encoding.ids.begin(), tokenizer.bos_id().value());
  }
  Json answer = {{"id", request["id"]}, {"ids", std::move(encoding.ids)}};
  if (encoding.dropped_bytes != 0) answer["dropped_bytes"] = encoding.dropped_bytes;
  return answer;
}

void run(const TokenizeArguments& arguments) {
  LineReader lines(arguments.input);
  const Tokenizer tokenizer = load_tokenizer(resolve_model(arguments.model));
  int64_t dropped_bytes = 0, texts_with_dropped = 0;
  for (std::string line; lines.next(line);) {
    try {
      const std::string where = lines.where();
      const Json answer = answer_to(parse_json(line, where), where, tokenizer, arguments);
      std::cout << answer.dump() << '\n';
      if (answer.contains("dropped_bytes")) {
        dropped_bytes += answer["dropped_bytes"].get<int64_t>();
        ++texts_with_dropped;
      }
    } catch (const Error&) {
      std::cout.flush();  // the answers before the bad line
      throw;
    }
  }
  std::cout.flush();
  require(std::cout.good(), "tokenize: cannot write the answers");
  if (dropped_bytes != 0) {
    std::cerr << "tokenize: the vocabulary has no token for " << dropped_bytes << " bytes in "
              << texts_with_dropped << " texts; they were dropped\n";
  }
}

}  // namespace

void add_tokenize_command(CLI::App& program) {
  const auto arguments = std::make_shared<TokenizeArguments>();
  CLI::App* command = program.add_subcommand("tokenize", "token ids of texts, JSONL in and out");
  command->add_option("model", arguments->model, "a folder, a .gguf file or a catalogue name")
      ->required();
  command->add_option("--input", arguments->input, "JSONL file, - is stdin")->required();
  command->add_flag("--add_bos", arguments->add_bos, "add what the tokenizer adds in front");
  command->add_flag("--parse_special", arguments->parse_special,
                    "text that spells a special token becomes that token");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace assay::app
