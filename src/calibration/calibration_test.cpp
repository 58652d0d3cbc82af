#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"
#include "calibration/hidden_states.h"
#include "calibration/input_norms.h"
#include "data/calibration_text.h"
#include "model/tiny_model.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// T1: three tokens, sums of squares per column 2.25 5.25 5.25 1.25.
TEST(InputNorms, MatchesHandComputedCase) {
  const auto tokens = torch::tensor(
      {{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});
  const std::vector<int64_t> one_sequence{3};
  for (const NormSum sum : {NormSum::kDouble, NormSum::kFloatRunningMean}) {
    InputNorms norms(sum);
    norms.add(tokens, one_sequence);
    EXPECT_TRUE(
        at::allclose(norms.norms().square(), torch::tensor({2.25f, 5.25f, 5.25f, 1.25f}), 1e-6));
  }
}

// Sequences of 1 and 2 tokens count alike: a = (4 + (1 + 9)) / 2 = 7.
TEST(InputNorms, AveragesOverSequencesNotTokens) {
  const std::vector<int64_t> rows{1, 2};
  for (const NormSum sum : {NormSum::kDouble, NormSum::kFloatRunningMean}) {
    InputNorms norms(sum);
    norms.add(torch::tensor({{2.0f}, {1.0f}, {3.0f}}), rows);
    EXPECT_NEAR(std::pow(norms.norms().item<double>(), 2), 7.0, 1e-5);
  }
}

TEST(InputNorms, DependsNeitherOnCallsNorOnThreads) {
  at::manual_seed(1);
  const auto tokens = torch::randn({600, 200});
  const auto gathered = [&](std::vector<int64_t> rows, int64_t calls) {
    InputNorms norms;
    for (int64_t i = 0; i < calls; ++i)
      norms.add(tokens.narrow(0, i * 600 / calls, 600 / calls), rows);
    return norms.norms();
  };
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = gathered(std::vector<int64_t>(6, 100), 1);
  set_num_threads(2);
  EXPECT_TRUE(at::equal(one, gathered(std::vector<int64_t>(6, 100), 1)));
  EXPECT_TRUE(at::equal(one, gathered(std::vector<int64_t>(2, 100), 3)));
  set_num_threads(threads);
  const auto definition = (tokens.to(at::kDouble).square().sum(0) / 6).sqrt();
  EXPECT_TRUE(at::allclose(one.to(at::kDouble), definition, 1e-7));  // rounding to float32
}

TEST(InputNorms, RefusesWhatIsNotFinite) {
  const std::vector<int64_t> rows{2};
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    InputNorms norms;
    norms.add(torch::tensor({{1.0f, 2.0f}, {1.0f, bad}}), rows);
    try {
      norms.norms();
      FAIL() << "no error";
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "input channel 1 takes a value that is not finite");
    }
  }
  EXPECT_THROW(InputNorms().norms(), Error);
  EXPECT_THROW(InputNorms().add(torch::ones({3, 2}), rows), Error);
}

class TinyModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new fs::path(fs::temp_directory_path() /
                           ("assay_calibration_" + std::to_string(::getpid())));
    write_tiny_model(*folder_);
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder_);
    delete folder_;
  }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(*folder_ / name, std::ios::binary) << content;
    return (*folder_ / name).string();
  }

  CalibrationSet read(const std::string& source, int64_t samples, std::optional<int64_t> length,
                      std::optional<uint64_t> seed = {}) const {
    return read_calibration({parse_calibration_source(source), samples, length, seed},
                            checkpoint_.tokenizer());
  }

  std::string error_of(const std::string& source, int64_t samples,
                       std::optional<int64_t> length) const {
    try {
      read(source, samples, length);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  static fs::path* folder_;
  Checkpoint checkpoint_ = Checkpoint::open(*folder_);
};

fs::path* TinyModel::folder_ = nullptr;

TEST_F(TinyModel, NormsAreThoseOfTheInputsThatTheBlockSees) {
  const Block block = load_block(checkpoint_, 0);
  const std::vector<std::vector<int32_t>> sequences{{5, 6, 7, 8}, {9, 10}, {11, 12, 13}};
  const auto embed_tokens = checkpoint_.tensor("model.embed_tokens.weight");
  auto batches = embed_sequences(embed_tokens, checkpoint_.config(), sequences, 6);
  ASSERT_EQ(batches.size(), 2u);  // 4 + 2 rows, then 3
  std::map<std::string, at::Tensor> told;
  for (const auto& batch : batches) {
    block_inputs(block, checkpoint_.config(), batch.forest, batch.hidden,
                 [&](std::string_view linear, const at::Tensor& x) {
                   auto& sum = told[std::string(linear)];
                   const auto squares = x.to(at::kDouble).square().sum(0);
                   sum = sum.defined() ? sum + squares : squares;
                 });
  }
  const auto norms = block_input_norms(block, checkpoint_.config(), batches, NormSum::kDouble);
  ASSERT_EQ(norms.size(), 7u);
  for (const auto& [linear, norm] : norms) {
    EXPECT_TRUE(at::allclose(norm.to(at::kDouble), (told.at(std::string(linear)) / 3).sqrt(), 1e-6))
        << linear;
  }
  // Batches change nothing, to the bit.
  const auto apart = block_input_norms(
      block, checkpoint_.config(),
      embed_sequences(embed_tokens, checkpoint_.config(), sequences, 1), NormSum::kDouble);
  for (const auto& [linear, norm] : norms) EXPECT_TRUE(at::equal(norm, apart.at(linear))) << linear;
  pass_through_(block, checkpoint_.config(), batches);
  EXPECT_EQ(batches[1].hidden.sizes(), at::IntArrayRef({3, 64}));
}

TEST_F(TinyModel, FirstSequencesAreWholeAndDoNotDependOnBatches) {
  const std::vector<std::vector<int32_t>> sequences{{5, 6, 7, 8}, {9, 10}, {11, 12, 13}};
  const auto embed_tokens = checkpoint_.tensor("model.embed_tokens.weight");
  const auto rows_of = [&](int64_t batch_tokens, int64_t tokens) {
    std::vector<at::Tensor> rows;
    std::vector<int64_t> lengths;
    for (const auto& batch : first_sequences(
             embed_sequences(embed_tokens, checkpoint_.config(), sequences, batch_tokens),
             tokens)) {
      rows.push_back(batch.hidden);
      lengths.insert(lengths.end(), batch.sequence_rows.begin(), batch.sequence_rows.end());
      EXPECT_EQ(batch.forest.ids.size(), static_cast<size_t>(batch.hidden.size(0)));
    }
    return std::make_pair(at::cat(rows), lengths);
  };
  for (const int64_t batch_tokens : {1, 6, 100}) {
    EXPECT_EQ(rows_of(batch_tokens, 4).second, (std::vector<int64_t>{4}));
    EXPECT_EQ(rows_of(batch_tokens, 5).second, (std::vector<int64_t>{4, 2}));
    EXPECT_EQ(rows_of(batch_tokens, 1000).second, (std::vector<int64_t>{4, 2, 3}));
    EXPECT_TRUE(at::equal(rows_of(batch_tokens, 5).first, rows_of(100, 5).first));
  }
}

TEST_F(TinyModel, StatesInAFileAreTheSameBitsAndLeaveNoFile) {
  const std::vector<std::vector<int32_t>> sequences{{5, 6, 7, 8}, {9, 10}, {11, 12, 13}};
  const auto embed_tokens = checkpoint_.tensor("model.embed_tokens.weight");
  const fs::path folder = *folder_ / "states";
  fs::create_directories(folder);
  auto in_memory = embed_sequences(embed_tokens, checkpoint_.config(), sequences, 4);
  auto in_file = embed_sequences(embed_tokens, checkpoint_.config(), sequences, 4,
                                 {.in_file = true, .folder = folder});
  EXPECT_TRUE(fs::is_empty(folder));
  const Block block = load_block(checkpoint_, 0);
  for (int pass = 0; pass < 2; ++pass) {
    pass_through_(block, checkpoint_.config(), in_memory);
    pass_through_(block, checkpoint_.config(), in_file);
    ASSERT_EQ(in_file.size(), 3u);
    for (size_t i = 0; i < in_file.size(); ++i) {
      EXPECT_TRUE(in_file[i].states->is_file());
      EXPECT_TRUE(at::equal(in_memory[i].hidden, in_file[i].hidden)) << i;
    }
  }
  const auto parts = first_sequences(in_file, 5);
  in_file.clear();  // views keep the file
  EXPECT_TRUE(at::equal(parts[1].hidden, in_memory[1].hidden));
  EXPECT_THROW(embed_sequences(embed_tokens, checkpoint_.config(), sequences, 4,
                               {.in_file = true, .folder = folder / "nowhere"}),
               Error);
}

TEST_F(TinyModel, AnInputThatIsNotFiniteNamesTheLinear) {
  auto batches = embed_sequences(checkpoint_.tensor("model.embed_tokens.weight"),
                                 checkpoint_.config(), {{5, 6}}, 8);
  batches[0].hidden[1][3] = NAN;
  try {
    block_input_norms(load_block(checkpoint_, 0), checkpoint_.config(), batches, NormSum::kDouble);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("_proj: input channel "));
    EXPECT_THAT(e.what(), testing::HasSubstr("not finite"));
  }
}

