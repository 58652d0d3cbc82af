// Tensors of the real model against the decoder of the gguf package
// (tests/golden/make_gguf_golden.py).

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "data/locations.h"
#include "model/catalogue.h"
#include "model/checkpoint.h"
#include "model/checkpoint_files.h"

namespace assay {
namespace {

std::string hash_of(const at::Tensor& tensor) {
  const auto values = tensor.contiguous();
  return sha256_hex({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
}

TEST(GgufGolden, DecodedTensorsAreThoseOfTheGgufPackage) {
  const auto path = cache_folder() / catalogue_models()[0].file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto golden =
      parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/gguf_smollm2.json"), "golden");
  ASSERT_EQ(golden["tensors"].size(), 6u);
  const auto files = read_gguf_checkpoint(path);
  for (const auto& [name, expected] : golden["tensors"].items()) {
    SCOPED_TRACE(name);
    const auto stored =
        std::ranges::find(files.tensors, name, [](const StoredTensor& t) { return t.record.name; });
    ASSERT_NE(stored, files.tensors.end());
    EXPECT_EQ(stored->record.stored_name, expected["stored"]);
    EXPECT_EQ(stored->record.stored_dtype, expected["type"]);
    EXPECT_EQ(stored->record.shape, expected["shape"].get<std::vector<int64_t>>());
    EXPECT_EQ(hash_of(decode(*stored)), expected["sha256"]);
    if (!expected.contains("sha256_as_stored")) continue;
    auto as_stored = *stored;
    as_stored.interleaved_heads = 0;
    EXPECT_EQ(hash_of(decode(as_stored)), expected["sha256_as_stored"]);
  }
}

}  // namespace
}  // namespace assay
