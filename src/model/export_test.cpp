#include "model/export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_export_XXXXXX";
  return ::mkdtemp(name.data());
}

template <class Fn>
std::string message_of(ErrorKind kind, const Fn& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, kind) << e.what();
    return e.what();
  }
  return "accepted";
}

void write_all(FolderExport& out, const Checkpoint& source) {
  for (const auto& record : source.tensors()) out.write(record.name, source.tensor(record.name));
}

void commit(FolderExport& out) {
  out.commit(tiny_tokenizer_json(), tiny_tokenizer_config(), {{"method", "none"}});
}

struct Source {
  Source()
      : folder(fresh_folder()),
        checkpoint((write_tiny_model(folder / "source"), Checkpoint::open(folder / "source"))) {}
  std::filesystem::path folder;
  Checkpoint checkpoint;
};

TEST(FolderExport, GivesTheModelBack) {
  const Source source;
  const auto target = source.folder / "out" / "copy";
  {
    FolderExport out(target / "", source.checkpoint.config(), "float32", ExistingFolder::kRefuse);
    write_all(out, source.checkpoint);
    EXPECT_FALSE(std::filesystem::exists(target));
    commit(out);
  }
  const auto copy = Checkpoint::open(target);
  EXPECT_EQ(copy.config(), source.checkpoint.config());
  EXPECT_EQ(copy.weights_hash(), source.checkpoint.weights_hash());
  EXPECT_EQ(copy.provenance()["method"], "none");
  EXPECT_EQ(read_file(target / "tokenizer.json"),
            read_file(source.folder / "source" / "tokenizer.json"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(target.parent_path()), {}), 1);
}

TEST(FolderExport, RoundsToTheNearestHalf) {
  const Source source;
  for (const auto& [dtype, type] :
       {std::pair{"bfloat16", at::kBFloat16}, std::pair{"float16", at::kHalf}}) {
    FolderExport out(source.folder / dtype, source.checkpoint.config(), dtype,
                     ExistingFolder::kRefuse);
    write_all(out, source.checkpoint);
    commit(out);
    const auto copy = Checkpoint::open(source.folder / dtype);
    for (const auto& record : copy.tensors()) {
      const auto expected = source.checkpoint.tensor(record.name).to(type).to(at::kFloat);
      EXPECT_TRUE(at::equal(copy.tensor(record.name), expected)) << record.name;
    }
  }
}

TEST(FolderExport, WithoutCommitNothingIsLeft) {
  const Source source;
  {
    FolderExport out(source.folder / "copy", source.checkpoint.config(), "float32",
                     ExistingFolder::kRefuse);
    out.write("model.norm.weight", source.checkpoint.tensor("model.norm.weight"));
    EXPECT_THAT(message_of(ErrorKind::kInternal, [&] { commit(out); }),
                HasSubstr("declared and not written"));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(source.folder), {}),
            1);  // the source
}

TEST(FolderExport, ReplacesACheckpointWhenAskedAndNothingElse) {
  const Source source;
  const auto target = source.folder / "out";
  const auto& config = source.checkpoint.config();
  const auto open = [&](ExistingFolder existing) {
    FolderExport(target, config, "float32", existing);
  };
  std::filesystem::create_directories(target);
  open(ExistingFolder::kRefuse);  // empty: fine
  write_file_atomic(target / "thesis.txt", "years of work");
  EXPECT_THAT(message_of(ErrorKind::kBadInput, [&] { open(ExistingFolder::kRefuse); }),
              HasSubstr("not empty (--overwrite"));
  EXPECT_THAT(message_of(ErrorKind::kBadInput, [&] { open(ExistingFolder::kReplace); }),
              HasSubstr("no checkpoint"));
  write_file_atomic(target / "config.json", "{}");
  {
    FolderExport out(target, config, "float32", ExistingFolder::kReplace);
    write_all(out, source.checkpoint);
    commit(out);
  }
  EXPECT_FALSE(std::filesystem::exists(target / "thesis.txt"));
  EXPECT_EQ(Checkpoint::open(target).weights_hash(), source.checkpoint.weights_hash());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(source.folder), {}), 2);
}

TEST(FolderExport, RefusesWhatIsNoTensorOfTheModel) {
  const Source source;
  const auto& config = source.checkpoint.config();
  FolderExport out(source.folder / "out", config, "float16", ExistingFolder::kRefuse);
  const auto internal = [&](const std::string& name, const at::Tensor& tensor) {
    return message_of(ErrorKind::kInternal, [&] { out.write(name, tensor); });
  };
  EXPECT_THAT(internal("lm_head.weight", at::zeros({320, 64})),
              HasSubstr("'lm_head.weight' of shape [320, 64]"));
  EXPECT_THAT(internal("model.norm.weight", at::zeros({63})), HasSubstr("no tensor of this model"));
  EXPECT_THAT(message_of(ErrorKind::kCorruptFile,
                         [&] { out.write("model.norm.weight", at::full({64}, 1e6)); }),
              HasSubstr("'model.norm.weight': 64 of 64 values are NaN or infinite"));
  EXPECT_THAT(
      message_of(
          ErrorKind::kBadInput,
          [&] { FolderExport(source.folder / "x", config, "fp16", ExistingFolder::kRefuse); }),
      HasSubstr("dtype 'fp16' (known: float32, bfloat16, float16)"));
}

}  // namespace
}  // namespace assay
