#include "tokenizer/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_to_gguf.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = SentencePieceModel::Kind;

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kCorruptFile) << e.what();
    return e.what();
  }
  return "no error";
}

// The wire format by hand: a key is number << 3 | wire type.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string integer_field(uint64_t number, int64_t value) {
  return varint(number << 3) + varint(static_cast<uint64_t>(value));
}

std::string bytes_field(uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string piece(const std::string& text, float score, Kind kind) {
  std::string bytes = bytes_field(1, text) + varint(2 << 3 | 5);
  for (int shift = 0; shift < 32; shift += 8)
    bytes += static_cast<char>(std::bit_cast<uint32_t>(score) >> shift);
  if (kind != Kind::kNormal) bytes += integer_field(3, static_cast<int64_t>(kind));
  return bytes_field(1, bytes);
}

// Ids: <unk> 0, <s> 1, </s> 2, ▁ 3, a 4, b 5, ab 6, ▁a 7; the join ab comes before ▁a.
std::string small_model(const std::string& trainer, const std::string& normalizer) {
  return piece("<unk>", 0, Kind::kUnknown) + piece("<s>", 0, Kind::kControl) +
         piece("</s>", 0, Kind::kControl) + piece("\u2581", -4, Kind::kNormal) +
         piece("a", -5, Kind::kNormal) + piece("b", -6, Kind::kNormal) +
         piece("ab", -1, Kind::kNormal) + piece("\u2581a", -2, Kind::kNormal) +
         bytes_field(2, trainer) + bytes_field(3, normalizer);
}

const std::string kBpe = integer_field(3, 2);
const std::string kKeepSpaces = integer_field(4, 0);

TEST(SentencePieceModel, ReadsTheFieldsAndTheirDefaults) {
  const auto model = parse_sentencepiece_model(
      small_model(kBpe + integer_field(35, 1) + integer_field(43, -1) + bytes_field(99, "unknown"),
                  kKeepSpaces));
  EXPECT_EQ(model.type, SentencePieceModel::Type::kBpe);
  EXPECT_TRUE(model.byte_fallback);
  EXPECT_EQ(model.unk_id, 0);
  EXPECT_EQ(model.bos_id, 1);
  EXPECT_EQ(model.pad_id, -1);
  EXPECT_TRUE(model.add_dummy_prefix);
  EXPECT_FALSE(model.remove_extra_whitespaces);
  ASSERT_EQ(model.pieces.size(), 8u);
  EXPECT_EQ(model.pieces[6].text, "ab");
  EXPECT_EQ(model.pieces[6].score, -1.0f);
  EXPECT_EQ(model.pieces[1].kind, Kind::kControl);
}

TEST(SentencePieceModel, NamesWhatIsWrong) {
  const auto refusal = [](const std::string& bytes) {
    return message_of([&] { parse_sentencepiece_model(bytes); });
  };
  EXPECT_EQ(refusal(""), "model: no pieces");
  EXPECT_EQ(refusal("\x0A"), "model: a field that is cut off at byte 1 of 1");
  EXPECT_EQ(refusal(std::string("\x0A\xFF\xFF\xFF\xFF\x7F", 6)),
            "model: a field that is cut off at byte 6 of 6");
  EXPECT_EQ(refusal("\x0B"), "model: an unknown wire type at byte 1 of 1");
  EXPECT_EQ(refusal(bytes_field(1, integer_field(1, 3))), "pieces[0].piece: wire type 0");
  EXPECT_EQ(refusal(bytes_field(1, bytes_field(1, "\xFF"))), "pieces[0].piece: not UTF-8");
  EXPECT_EQ(refusal(piece("a", 0, static_cast<Kind>(9))), "pieces[0].type: 9");
  EXPECT_EQ(refusal(piece("a", 0, Kind::kNormal) + bytes_field(2, integer_field(41, 8))),
            "trainer_spec.bos_id: 8 of 1 pieces");
  const std::string whole = small_model(kBpe, kKeepSpaces);
  for (size_t size = 0; size < whole.size(); ++size) {
    // A cut between two fields is a smaller model: without its BOS it is one that names a bad id.
    message_of([&] { tokenizer_from_sentencepiece(whole.substr(0, size), ""); });
  }
}

// By hand: " ab" -> ▁▁ab (the prefix and the space) -> ab first, then nothing that joins.
//          "aab" -> ▁aab -> ab (rank 0), then ▁a (rank 1).
TEST(TokenizerFromSentencePiece, MergesByScore) {
  const auto tokenizer = tokenizer_from_sentencepiece(small_model(kBpe, kKeepSpaces), "");
  EXPECT_THAT(tokenizer.encode(" ab").ids, ElementsAre(3, 3, 6));
  EXPECT_THAT(tokenizer.encode("aab").ids, ElementsAre(7, 6));
  EXPECT_THAT(tokenizer.encode("aab").ends, ElementsAre(1, 3));
  EXPECT_THAT(tokenizer.encode("ba").ends, ElementsAre(0, 1, 2));      // the prefix has no bytes
  EXPECT_THAT(tokenizer.encode("bxyb").ids, ElementsAre(3, 5, 0, 5));  // one unknown for a run
  EXPECT_EQ(tokenizer.encode("bxyb").dropped_bytes, 2);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{7, 6}), " aab");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{7, 6}, DecodeAs::kWholeText), "aab");
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_FALSE(tokenizer.adds_eos());
  EXPECT_THAT(tokenizer.frame(std::vector<int32_t>{4}).ids, ElementsAre(1, 4));
}

