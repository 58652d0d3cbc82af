#include "model/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 5> kTypes{"default", "linear", "llama3", "yarn", "longrope"};

void require_positive(double value, std::string_view key) {
  require(std::isfinite(value) && value > 0, key, " must be positive, got ", value);
}

void check(const RopeScaling& s) {
  require_positive(s.factor, "factor");
  if (s.rope_type == "llama3") {
    require_positive(s.low_freq_factor, "low_freq_factor");
    require(std::isfinite(s.high_freq_factor) && s.high_freq_factor > s.low_freq_factor,
            "high_freq_factor must be above low_freq_factor ", s.low_freq_factor, ", got ",
            s.high_freq_factor);
  }
  if (s.rope_type == "yarn") {
    require_positive(s.beta_fast, "beta_fast");
    require_positive(s.beta_slow, "beta_slow");
    require(std::isfinite(s.attention_factor) && s.attention_factor >= 0,
            "attention_factor must not be negative, got ", s.attention_factor);
  }
  if (s.rope_type == "longrope") {
    require(!s.short_factor.empty() && s.short_factor.size() == s.long_factor.size(),
            "short_factor and long_factor must be lists of one length, got ", s.short_factor.size(),
            " and ", s.long_factor.size());
    for (const double factor : s.short_factor) require_positive(factor, "short_factor");
    for (const double factor : s.long_factor) require_positive(factor, "long_factor");
  }
  if (s.rope_type != "default" && s.rope_type != "linear") {
    require(s.original_max_position_embeddings > 0,
            "original_max_position_embeddings must be positive, got ",
            s.original_max_position_embeddings);
  }
}

