#include "stats/discordance.h"

#include "base/error.h"
#include "stats/proportion.h"

namespace assay {

Interval discordance_bound(int64_t num_lowered, int64_t num_raised, int64_t num_clusters,
                           double scale, double confidence) {
  require(scale >= 0, "discordance_bound: scale must not be negative, got ", scale);
  return {-scale * clopper_pearson(num_lowered, num_clusters, confidence).high,
          scale * clopper_pearson(num_raised, num_clusters, confidence).high};
}

}  // namespace assay
