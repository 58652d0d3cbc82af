#include "tasks/limit.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <tuple>

#include "base/error.h"
#include "base/hash.h"

namespace assay {
namespace {

std::string order_key(uint64_t seed, const std::string& name) {
  return sha256_hex(std::to_string(seed) + "\n" + name);
}

// How many of `limit` each group of the given size gets: by size, largest remainders first.
std::vector<int64_t> shares_by_size(const std::vector<int64_t>& sizes, int64_t limit) {
  const int64_t total = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  std::vector<int64_t> shares;
  std::vector<std::pair<int64_t, size_t>> remainders;  // negated, so that the largest sorts first
  int64_t given = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    shares.push_back(limit * sizes[i] / total);
    remainders.emplace_back(-(limit * sizes[i] % total), i);
    given += shares.back();
  }
  std::ranges::sort(remainders);
  for (size_t i = 0; given < limit; ++i, ++given) ++shares[remainders[i].second];
  return shares;
}

// The indices of one stratum in the order in which they are drawn: clusters take turns.
std::vector<size_t> draw_order(const std::vector<Sample>& samples,
                               const std::vector<size_t>& stratum, uint64_t seed) {
  std::map<std::string, std::vector<std::pair<std::string, size_t>>> clusters;  // by key
  for (const size_t i : stratum) {
    clusters[order_key(seed, samples[i].cluster)].emplace_back(order_key(seed, samples[i].id), i);
  }
  std::vector<std::tuple<size_t, std::string, size_t>> turns;  // (turn, cluster key, index)
  for (auto& [key, members] : clusters) {
    std::ranges::sort(members);
    for (size_t turn = 0; turn < members.size(); ++turn) {
      turns.emplace_back(turn, key, members[turn].second);
    }
  }
  std::ranges::sort(turns);
  std::vector<size_t> order;
  order.reserve(turns.size());
  for (const auto& turn : turns) order.push_back(std::get<2>(turn));
  return order;
}

}  // namespace

std::vector<Sample> drawn(std::vector<Sample> samples, std::optional<int64_t> limit,
                          uint64_t seed) {
  require(!limit || *limit >= 1, "limit must be at least 1, got ", limit.value_or(0));
  if (!limit || *limit >= static_cast<int64_t>(samples.size())) return samples;
  std::map<std::string, std::vector<size_t>> strata;
  for (size_t i = 0; i < samples.size(); ++i) strata[samples[i].stratum].push_back(i);
  std::vector<int64_t> sizes;
  sizes.reserve(strata.size());
  for (const auto& [name, members] : strata) sizes.push_back(static_cast<int64_t>(members.size()));
  const auto shares = shares_by_size(sizes, *limit);
  std::set<size_t> kept;
  size_t at = 0;
  for (const auto& [name, members] : strata) {
    const auto order = draw_order(samples, members, seed);
    kept.insert(order.begin(), order.begin() + shares[at++]);
  }
  std::vector<Sample> out;
  out.reserve(kept.size());
  for (const size_t i : kept) out.push_back(std::move(samples[i]));
  return out;
}

}  // namespace assay
