#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "model/checkpoint.h"
#include "model/checkpoint_impl.h"

namespace assay {
namespace {

Tokenizer tokenizer_of_folder(const std::filesystem::path& folder) {
  const auto json = folder / "tokenizer.json", config = folder / "tokenizer_config.json";
  require(std::filesystem::exists(json), "no tokenizer.json; other formats are not supported yet");
  return tokenizer_from_json(read_file(json),
                             std::filesystem::exists(config) ? read_file(config) : "");
}

}  // namespace

Tokenizer Checkpoint::tokenizer() const {
  const auto& files = impl_->files;
  return in_context(files.path.string(), [&] {
    return files.gguf ? tokenizer_from_gguf(*files.gguf) : tokenizer_of_folder(files.path);
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
