// Wanda's masks of block 0 of SmolLM2 against the authors' formulas in PyTorch
// (tests/golden/make_wanda_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "calibration/hidden_states.h"
#include "compress/wanda.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

std::vector<std::vector<int32_t>> golden_sequences(int64_t vocab_size) {
  uint32_t state = 2024;
  std::vector<std::vector<int32_t>> sequences(4);
  for (auto& ids : sequences) {
    for (int i = 0; i < 96; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab_size)));
    }
  }
  return sequences;
}

// How many rows of a mask differ from the golden ones (4 hex digits of SHA-256 a row).
int64_t differing_rows(const at::Tensor& keep, const std::string& golden) {
  const auto pruned = keep.logical_not().to(at::kByte).contiguous();
  int64_t count = 0;
  for (int64_t row = 0; row < pruned.size(0); ++row) {
    const std::span bytes(pruned[row].const_data_ptr<uint8_t>(),
                          static_cast<size_t>(pruned.size(1)));
    count += sha256_hex(std::as_bytes(bytes)).substr(0, 4) !=
             golden.substr(static_cast<size_t>(4 * row), 4);
  }
  return count;
}

TEST(WandaGolden, MasksOfSmolLm2AreTheAuthors) {
  std::filesystem::path path;
  try {
    path = resolve_model("smollm2-135m-instruct");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const Json golden =
      parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/wanda_smollm2.json"), "golden");
  const auto checkpoint = Checkpoint::open(path);
  const auto sequences = golden_sequences(checkpoint.config().vocab_size);
  Sha256 ids_hash;
  for (const auto& ids : sequences) ids_hash.update(std::as_bytes(std::span(ids)));
  ASSERT_EQ(ids_hash.hex(), golden["ids_sha256"]);

  const auto batches = embed_sequences(checkpoint.tensor("model.embed_tokens.weight"),
                                       checkpoint.config(), sequences, 1024);
  const auto norms =
      block_input_norms(load_block(checkpoint, 0), checkpoint.config(), batches, NormSum::kDouble);
  for (const std::string_view linear : block_linear_names()) {
    SCOPED_TRACE(linear);
    const Json& expected = golden["linears"][std::string(linear)];
    for (size_t j = 0; j < expected["norms"].size(); ++j) {
      const double norm = norms.at(linear)[static_cast<int64_t>(j)].item<double>();
      EXPECT_NEAR(norm / expected["norms"][j].get<double>(), 1,
                  2e-5);  // two float32 forward passes
    }
    const auto weight = checkpoint.tensor(linear_weight_name(0, linear));
    const auto keep = wanda_keep_mask(weight, norms.at(linear), {.sparsity = 0.5});
    const auto first_row = keep[0].logical_not().nonzero().flatten();
    for (size_t i = 0; i < expected["first_row"].size(); ++i) {
      EXPECT_EQ(first_row[static_cast<int64_t>(i)].item<int64_t>(), expected["first_row"][i]);
    }
    // Norms of the two programs differ in the seventh digit; no two scores at a boundary are that
    // close without being equal, and equal ones (zero weights) go by column in both.
    EXPECT_EQ(differing_rows(keep, expected["rows"]), 0);
    const auto two_four = wanda_keep_mask(weight, norms.at(linear), {.pattern = NmPattern{2, 4}});
    EXPECT_EQ(differing_rows(two_four, expected["rows_2_4"]), 0);
  }
}

}  // namespace
}  // namespace assay
