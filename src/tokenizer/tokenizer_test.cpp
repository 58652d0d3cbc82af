#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Ids: the 256 bytes as themselves, then 256 "he", 257 "Ġt", 258 "Ġthe"; added <s> 259, </s> 260.
Json small_tokenizer() {
  Json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[byte_symbol(static_cast<uint8_t>(byte))] = byte;
  vocab["he"] = 256;
  vocab["Ġt"] = 257;
  vocab["Ġthe"] = 258;
  const auto added = [](int id, const char* content) {
    return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  return Json{{"version", "1.0"},
              {"added_tokens", {added(259, "<s>"), added(260, "</s>")}},
              {"normalizer", nullptr},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
              {"post_processor", nullptr},
              {"decoder", {{"type", "ByteLevel"}}},
              {"model",
               {{"type", "BPE"},
                {"vocab", vocab},
                {"merges", {Json::array({"h", "e"}), "Ġ t", Json::array({"Ġt", "he"})}}}}};
}

Tokenizer tokenizer_of(const Json& json, const Json& config = Json::object()) {
  return tokenizer_from_json(json.dump(), config.dump());
}

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string refusal(const Json& json, const Json& config = Json::object()) {
  return message_of([&] { tokenizer_of(json, config); });
}

// By hand: "the" = t + he; " the" = Ġ,t,h,e -> he first (rank 0), then Ġt, then Ġthe.
TEST(Tokenizer, EncodesAndDecodesAHandMadeCase) {
  const auto tokenizer = tokenizer_of(small_tokenizer());
  const auto encoding = tokenizer.encode("the the\n");
  EXPECT_THAT(encoding.ids, ElementsAre('t', 256, 258, '\n'));
  EXPECT_THAT(encoding.ends, ElementsAre(1, 3, 7, 8));
  EXPECT_EQ(encoding.dropped_bytes, 0);
  EXPECT_EQ(tokenizer.decode(encoding.ids), "the the\n");
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_TRUE(tokenizer.encode("").ids.empty());
}

TEST(Tokenizer, ParsesSpecialTextOnlyWhenAsked) {
  const auto tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_THAT(tokenizer.encode("<s>a", SpecialText::kParse).ids, ElementsAre(259, 'a'));
  EXPECT_THAT(tokenizer.encode("<s>a").ids, ElementsAre('<', 's', '>', 'a'));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{259, 'a', 260}), "<s>a</s>");
}

// Bytes that are no UTF-8 are words of their own; a character cut in two is replaced when decoded
// alone.
TEST(Tokenizer, SurvivesBytesThatAreNoUtf8) {
  const auto tokenizer = tokenizer_of(small_tokenizer());
  const auto encoding = tokenizer.encode("\xFFhe\xC3");
  EXPECT_THAT(encoding.ids, ElementsAre(0xFF, 256, 0xC3));
  EXPECT_THAT(encoding.ends, ElementsAre(1, 3, 4));
  EXPECT_EQ(tokenizer.decode(encoding.ids), "\uFFFDhe\uFFFD");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{0xC3, 0xA9}), "é");
  EXPECT_EQ(message_of([&] { tokenizer.decode(std::vector<int32_t>{261}); }),
            "decode: 261 is not in the vocabulary of 261 tokens");
  EXPECT_THAT(message_of([&] { tokenizer.decode(std::vector<int32_t>{-1}); }),
              HasSubstr("-1 is not in"));
}

// The flags of added tokens, as the `tokenizers` library documents them.
TEST(Tokenizer, HonoursTheFlagsOfAddedTokens) {
  Json json = small_tokenizer();
  auto& tokens = json["added_tokens"];
  tokens[0]["lstrip"] = true;
  tokens[1]["rstrip"] = true;
  tokens.push_back({{"id", 261}, {"content", "ab"}, {"single_word", true}});
  const auto tokenizer = tokenizer_of(json);
  const auto encoding = tokenizer.encode("x \n<s> y</s>\u3000z", SpecialText::kParse);
  EXPECT_THAT(encoding.ids, ElementsAre('x', 259, ' ', 'y', 260, 'z'));
  EXPECT_THAT(encoding.ends, ElementsAre(1, 6, 7, 8, 15, 16));
  EXPECT_THAT(tokenizer.encode("ab abc-ab").ids, ElementsAre(261, ' ', 'a', 'b', 'c', '-', 261));
}

