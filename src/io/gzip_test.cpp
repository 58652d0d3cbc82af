#include "io/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace assay {
namespace {

// printf 'calibration\n' | gzip -9n
const std::string kGzip{
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x4e\xcc\xc9\x4c\x2a\x4a\x2c\xc9\xcc\xcf\xe3\x02"
    "\x00",
    24};
const std::string kTrailer{"\xf9\x85\x95\xb6\x0c\x00\x00\x00", 8};

std::string member() { return kGzip + kTrailer; }

std::string error_of(const std::string& bytes, uint64_t max_bytes = 100) {
  try {
    gunzip(bytes, "f.gz", max_bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile);
    return e.what();
  }
  return "no error";
}

TEST(Gunzip, ReadsOneMemberAndSeveral) {
  EXPECT_EQ(gunzip(member(), "f.gz", 100), "calibration\n");
  EXPECT_EQ(gunzip(member() + member(), "f.gz", 100), "calibration\ncalibration\n");
}

TEST(Gunzip, RefusesDamage) {
  EXPECT_THAT(error_of("plain text"), testing::HasSubstr("f.gz: not a gzip file"));
  for (size_t length = 2; length < member().size(); ++length) {
    EXPECT_THAT(error_of(member().substr(0, length)), testing::HasSubstr("damaged or cut off"))
        << length;
  }
  auto flipped = member();
  flipped[26] = static_cast<char>(flipped[26] ^ 1);  // in the checksum
  EXPECT_THAT(error_of(flipped), testing::HasSubstr("incorrect data check"));
  EXPECT_THAT(error_of(member() + "rest"), testing::HasSubstr("damaged"));
  EXPECT_THAT(error_of(member(), 11), testing::HasSubstr("more than 11 bytes"));
}

}  // namespace
}  // namespace assay