// Of what is no UTF-8 each byte is U+FFFD, as in SentencePiece; it is not in this vocabulary.
TEST(TokenizerFromSentencePiece, ReadsBytesThatAreNoUtf8AsUnknown) {
  const auto tokenizer = tokenizer_from_sentencepiece(small_model(kBpe, kKeepSpaces), "");
  const auto encoding = tokenizer.encode(
      "b\xE2\x96"
      "b");
  EXPECT_THAT(encoding.ids, ElementsAre(3, 5, 0, 5));
  EXPECT_THAT(encoding.ends, ElementsAre(0, 1, 3, 4));
}

// `legacy` of transformers: whether the prefix stands in front of every stretch between special
// tokens, or in front of the text alone.
TEST(TokenizerFromSentencePiece, HonoursTheFlagsOfTheConfig) {
  const auto ids = [](const char* config, const char* text) {
    return tokenizer_from_sentencepiece(small_model(kBpe, kKeepSpaces), config)
        .encode(text, SpecialText::kParse)
        .ids;
  };
  EXPECT_THAT(ids("{\"legacy\":true}", "b</s>b"), ElementsAre(3, 5, 2, 3, 5));
  EXPECT_THAT(ids("{\"legacy\":false}", "b</s>b"), ElementsAre(3, 5, 2, 5));
  EXPECT_THAT(ids("{\"tokenizer_class\":\"LlamaTokenizer\"}", "b</s>b"), ElementsAre(3, 5, 2, 5));
  EXPECT_THAT(ids("{\"add_prefix_space\":false}", "b</s>b"), ElementsAre(5, 2, 5));
  EXPECT_THAT(ids(R"({"added_tokens_decoder":{"8":{"content":"<x>"}}})", "b<x>"),
              ElementsAre(3, 5, 8));
  const auto tokenizer = tokenizer_from_sentencepiece(
      small_model(kBpe, kKeepSpaces), R"({"add_bos_token":false,"add_eos_token":true})");
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_TRUE(tokenizer.adds_eos());
  EXPECT_EQ(message_of([&] { ids(R"({"added_tokens_decoder":{"9":{"content":"<x>"}}})", ""); }),
            "tokenizer.model: tokenizer_config.added_tokens_decoder['9'].id: '<x>' is 8 by the "
            "vocabulary, not 9");
  EXPECT_THAT(message_of([&] { ids(R"({"added_tokens_decoder":{"x":{"content":"<x>"}}})", ""); }),
              HasSubstr("['x']: the key is no token id"));
}