TEST(Tokenizer, OfAddedTokensTheLongestWins) {
  Json json = small_tokenizer();
  json["added_tokens"].push_back({{"id", 261}, {"content", "<s>x"}, {"normalized", false}});
  json["added_tokens"].push_back({{"id", 262}, {"content", "x<"}, {"normalized", false}});
  const auto tokenizer = tokenizer_of(json);
  EXPECT_THAT(tokenizer.encode("<s>x<s>", SpecialText::kParse).ids, ElementsAre(261, 259));
  EXPECT_THAT(tokenizer.encode("x<s>", SpecialText::kParse).ids, ElementsAre(262, 's', '>'));
}

// Offsets are those of the text before NFC: "e" + combining acute is three bytes, é two.
TEST(Tokenizer, NormalizesAndKeepsTheOffsetsOfTheText) {
  Json json = small_tokenizer();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"].push_back({{"id", 261}, {"content", "n\u0303"}, {"normalized", true}});
  const auto tokenizer = tokenizer_of(json);
  const auto encoding = tokenizer.encode("e\u0301\u00F1h");
  EXPECT_THAT(encoding.ids, ElementsAre(0xC3, 0xA9, 261, 'h'));  // the added token is found as ñ
  EXPECT_THAT(encoding.ends, ElementsAre(3, 3, 5, 6));
}

TEST(Tokenizer, KnowsWhoAddsBos) {
  Json json = small_tokenizer();
  EXPECT_FALSE(tokenizer_of(json).adds_bos());
  EXPECT_FALSE(tokenizer_of(json).bos_id().has_value());
  const auto named =
      tokenizer_of(json, {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}});
  EXPECT_EQ(named.bos_id(), 259);
  EXPECT_EQ(named.eos_id(), 260);
  EXPECT_FALSE(named.adds_bos());
  EXPECT_TRUE(tokenizer_of(json, {{"bos_token", "<s>"}, {"add_bos_token", true}}).adds_bos());
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "ByteLevel"}},
        {{"type", "TemplateProcessing"},
         {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
         {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {259}}, {"tokens", {"<s>"}}}}}}}}}};
  EXPECT_EQ(tokenizer_of(json).bos_id(), 259);
  EXPECT_TRUE(tokenizer_of(json).adds_bos());
  EXPECT_FALSE(tokenizer_of(json, {{"bos_token", "<s>"}, {"add_bos_token", false}}).adds_bos());
  EXPECT_THAT(refusal(json, {{"bos_token", "</s>"}}), HasSubstr("puts 259 in front of a text"));
  std::swap(json["post_processor"]["processors"][1]["single"][0],
            json["post_processor"]["processors"][1]["single"][1]);
  EXPECT_FALSE(tokenizer_of(json).adds_bos());
  EXPECT_TRUE(tokenizer_of(json).adds_eos());
  EXPECT_THAT(tokenizer_of(json).frame(std::vector<int32_t>{'a'}).ids, ElementsAre('a', 259));
}

TEST(Tokenizer, NamesWhatIsWrongInAFile) {
  Json json = small_tokenizer();
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = json;
    changed[Json::json_pointer(pointer)] = value;
    return refusal(changed);
  };
  EXPECT_EQ(with("/model/merges/0", Json::array({"h", "ee"})),
            "merge 0 ('h' + 'ee'): the vocabulary has no 'ee'");
  EXPECT_EQ(with("/model/merges/0", Json::array({"t", "he"})),
            "merge 0 ('t' + 'he'): the vocabulary has no 'the'");
  EXPECT_EQ(with("/model/merges/1", "Ġ t x"),
            "tokenizer.json: model.merges[1]: 'Ġ t x' is not two tokens with a space between them");
  EXPECT_EQ(with("/model/vocab/he", 257), "model.vocab: two tokens have the id 257");
  EXPECT_EQ(with("/model/vocab/he", -1),
            "tokenizer.json: model.vocab['he']: expected a token id, got -1");
  EXPECT_EQ(with("/model/vocab/he", 2000000000), "the largest id is 2000000000 for 259 tokens");
  EXPECT_EQ(with("/model/type", "WordPeace"),
            "tokenizer.json: model.type: 'WordPeace' is not supported (did you mean 'WordPiece'?)");
  EXPECT_EQ(with("/model/type", "Unigram"),
            "tokenizer.json: model.vocab: expected an array, got object");
  EXPECT_EQ(with("/model/dropout", 0.1), "tokenizer.json: model.dropout: ids would be random");
  EXPECT_EQ(with("/added_tokens/0/id", 7),
            "tokenizer.json: added_tokens[0].id: '<s>' is 259 by the vocabulary, not 7");
  EXPECT_EQ(with("/decoder", {{"type", "CTC"}}),
            "decoder: the type 'CTC' is not supported (known: Sequence, ByteLevel, ByteFallback, "
            "Fuse, Strip, Metaspace, WordPiece, Replace)");
  EXPECT_EQ(with("/unknown_field", 1), "no error");
  EXPECT_EQ(with("/model/unknown_field", 1), "no error");
  EXPECT_EQ(message_of([] { tokenizer_from_json("{", ""); }),
            "tokenizer.json: not valid JSON at byte 2");
  EXPECT_EQ(refusal(json, {{"bos_token", 3}}),
            "tokenizer.json: tokenizer_config.bos_token: expected an object, got number");
}

