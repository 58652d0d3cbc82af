#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

constexpr int32_t kUnknown = -1;

// The best way to cut the word up to some byte: its last token.
struct Best {
  double score = 0;
  uint32_t begin = 0;
  int32_t id = kUnknown;
  bool reached = false;
};

std::vector<Best> best_paths(const UnigramModel& model, std::string_view word) {
  std::vector<Best> best(word.size() + 1);
  const auto offer = [&](size_t begin, size_t end, int32_t id, double score) {
    Best& target = best[end];
    const double sum = best[begin].score + score;
    if (!target.reached || sum > target.score)
      target = {sum, static_cast<uint32_t>(begin), id, true};
  };
  for (size_t begin = 0; begin < word.size();) {
    const size_t size = code_point_at(word, begin).size;
    bool has_single = false;
    model.pieces.for_each_prefix(word.substr(begin), [&](size_t length, int32_t id) {
      offer(begin, begin + length, id, model.scores[static_cast<size_t>(id)]);
      has_single = has_single || length == size;
    });
    if (!has_single) offer(begin, begin + size, kUnknown, model.unknown_score);
    begin += size;
  }
  return best;
}

// The tokens of an unknown stretch of the word.
void add_unknown(const UnigramModel& model, std::string_view word, size_t begin, size_t end,
                 WordTokens& tokens) {
  const std::string_view bytes = word.substr(begin, end - begin);
  const auto id_of = [&](char byte) { return model.byte_ids[static_cast<uint8_t>(byte)]; };
  if (std::ranges::none_of(bytes, [&](char byte) { return id_of(byte) < 0; })) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      tokens.ids.push_back(id_of(bytes[i]));
      tokens.ends.push_back(static_cast<uint32_t>(begin + i + 1));
    }
    return;
  }
  require(model.unknown_id.has_value(), "tokenizer: '", to_valid_utf8(bytes),
          "' is not in the vocabulary, which has no unknown token");
  tokens.ids.push_back(*model.unknown_id);
  tokens.ends.push_back(static_cast<uint32_t>(end));
  tokens.dropped_bytes += static_cast<uint32_t>(bytes.size());
}

}  // namespace

WordTokens encode_word(const UnigramModel& model, std::string_view word) {
  require(word.size() <= size_t{std::numeric_limits<int32_t>::max()}, "tokenizer: a word of ",
          word.size(), " bytes");
  const auto best = best_paths(model, word);
  struct Piece {
    uint32_t begin, end;
    int32_t id;
  };
  std::vector<Piece> pieces;  // from right to left, unknown neighbours joined
  for (auto end = static_cast<uint32_t>(word.size()); end > 0; end = best[end].begin) {
    const Best& last = best[end];
    if (last.id == kUnknown && !pieces.empty() && pieces.back().id == kUnknown) {
      pieces.back().begin = last.begin;
    } else {
      pieces.push_back({last.begin, end, last.id});
    }
  }
  WordTokens tokens;
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    if (piece->id == kUnknown) {
      add_unknown(model, word, piece->begin, piece->end, tokens);
    } else {
      tokens.ids.push_back(piece->id);
      tokens.ends.push_back(piece->end);
    }
  }
  return tokens;
}

}  // namespace assay
