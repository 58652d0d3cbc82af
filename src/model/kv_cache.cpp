#include "model/kv_cache.h"

#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"

namespace assay {

using kernels::KvCacheFormat;

Json to_json(const KvCacheFormat& format) {
  return {{"bits", format.bits}, {"group_size", format.group_size}, {"sym", format.sym}};
}

std::optional<KvCacheFormat> kv_cache_format(const Json& provenance) {
  if (!provenance.is_object() || !provenance.contains("kv_cache")) return std::nullopt;
  constexpr std::string_view kWhere = "assay_provenance.json: kv_cache";
  constexpr std::array<std::string_view, 3> kKeys{"bits", "group_size", "sym"};
  const Json& json = provenance["kv_cache"];
  require(json.is_object(), kWhere, ": expected an object, got ", json.type_name());
  require_known_keys(json, kKeys, kWhere);
  const KvCacheFormat format{.bits = json_get<int64_t>(json, "bits", kWhere),
                             .group_size = json_get<int64_t>(json, "group_size", kWhere),
                             .sym = json_get<bool>(json, "sym", kWhere)};
  require(format.bits >= 2 && format.bits <= 8, kWhere, ": bits must be in [2, 8], got ",
          format.bits);
  require(format.group_size == -1 || format.group_size > 0, kWhere,
          ": group_size must be positive or -1 (all of a head), got ", format.group_size);
  return format;
}

double kv_cache_bits(const std::optional<KvCacheFormat>& format, int64_t head_dim) {
  constexpr double kValueBits = 16;
  if (!format) return kValueBits;
  const int64_t group_size = format->group_size == -1 ? head_dim : format->group_size;
  const int64_t num_groups = (head_dim + group_size - 1) / group_size;
  const double side_bits = static_cast<double>(num_groups) * (format->sym ? 1 : 2) * kValueBits;
  return static_cast<double>(format->bits) + side_bits / static_cast<double>(head_dim);
}

int64_t kv_cache_bytes(const ModelConfig& config, int64_t tokens, double bits) {
  const int64_t values =
      2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * tokens;
  return static_cast<int64_t>(std::ceil(static_cast<double>(values) * bits / 8));
}

}  // namespace assay