TEST(Tokenizer, EveryCutOfAFileIsAnError) {
  const std::string text = small_tokenizer().dump();
  for (size_t size = 0; size < text.size(); size += 7) {
    try {
      tokenizer_from_json(text.substr(0, size), "");
      FAIL() << size;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kCorruptFile) << e.what();
    }
  }
}

TEST(Tokenizer, RefusesANormalizerThatNeverStopsGrowing) {
  Json json = small_tokenizer(), doubling = Json::array();
  for (int i = 0; i < 40; ++i)
    doubling.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", doubling}};
  EXPECT_THAT(message_of([&] { tokenizer_of(json).encode("a"); }),
              HasSubstr("a text of 1 bytes becomes one of more than"));
}

// BERT's vocab.txt: lower case, accents, punctuation, the template for one text and for two.
TEST(TokenizerFromFiles, ReadsVocabTxt) {
  const std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##able\ne\n!\n";
  const auto tokenizer = tokenizer_from_vocab_txt(vocab, "");
  const auto encoding = tokenizer.encode("Unable \u00c9! x");
  EXPECT_THAT(encoding.ids, ElementsAre(5, 6, 7, 8, 1));
  EXPECT_THAT(encoding.ends, ElementsAre(2, 6, 9, 10, 12));
  EXPECT_EQ(encoding.dropped_bytes, 1);
  EXPECT_EQ(tokenizer.decode(encoding.ids), "unable e! [UNK]");
  EXPECT_THAT(tokenizer.encode("[MASK]", SpecialText::kParse).ids, ElementsAre(4));
  const std::vector<int32_t> a{5}, b{7, 8};
  EXPECT_THAT(tokenizer.frame(a).ids, ElementsAre(2, 5, 3));
  EXPECT_THAT(tokenizer.frame(a, b).ids, ElementsAre(2, 5, 3, 7, 8, 3));
  EXPECT_THAT(tokenizer.frame(a, b).type_ids, ElementsAre(0, 0, 0, 1, 1, 1));
  const auto cased = tokenizer_from_vocab_txt(vocab, R"({"do_lower_case":false})");
  EXPECT_THAT(cased.encode("e E").ids, ElementsAre(7, 1));
  EXPECT_EQ(message_of([&] { tokenizer_from_vocab_txt("[UNK]\na\na\n", ""); }),
            "vocab.txt:3: 'a' is there twice");
  EXPECT_EQ(message_of([&] { tokenizer_from_vocab_txt("[UNK]\n", ""); }), "vocab.txt: no '[CLS]'");
}

// OPT's files: BOS is added because the config says so.
TEST(TokenizerFromFiles, ReadsVocabAndMerges) {
  const auto tokenizer = tokenizer_from_vocab_and_merges(
      R"({"a":0,"b":1,"ab":2,"\u0120":3,"\u0120a":4,"</s>":5})", "#version: 0.2\na b\n\u0120 a\n",
      R"({"add_bos_token":true,"bos_token":{"content":"</s>"},"add_prefix_space":true})");
  EXPECT_THAT(tokenizer.encode("a ab").ids, ElementsAre(4, 3, 2));
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.bos_id(), 5);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{4, 2}), " aab");
}

TEST(Tokenizer, ExportsWhatItRead) {
  Json json = small_tokenizer();
  json["model"]["ignore_merges"] = true;
  json["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = tokenizer_of(
      json, {{"bos_token", "<s>"}, {"add_bos_token", true}, {"chat_template", "{{x}}"}});
  const auto again = tokenizer_of(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config());
  EXPECT_EQ(again.to_tokenizer_json(), tokenizer.to_tokenizer_json());
  EXPECT_EQ(again.chat_template(), "{{x}}");
  EXPECT_TRUE(again.adds_bos());
  for (const char* text : {"the the", "e\u0301 <s>", "  12 "}) {
    EXPECT_EQ(again.encode(text, SpecialText::kParse).ids,
              tokenizer.encode(text, SpecialText::kParse).ids);
  }
}

}  // namespace
}  // namespace assay
