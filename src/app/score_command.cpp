// assay score MODEL --input F: log-likelihoods of continuations, JSONL in, JSONL out.

#include <ATen/Parallel.h>

#include <array>
#include <iostream>
#include <memory>

#include "app/commands.h"
#include "app/line_reader.h"
#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "infer/score.h"
#include "tasks/chat_prompt.h"

namespace assay::app {
namespace {

struct ScoreArguments {
  std::string model, input, dtype = "auto";
  ChatSettings chat;
  int64_t batch_tokens = ScoreOptions{}.batch_tokens, threads = 0;
};

// Lines are read until this many requests wait; prefixes are shared among them.
constexpr size_t kChunkRequests = 8192;

// A line that was read: its requests are [first_request, first_request + num_requests) of its
// chunk.
struct Line {
  Json id;
  bool is_rolling = false;
  size_t first_request = 0, num_requests = 0;
};

struct Chunk {
  std::vector<Line> lines;
  std::vector<ScoreRequest> requests;
};

std::vector<int32_t> ids_at(const Json& object, const std::string& key, std::string_view where) {
  require(object.contains(key) && object[key].is_array(), where, ": '", key,
          "' must be an array of token ids");
  std::vector<int32_t> ids;
  for (const Json& id : object[key]) {
    require(id.is_number_integer() && id.get<int64_t>() >= 0 &&
                std::in_range<int32_t>(id.get<int64_t>()),
            where, ": '", key, "' holds ", id.dump(), ", which is no token id");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

// How lines of text become requests: as they stand, or as a chat.
struct Asker {
  Tokenizer tokenizer;
  std::optional<ChatPrompt> chat;
};

// The turns of a line: its own messages, or its context as a user's turn. An instruction of the
// command line is the system turn.
std::vector<ChatMessage> turns_of(const Json& object, const ChatPrompt& prompt,
                                  std::string_view where) {
  constexpr std::array<std::string_view, 2> kMessage = {"role", "content"};
  std::vector<ChatMessage> turns;
  if (!prompt.system_instruction.empty()) turns.push_back({"system", prompt.system_instruction});
  if (!object.contains("messages")) {
    turns.push_back({"user", json_get<std::string>(object, "context", where)});
    return turns;
  }
  for (const Json& message : json_get<std::vector<Json>>(object, "messages", where)) {
    require_known_keys(message, kMessage, where);
    turns.push_back({json_get<std::string>(message, "role", where),
                     json_get<std::string>(message, "content", where)});
    require(turns.size() == 1 || turns[0].role != "system" || turns.back().role != "system", where,
            ": a second system turn, beside --system_instruction or another");
  }
  return turns;
}

std::vector<ScoreRequest> text_request(const Json& object, const Asker& asker,
                                       std::string_view where) {
  constexpr std::array<std::string_view, 3> kText = {"id", "context", "continuation"};
  constexpr std::array<std::string_view, 3> kChat = {"id", "messages", "continuation"};
  const bool has_messages = object.contains("messages");
  require(!has_messages || asker.chat, where, ": 'messages' needs --apply_chat_template");
  if (has_messages) {
    require_known_keys(object, kChat, where);
  } else {
    require_known_keys(object, kText, where);
  }
  const auto continuation = json_get<std::string>(object, "continuation", where);
  if (!asker.chat) {
    return {encode_request(asker.tokenizer, json_get<std::string>(object, "context", where),
                           continuation)};
  }
  const std::string rendered = rendered_chat(*asker.chat, turns_of(object, *asker.chat, where));
  return {encode_chat_request(asker.tokenizer, rendered, continuation)};
}

std::vector<ScoreRequest> requests_of(const Json& object, const Asker& asker,
                                      std::string_view where) {
  constexpr std::array<std::string_view, 3> kRolling = {"id", "ids", "window"};
  constexpr std::array<std::string_view, 3> kIds = {"id", "context_ids", "continuation_ids"};
  require(object.is_object(), where, ": expected an object, got ", object.type_name());
  require(object.contains("id"), where, ": missing key 'id'");
  if (object.contains("ids") || object.contains("window")) {
    require_known_keys(object, kRolling, where);
    return rolling_requests(ids_at(object, "ids", where),
                            json_get<int64_t>(object, "window", where));
  }
  if (object.contains("context_ids") || object.contains("continuation_ids")) {
    require_known_keys(object, kIds, where);
    return {{.context_ids = ids_at(object, "context_ids", where),
             .continuation_ids = ids_at(object, "continuation_ids", where)}};
  }
  return text_request(object, asker, where);
}

void add_line(const std::string& text, const std::string& where, const ModelConfig& config,
              const Asker& asker, Chunk& chunk) {
  const Json object = parse_json(text, where);
  auto requests = in_context(where, [&] {
    auto made = requests_of(object, asker, "request");
    for (const ScoreRequest& r : made) check_request(config, r);
    return made;
  });
  chunk.lines.push_back({.id = object["id"],
                         .is_rolling = object.contains("window"),
                         .first_request = chunk.requests.size(),
                         .num_requests = requests.size()});
  std::ranges::move(requests, std::back_inserter(chunk.requests));
}

Json answer(const Line& line, std::span<const ScoreResult> results) {
  Json out = {{"id", line.id}};
  if (!line.is_rolling) {
    out["log_likelihood"] = results[0].log_likelihood;
    out["num_tokens"] = results[0].num_tokens;
    out["is_greedy"] = results[0].is_greedy;
    return out;
  }
  int64_t num_tokens = 0;
  out["nll_per_window"] = Json::array();
  for (const ScoreResult& r : results) {
    out["nll_per_window"].push_back(-r.log_likelihood / static_cast<double>(r.num_tokens));
    num_tokens += r.num_tokens;
  }
  out["num_tokens"] = num_tokens;
  return out;
}

// Prints each line's answer as soon as it and all before it are known.
void score_chunk(const CausalLM& model, const ScoreArguments& arguments, const Chunk& chunk,
                 ScoreStats& total) {
  std::vector<char> known(chunk.requests.size(), 0);
  size_t next = 0;
  const auto print_known = [&](const std::vector<ScoreResult>& results) {
    for (; next < chunk.lines.size(); ++next) {
      const Line& line = chunk.lines[next];
      const auto first = known.begin() + static_cast<int64_t>(line.first_request);
      if (!std::all_of(first, first + static_cast<int64_t>(line.num_requests),
                       [](char k) { return k != 0; }))
        return;
      std::cout
          << answer(line, std::span(results).subspan(line.first_request, line.num_requests)).dump()
          << '\n';
    }
  };
  ScoreStats stats;
  const auto results = score(model, chunk.requests,
                             {.batch_tokens = arguments.batch_tokens,
                              .on_batch =
                                  [&](std::span<const int64_t> finished, const auto& so_far) {
                                    for (const int64_t i : finished)
                                      known[static_cast<size_t>(i)] = 1;
                                    print_known(so_far);
                                  }},
                             &stats);
  print_known(results);  // lines without a request
  std::cout.flush();
  require(std::cout.good(), "score: cannot write the answers");
  total.num_requests += stats.num_requests;
  total.request_tokens += stats.request_tokens;
  total.computed_tokens += stats.computed_tokens;
  total.logit_rows += stats.logit_rows;
}

void run(const ScoreArguments& arguments) {
  require(arguments.dtype == "float32" || arguments.dtype == "auto", "score: dtype '",
          arguments.dtype, "' is not there yet; float32 is (auto = float32)");
  require(arguments.batch_tokens >= 1, "score: --batch_tokens must be at least 1, got ",
          arguments.batch_tokens);
  if (arguments.threads != 0) set_num_threads(arguments.threads);
  at::set_num_threads(static_cast<int>(num_threads()));
  LineReader lines(arguments.input);
  const auto checkpoint = Checkpoint::open(resolve_model(arguments.model));
  const Tokenizer tokenizer = checkpoint.tokenizer();
  const Asker asker{tokenizer, chat_prompt(tokenizer, arguments.chat, "score")};
  const CausalLM model = load_causal_lm(checkpoint);

  ScoreStats total;
  std::string text;
  for (bool more = true; more;) {
    Chunk chunk;
    std::exception_ptr bad_line;
    while (chunk.requests.size() < kChunkRequests && (more = lines.next(text))) {
      try {
        add_line(text, lines.where(), model.config, asker, chunk);
      } catch (const Error&) {  // answers to the lines before it come first
        bad_line = std::current_exception();
        break;
      }
    }
    score_chunk(model, arguments, chunk, total);
    if (bad_line) std::rethrow_exception(bad_line);
  }
  std::cerr << "score: " << total.num_requests << " requests of " << total.request_tokens
            << " tokens, " << total.computed_tokens << " computed, logits at " << total.logit_rows
            << "\n";
}

}  // namespace

void add_score_command(CLI::App& program) {
  const auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* command =
      program.add_subcommand("score", "log-likelihoods of continuations, JSONL in and out");
  command->add_option("model", arguments->model, "a folder, a .gguf file or a catalogue name")
      ->required();
  command->add_option("--input", arguments->input, "JSONL file, - is stdin")->required();
  command->add_option("--dtype", arguments->dtype, "compute type: float32 or auto (= float32)");
  command->add_option("--threads", arguments->threads,
                      "threads (default: the processors of this process)");
  command
      ->add_option("--batch_tokens", arguments->batch_tokens,
                   "rows of a batch: bounds memory, changes no result")
      ->capture_default_str();
  command->add_flag("--apply_chat_template", arguments->chat.apply_chat_template,
                    "put each context as a user's turn of the chat template; allows 'messages'");
  command->add_option("--system_instruction", arguments->chat.system_instruction,
                      "the system turn, with --apply_chat_template");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace assay::app
