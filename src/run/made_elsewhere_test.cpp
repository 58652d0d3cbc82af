#include "run/made_elsewhere.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class MadeElsewhere : public testing::Test {
 protected:
  MadeElsewhere()
      : folder_(fs::temp_directory_path() / ("assay_elsewhere_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    write_tiny_model(folder_ / "base");
    write_tiny_model(folder_ / "made", {.seed = 9});
  }
  ~MadeElsewhere() override { fs::remove_all(folder_); }

  // What is said of the folder "made" as a variant, asked "the cat xyz" after `change` of a file of
  // it.
  template <class Change>
  std::string refusal(const char* file, const Change& change) const {
    const fs::path path = folder_ / "made" / file;
    Json json = parse_json(read_file(path), path.string());
    change(json);
    write_file_atomic(path, json.dump());
    const auto base = Checkpoint::open(folder_ / "base");
    AskedTask task;
    Item item;
    item.sample.id = "first";
    item.sample.text = "the cat xyz";
    item.requests = {{.context_ids = {1, 20, 21}, .continuation_ids = {30, 31}}};
    task.items.push_back(item);
    try {
      require_same_questions(Checkpoint::open(folder_ / "made"), base.tokenizer(),
                             std::span(&task, 1));
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(MadeElsewhere, MayHaveOtherWeights) {
  EXPECT_EQ(refusal("config.json", [](Json&) {}), "accepted");
}

TEST_F(MadeElsewhere, HasTheTokenIdsOfTheBase) {
  EXPECT_THAT(refusal("tokenizer.json",
                      [](Json& json) {
                        std::swap(json["model"]["vocab"]["x"], json["model"]["vocab"]["q"]);
                      }),
              testing::AllOf(HasSubstr("item first: its tokenizer is not the base's: from token "),
                             HasSubstr("a study asks its variants the base's token ids")));
}

TEST_F(MadeElsewhere, HasTheRuleForBosOfTheBase) {
  const bool adds = Checkpoint::open(folder_ / "base").tokenizer().adds_bos();
  const std::string said =
      refusal("tokenizer_config.json", [&](Json& json) { json["add_bos_token"] = !adds; });
  EXPECT_THAT(said, HasSubstr("BOS in front of texts, the base's does"));
}

TEST_F(MadeElsewhere, HoldsEveryQuestion) {
  EXPECT_THAT(refusal("config.json", [](Json& json) { json["max_position_embeddings"] = 3; }),
              HasSubstr("item first: 4 positions are needed, the model has 3"));
}

}  // namespace
}  // namespace assay
