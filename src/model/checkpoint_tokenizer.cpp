#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "model/checkpoint.h"
#include "model/checkpoint_impl.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

// tokenizer_config.json, with the template of chat_template.jinja where there is one, which comes
// first in transformers too.
std::string config_of_folder(const std::filesystem::path& folder) {
  const auto path = folder / "tokenizer_config.json", of_template = folder / "chat_template.jinja";
  const std::string config = std::filesystem::exists(path) ? read_file(path) : "";
  if (!std::filesystem::exists(of_template)) return config;
  Json with_template = config.empty() ? Json::object() : parse_intact_json(config, path.string());
  require_intact(with_template.is_object(), path.string(), ": expected an object");
  with_template["chat_template"] = to_valid_utf8(read_file(of_template));
  return with_template.dump();
}

// The first of the files that make a tokenizer; transformers prefers tokenizer.json too.
Tokenizer tokenizer_of_folder(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  const auto bytes = [&](const char* name) { return read_file(folder / name); };
  const std::string config = config_of_folder(folder);
  if (has("tokenizer.json")) return tokenizer_from_json(bytes("tokenizer.json"), config);
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    if (has(name)) return tokenizer_from_sentencepiece(bytes(name), config);
  }
  if (has("vocab.json") && has("merges.txt"))
    return tokenizer_from_vocab_and_merges(bytes("vocab.json"), bytes("merges.txt"), config);
  require(has("vocab.txt"),
          "no tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt");
  return tokenizer_from_vocab_txt(bytes("vocab.txt"), config);
}

// What a score would put behind the last token is not defined.
Tokenizer without_eos(Tokenizer tokenizer) {
  require(
      !tokenizer.adds_eos(),
      "the tokenizer puts a token behind every text, which is not supported for language models");
  return tokenizer;
}

}  // namespace

Tokenizer Checkpoint::tokenizer() const {
  const auto& files = impl_->files;
  return in_context(files.path.string(), [&] {
    return without_eos(files.gguf ? tokenizer_from_gguf(*files.gguf)
                                  : tokenizer_of_folder(files.path));
  });
}

Tokenizer load_tokenizer(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    const GgufFile file = open_gguf(path);
    return in_context(path.string(), [&] { return tokenizer_from_gguf(file); });
  }
  return in_context(path.string(), [&] { return tokenizer_of_folder(path); });
}

}  // namespace assay