// theta^(2i / head_dim)
std::vector<float> periods(int64_t head_dim, double theta) {
  std::vector<float> periods;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    periods.push_back(static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  return periods;
}

// Long waves are stretched, short ones stay, and between them the two are mixed.
float llama3_frequency(float f, const RopeScaling& s) {
  const auto factor = static_cast<float>(s.factor), low = static_cast<float>(s.low_freq_factor),
             high = static_cast<float>(s.high_freq_factor);
  const auto context = static_cast<double>(s.original_max_position_embeddings);
  const float wave = static_cast<float>(2 * std::numbers::pi) / f;
  if (wave < static_cast<float>(context / s.high_freq_factor)) return f;
  if (wave > static_cast<float>(context / s.low_freq_factor)) return f / factor;
  const float share = (static_cast<float>(context) / wave - low) / (high - low);
  return (1 - share) * f / factor + share * f;
}

// The dimension whose wave turns this many times within the original length.
double yarn_dimension(double turns, int64_t head_dim, double theta, const RopeScaling& s) {
  const auto length = static_cast<double>(s.original_max_position_embeddings);
  return static_cast<double>(head_dim) * std::log(length / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(theta));
}

RotaryFrequencies yarn(int64_t head_dim, double theta, const RopeScaling& s) {
  double low = yarn_dimension(s.beta_fast, head_dim, theta, s),
         high = yarn_dimension(s.beta_slow, head_dim, theta, s);
  if (s.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) high += 0.001;
  RotaryFrequencies result;
  const auto factor = static_cast<float>(s.factor);
  float i = 0;
  for (const float period : periods(head_dim, theta)) {
    const float ramp =
        std::clamp((i++ - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f, 1.0f);
    const float kept = 1 - ramp;
    result.inverse.push_back(1 / (factor * period) * (1 - kept) + 1 / period * kept);
  }
  const double magnitude = s.attention_factor > 0 ? s.attention_factor
                           : s.factor <= 1        ? 1
                                                  : 0.1 * std::log(s.factor) + 1;
  result.magnitude = static_cast<float>(magnitude);
  return result;
}

RotaryFrequencies longrope(int64_t width, double theta, const RopeScaling& s) {
  require(std::ssize(s.short_factor) == width / 2, "longrope: short_factor has ",
          s.short_factor.size(), " entries for ", width / 2, " frequencies");
  RotaryFrequencies result;
  size_t i = 0;
  for (const float period : periods(width, theta))
    result.inverse.push_back(1.0f / (static_cast<float>(s.short_factor[i++]) * period));
  const auto original = static_cast<double>(s.original_max_position_embeddings);
  result.magnitude =
      static_cast<float>(s.attention_factor > 0 ? s.attention_factor
                         : s.factor <= 1        ? 1
                                         : std::sqrt(1 + std::log(s.factor) / std::log(original)));
  return result;
}

}  // namespace

RopeScaling rope_scaling_from_json(const Json& rope, int64_t max_position_embeddings) {
  constexpr const char* kWhere = "rope scaling";
  require(rope.is_object(), "must be an object, got ", rope.dump());
  const auto* type_key = rope.contains("rope_type") ? "rope_type" : "type";
  RopeScaling s;
  s.rope_type = json_get_or<std::string>(rope, type_key, "default", kWhere);
  if (s.rope_type == "su") s.rope_type = "longrope";  // its first name
  require(std::ranges::find(kTypes, s.rope_type) != kTypes.end(), "unsupported type '", s.rope_type,
          "'", suggest(s.rope_type, kTypes));
  if (s.rope_type == "default") {
    require(json_get_or<double>(rope, "factor", 1.0, kWhere) == 1,
            "a factor needs a type, got none");
    return s;
  }
  for (const auto* refused : {"mscale", "mscale_all_dim"}) {
    require(!rope.contains(refused) || rope[refused].is_null(), "unsupported: '", refused, "'");
  }
  if (s.rope_type == "longrope") {
    s.short_factor = json_get<std::vector<double>>(rope, "short_factor", kWhere);
    s.long_factor = json_get<std::vector<double>>(rope, "long_factor", kWhere);
    s.attention_factor = json_get_or<double>(rope, "attention_factor", 0, kWhere);
  } else {
    s.factor = json_get<double>(rope, "factor", kWhere);
  }
  if (s.rope_type != "linear") {
    s.original_max_position_embeddings = json_get_or<int64_t>(
        rope, "original_max_position_embeddings", max_position_embeddings, kWhere);
  }
  if (s.rope_type == "llama3") {
    s.low_freq_factor = json_get<double>(rope, "low_freq_factor", kWhere);
    s.high_freq_factor = json_get<double>(rope, "high_freq_factor", kWhere);
  }
  if (s.rope_type == "yarn") {
    s.beta_fast = json_get_or<double>(rope, "beta_fast", 32, kWhere);
    s.beta_slow = json_get_or<double>(rope, "beta_slow", 1, kWhere);
    s.attention_factor = json_get_or<double>(rope, "attention_factor", 0, kWhere);
    s.truncate = json_get_or<bool>(rope, "truncate", true, kWhere);
  }
  check(s);
  return s;
}

Json to_json(const RopeScaling& s) {
  if (s.rope_type == "default") return nullptr;
  Json json{{"rope_type", s.rope_type}, {"factor", s.factor}};
  if (s.rope_type != "linear")
    json["original_max_position_embeddings"] = s.original_max_position_embeddings;
  if (s.rope_type == "llama3") {
    json["low_freq_factor"] = s.low_freq_factor;
    json["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.rope_type == "longrope") {
    json["short_factor"] = s.short_factor;
    json["long_factor"] = s.long_factor;
    if (s.attention_factor > 0) json["attention_factor"] = s.attention_factor;
  }
  if (s.rope_type == "yarn") {
    json["beta_fast"] = s.beta_fast;
    json["beta_slow"] = s.beta_slow;
    if (s.attention_factor > 0) json["attention_factor"] = s.attention_factor;
    json["truncate"] = s.truncate;
  }
  return json;
}

RotaryFrequencies rotary_frequencies(int64_t width, double theta, const RopeScaling& scaling) {
  if (scaling.rope_type == "yarn") return yarn(width, theta, scaling);
  if (scaling.rope_type == "longrope") return longrope(width, theta, scaling);
  RotaryFrequencies result;
  for (const float period : periods(width, theta)) {
    float f = 1.0f / period;
    if (scaling.rope_type == "linear") f /= static_cast<float>(scaling.factor);
    if (scaling.rope_type == "llama3") f = llama3_frequency(f, scaling);
    result.inverse.push_back(f);
  }
  return result;
}

std::vector<float> divisors_of_scaling(int64_t width, double theta, const RopeScaling& scaling) {
  auto divisors = rotary_frequencies(width, theta, {}).inverse;
  const auto scaled = rotary_frequencies(width, theta, scaling).inverse;
  for (size_t i = 0; i < divisors.size(); ++i) divisors[i] /= scaled[i];
  return divisors;
}

RopeScaling scaling_of_divisors(std::span<const float> divisors, double theta) {
  const auto head_dim = 2 * static_cast<int64_t>(divisors.size());
  const auto plain = rotary_frequencies(head_dim, theta, {}).inverse;
  for (const double factor : {8.0, 32.0}) {  // Llama 3.1 and 3.3, Llama 3.2
    const RopeScaling scaling{
        .rope_type = "llama3", .factor = factor, .original_max_position_embeddings = 8192};
    const auto scaled = rotary_frequencies(head_dim, theta, scaling).inverse;
    bool fits = true;
    for (size_t i = 0; i < divisors.size(); ++i)
      fits = fits && std::abs(plain[i] / divisors[i] / scaled[i] - 1) < 1e-4f;
    if (fits) return scaling;
  }
  fail(ErrorKind::kBadInput, "these divisors of rotary frequencies are of no published scaling");
}

}  // namespace assay
