#include "model/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/locations.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Sets an environment variable until the end of the test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* before = std::getenv(name);
    if (before) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (before_.empty()) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, before_.c_str(), 1);
    }
  }

 private:
  const char* name_;
  std::string before_;
};

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_catalogue_XXXXXX";
  return ::mkdtemp(name.data());
}

template <class Fn>
std::string message_of(const Fn& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "accepted";
}

TEST(Catalogue, AFileIsHashedOnceAndAgainWhenItChanges) {
  const auto cache = fresh_folder();
  const Environment environment("ASSAY_CACHE", cache.string());
  const auto hash = sha256_hex("weights");
  const CatalogueModel model{"m", "m.gguf", hash, "none", "package m", "scripts/setup.sh"};
  EXPECT_THAT(message_of([&] { catalogue_file(model); }),
              AllOf(HasSubstr("m.gguf"), HasSubstr("scripts/setup.sh"), HasSubstr("package m")));
  write_file_atomic(cache / "m.gguf", "weights");
  EXPECT_EQ(catalogue_file(model), cache / "m.gguf");
  const auto note = cache / "verified" / hash;
  EXPECT_THAT(read_file(note), HasSubstr("7 "));

  // Other bytes under the same size and time pass: only a change is looked at, which shows that
  // nothing is hashed again.
  const auto time = std::filesystem::last_write_time(cache / "m.gguf");
  write_file_atomic(cache / "m.gguf", "WEIGHTS");
  std::filesystem::last_write_time(cache / "m.gguf", time);
  EXPECT_EQ(catalogue_file(model), cache / "m.gguf");

  std::filesystem::last_write_time(cache / "m.gguf", time + std::chrono::seconds(1));
  EXPECT_THAT(message_of([&] { catalogue_file(model); }), HasSubstr("SHA-256 is"));
}

TEST(ResolveModel, TakesPathsCatalogueNamesAndHuggingFaceNames) {
  const auto folder = fresh_folder();
  const Environment cache("ASSAY_CACHE", (folder / "cache").string());
  const Environment hub("HF_HUB_CACHE", (folder / "hub").string());
  EXPECT_EQ(resolve_model(folder.string()), folder);
  const auto repository = folder / "hub" / "models--org--name";
  std::filesystem::create_directories(repository / "refs");
  std::filesystem::create_directories(repository / "snapshots" / "abc");
  write_file_atomic(repository / "refs" / "main", "abc\n");
  EXPECT_EQ(resolve_model("org/name"), repository / "snapshots" / "abc");
  EXPECT_EQ(hugging_face_snapshot("org/other"), "");
  EXPECT_EQ(hugging_face_snapshot("../org/name"), "");
  EXPECT_THAT(message_of([] { resolve_model("smollm-135m-instruct"); }),
              AllOf(HasSubstr("(did you mean 'smollm2-135m-instruct'?)"), HasSubstr("hub")));
  EXPECT_THAT(message_of([] { resolve_model("smollm2-135m-instruct"); }), HasSubstr("setup.sh"));
}

TEST(ResolveModel, FindsTheDefaultModel) {
  const auto& model = catalogue_models()[0];
  if (!std::filesystem::exists(cache_folder() / model.file)) GTEST_SKIP() << "no " << model.file;
  EXPECT_EQ(resolve_model("smollm2-135m-instruct"), cache_folder() / model.file);
}

}  // namespace
}  // namespace assay
