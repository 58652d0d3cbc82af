#pragma once
// An outcome is a number that a task reports for a run and that two runs are compared on. It is a
// function of sums over items, so one table line defines the value, its resampling and its
// comparison.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "judge/score.h"

namespace assay {

// kTowardsZero: signed bias, two-sided.
enum class Direction { kHigherIsBetter, kLowerIsBetter, kTowardsZero };
// How two values are set against each other.
enum class Scale { kDifference, kRatio };

struct Outcome {
  std::string_view name = {};  // "acc", "s_amb", "perplexity"
  std::string_view dimension =
      {};  // "stereotype bias", "dialect", "language modelling", "downstream"
  Direction direction = Direction::kHigherIsBetter;
  Scale scale = Scale::kDifference;
  double margin = 0.05;                         // > 0; of a difference, or the ratio (1.10)
  std::optional<double> chance = std::nullopt;  // the floor of a base that knows nothing
  int num_components = 2;                       // doubles that an item adds
  // The value from the sums of the components over items; NaN when undefined. A mean has components
  // {value, 1}.
  double (*statistic)(std::span<const double> sums) = nullptr;
  // statistic(sums) == sums[0] / sums[1], sums[1] = number of items that the outcome is about
  bool is_mean = false;
  // A mean that is signed for the first of an item's groups and has the other sign for the second:
  // groups have values, all items together have none.
  bool between_groups = false;
  // What is no function of sums has one of these instead of `statistic` (docs/adr/0060): functions
  // of the components of all items, [items, num_components], the last of which is a signed number.
  // - A maximum or a mean of absolute means: a value, no interval, and beside it what chance alone
  //   gives, when the signs of whole clusters are drawn.
  double (*of_items)(std::span<const double> rows) = nullptr;
  // - How far two arms agree, item for item; 1 when in full. One arm alone has no value.
  double (*agreement)(std::span<const double> base, std::span<const double> variant) = nullptr;
  bool primary = false;  // one per dimension decides; the rest is exploratory
};

// What one item adds to one outcome: its components; an empty vector when the outcome is not about
// this item (an ambiguous question and the accuracy on disambiguated ones); or why it should add
// something and does not.
using Contribution = std::variant<std::vector<double>, Unscored>;

double mean_statistic(std::span<const double> sums);  // sums[0] / sums[1]

// The value of one arm from the components of its items, row by row; NaN where it has none.
double value_of(const Outcome& outcome, std::span<const double> rows);

}  // namespace assay
