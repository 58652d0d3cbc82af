// Each check sees the fault that it is there for.

#include "run/self_check.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

constexpr int32_t kBos = 1;

// One token a byte, ids shifted by 10; BOS in front when asked.
ScoreRequest encode_bytes(std::string_view context, std::string_view continuation, bool bos) {
  ScoreRequest request;
  if (bos) request.context_ids.push_back(kBos);
  for (const char c : context) request.context_ids.push_back(10 + c);
  for (const char c : continuation) request.continuation_ids.push_back(10 + c);
  return request;
}

std::string decode_bytes(std::span<const int32_t> ids) {
  std::string text;
  for (const int32_t id : ids)
    text += id == kBos ? std::string("<bos>") : std::string(1, static_cast<char>(id - 10));
  return text;
}

TEST(CheckBos, SeesAMissingADoubledAndAnUnwantedBos) {
  const Encode with = [](auto a, auto b) { return encode_bytes(a, b, true); };
  const Encode without = [](auto a, auto b) { return encode_bytes(a, b, false); };
  const Encode twice = [](auto a, auto b) {
    auto request = encode_bytes(a, b, true);
    request.context_ids.insert(request.context_ids.begin(), kBos);
    return request;
  };
  EXPECT_TRUE(check_bos(with, true, kBos).passed);
  EXPECT_TRUE(check_bos(without, false, kBos).passed);
  EXPECT_FALSE(check_bos(without, true, kBos).passed);
  EXPECT_FALSE(check_bos(with, false, kBos).passed);
  EXPECT_FALSE(check_bos(twice, true, kBos).passed);
  EXPECT_FALSE(check_bos(with, true, std::nullopt).passed);
}

Item one_item() {
  Item item;
  item.sample.id = "7";
  item.sample.context = "Answer:";
  item.sample.choices = {" yes", " no"};
  for (const auto& choice : item.sample.choices) {
    item.requests.push_back(encode_bytes(item.sample.context, choice, true));
  }
  return item;
}

TEST(CheckBoundary, SeesABoundaryThatMoved) {
  Item item = one_item();
  EXPECT_TRUE(check_boundary({&item, 1}, decode_bytes).passed);

  Item late = one_item();  // the first token of the choice is taken for context
  late.requests[1].context_ids.push_back(late.requests[1].continuation_ids.front());
  late.requests[1].continuation_ids.erase(late.requests[1].continuation_ids.begin());
  EXPECT_EQ(check_boundary({&late, 1}, decode_bytes).detail,
            "item '7', choice 2: scored ids do not hold the whole choice");

  Item early = one_item();  // a token of the context is scored
  auto& request = early.requests[0];
  request.continuation_ids.insert(request.continuation_ids.begin(), request.context_ids.back());
  request.context_ids.pop_back();
  EXPECT_EQ(check_boundary({&early, 1}, decode_bytes).detail,
            "item '7', choice 1: a token of the context is scored");

  Item other = one_item();  // another text
  other.requests[0].context_ids[3] += 1;
  EXPECT_EQ(check_boundary({&other, 1}, decode_bytes).detail,
            "item '7', choice 1: the ids do not say its text");
}

std::vector<ScoreResult> scored(std::span<const ScoreRequest> requests) {
  std::vector<ScoreResult> results;
  for (const auto& request : requests) {
    double sum = 0;
    for (const int32_t id : request.continuation_ids) sum -= 0.1 * id;
    results.push_back({.log_likelihood = sum, .num_tokens = 1, .is_greedy = false});
  }
  return results;
}

TEST(CheckInvariance, SeesEveryWayInWhichAScoreMayDepend) {
  std::vector<ScoreRequest> requests;
  for (const char* text : {" a", " bc", " def"}) requests.push_back(encode_bytes("x", text, false));
  constexpr double kLastBit = 1e-15;
  EXPECT_TRUE(check_invariance(requests, [](auto r, auto, auto) { return scored(r); }).passed);

  const auto when = [&](auto condition) {
    return check_invariance(requests,
                            [&](std::span<const ScoreRequest> r, int64_t batch, int64_t threads) {
                              auto results = scored(r);
                              if (condition(r, batch, threads))
                                results.back().log_likelihood *= 1 + kLastBit;
                              return results;
                            });
  };
  EXPECT_EQ(when([](auto, auto batch, auto) { return batch == 64; }).detail,
            "request 2 differs in batches of 64 rows");
  EXPECT_EQ(when([](auto, auto, auto threads) { return threads == 2; }).detail,
            "request 2 differs on two threads");
  EXPECT_EQ(when([](auto r, auto, auto) { return r.size() == 1; }).detail,
            "request 0 differs when scored alone");
  EXPECT_EQ(when([](auto r, auto, auto) {
              return r.size() == 3 && r.front().continuation_ids.size() == 4;
            }).detail,
            "request 0 differs in reversed order");
}

TEST(RequirePassed, NamesTheCheck) {
  const std::vector<SelfTest> tests{{"one BOS", true, ""}, {"NaN scan", false, "norm: 3 values"}};
  try {
    require_passed(tests);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "self-test 'NaN scan' failed: norm: 3 values");
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
  }
}

}  // namespace
}  // namespace assay