// By hand: the sums of ▁a + b = -2 - 6, ▁ + ab = -4 - 1, ▁ + a + b = -15. Extra spaces go.
TEST(TokenizerFromSentencePiece, FindsTheBestUnigramPath) {
  const auto tokenizer = tokenizer_from_sentencepiece(small_model("", ""), "");
  EXPECT_THAT(tokenizer.encode("  ab ").ids, ElementsAre(3, 6));
  EXPECT_THAT(tokenizer.encode("a  b").ids, ElementsAre(7, 3, 5));
  EXPECT_THAT(tokenizer.encode("a  b").ends, ElementsAre(1, 3, 4));
  EXPECT_THAT(tokenizer.encode("xyb").ids, ElementsAre(3, 0, 5));
  EXPECT_THAT(tokenizer.encode("</s>").ids, ElementsAre(3, 0));  // plain text is no special token
  EXPECT_TRUE(tokenizer.adds_eos());
}

TEST(TokenizerFromSentencePiece, RefusesWhatHasNoEquivalent) {
  const auto refusal = [](const std::string& trainer) {
    return message_of([&] { tokenizer_from_sentencepiece(small_model(trainer, ""), ""); });
  };
  EXPECT_EQ(refusal(integer_field(3, 4)),
            "tokenizer.model: trainer_spec.model_type: only BPE and unigram models are supported, "
            "not character models");
  EXPECT_EQ(refusal(kBpe + integer_field(24, 1)),
            "tokenizer.model: trainer_spec.treat_whitespace_as_suffix: spaces behind words are not "
            "supported");
}

// Ids of SentencePiece's own program (0.2.3).
TEST(TokenizerFromSentencePiece, ReadsLlama2) {
  const char* data = std::getenv("ASSAY_DATA");
  const auto path =
      std::filesystem::path(data != nullptr ? data : ASSAY_SOURCE_DIR "/../shared/data") /
      "tokenizers/llama-2.model";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto tokenizer = tokenizer_from_sentencepiece(read_file(path), "");
  EXPECT_EQ(tokenizer.vocab_size(), 32000);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_THAT(tokenizer.encode("hello").ids, ElementsAre(22172));
  EXPECT_THAT(tokenizer.encode("  a").ids, ElementsAre(259, 263));
  EXPECT_THAT(tokenizer.encode("</s>x").ids, ElementsAre(1533, 29879, 29958, 29916));
  EXPECT_THAT(tokenizer.encode("\n\n").ids, ElementsAre(29871, 13, 13));
  // Through a GGUF file it is the same.
  const auto made = tokenizer_to_gguf(tokenizer, 32000, {});
  EXPECT_TRUE(made.notes.empty());
  GgufFile file;
  for (const auto& [key, value] : made.values) file.values[key] = value;
  const auto again = tokenizer_from_gguf(file);
  for (const std::string line :
       {"hello", "  a", "\n\n", "", "It's 10 o'clock \u4e2d\u6587 \u00e9\u0301\t!",
        "def f(x):\n    return  x ** 2  # aaaaaaaaaaa"}) {
    EXPECT_EQ(again.encode(line).ids, tokenizer.encode(line).ids) << line;
  }
  EXPECT_EQ(again.adds_bos(), tokenizer.adds_bos());
  EXPECT_EQ(again.eos_id(), tokenizer.eos_id());
  // A text without spaces is one word of a million bytes; a quadratic loop would take hours.
  const std::string run = "na\u4e2d\u6587x";
  std::string text;
  while (text.size() < 1'000'000) text += run;
  EXPECT_EQ(tokenizer.encode(text).ends.back(), static_cast<int64_t>(text.size()));
}

}  // namespace
}  // namespace assay