TEST_F(TinyModel, TextIsDrawnAndJsonlIsCut) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "the cat and the hat number " + std::to_string(i) + ". ";
  const auto ids = checkpoint_.tokenizer().encode(text).ids;
  const auto drawn = read("text:" + write("t.txt", text), 3, 16, 5);
  EXPECT_EQ(drawn.sequences, draw_windows(ids, 3, 16, 5));
  EXPECT_EQ(drawn.provenance["tokens"], 48);
  EXPECT_EQ(drawn.provenance["ids_sha256"], drawn.ids_hash);
  EXPECT_NE(drawn.ids_hash, read("text:" + write("t.txt", text), 3, 16, 6).ids_hash);

  const Json row1{{"document", "row one"}}, row2{{"document", text}}, row3{{"document", text}};
  const auto file = write("d.jsonl", row1.dump() + "\n" + row2.dump() + "\n" + row3.dump() + "\n");
  const auto both = checkpoint_.tokenizer().encode(text + "\n\n" + text).ids;
  const auto cut = read("jsonl:" + file + "#document[2:]", 4, 32);
  EXPECT_EQ(cut.sequences, cut_windows(both, 4, 32, {}));
  EXPECT_EQ(cut.provenance["documents"], 2);
  EXPECT_TRUE(cut.provenance["seed"].is_null());
  EXPECT_THAT(error_of("jsonl:" + file + "#document[2:]", 1000, 32),
              testing::HasSubstr("1000 are asked for"));
  EXPECT_THAT(error_of("jsonl:" + file + "#text", 1, 32), testing::HasSubstr("text"));
  EXPECT_THAT(error_of("jsonl:" + file + "#document", 1, {}), testing::HasSubstr("needs a length"));
}

TEST_F(TinyModel, IdsAreUsedAsGiven) {
  const auto file = write("ids.jsonl", "[1, 2, 3]\n[4, 5, 6]\n[7, 8]\n");
  EXPECT_EQ(read("ids:" + file, 2, 3).sequences,
            (std::vector<std::vector<int32_t>>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(read("ids:" + file, 3, {}).sequences.back(), (std::vector<int32_t>{7, 8}));
  EXPECT_THAT(error_of("ids:" + file, 3, 3),
              testing::HasSubstr(":3: 2 ids, expected a length of 3"));
  EXPECT_THAT(error_of("ids:" + file, 4, {}),
              testing::HasSubstr("holds 3 sequences, 4 are asked for"));
}

TEST_F(TinyModel, C4DrawsFromDocumentsThatAreLongEnough) {
  std::string text;
  for (int i = 0; i < 20; ++i)
    text += Json{{"text", std::string(static_cast<size_t>(i + 1), 'a')}}.dump() + "\n";
  const auto file = write("c4.json", text);
  const auto drawn = read("c4:" + file, 5, 8);
  ASSERT_EQ(drawn.sequences.size(), 5u);
  for (const auto& ids : drawn.sequences) EXPECT_EQ(ids.size(), 8u);
  EXPECT_EQ(drawn.provenance["documents"], 20);
  EXPECT_THAT(error_of("c4:" + file, 1, 4000),
              testing::HasSubstr("no document of more than 4000 tokens"));
}

}  // namespace
}  // namespace assay
