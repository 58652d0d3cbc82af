#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/checkpoint_impl.h"

namespace assay {

Tokenizer Checkpoint::tokenizer() const {
  const auto& files = impl_->files;
  return in_context(files.path.string(), [&] {
    if (files.gguf) return tokenizer_from_gguf(*files.gguf);
    const auto config = files.path / "tokenizer_config.json";
    return tokenizer_from_json(read_file(files.path / "tokenizer.json"),
                               std::filesystem::exists(config) ? read_file(config) : "");
  });
}

}  // namespace assay
