#pragma once
// What the variants of a study compute once. A method's statistics see its own compressed blocks
// (docs/methods), so behind the first block nothing can be shared but what looks at the dense model
// alone:
//   statistics of the first block's inputs   one Hessian, norm or moment for all methods and bit
//                                            widths; the factor of a Hessian goes with it
//   gradients (GBLM)                         one backward pass for all patterns, alphas and scores
//   shares of outliers (OWL)                 one dense pass for all sparsities and lambdas
// All of one checkpoint and one calibration text. What is shared has the bits that each variant
// would have computed.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/gradient_store.h"
#include "compress/compress_linear.h"
#include "compress/memory_plan.h"
#include "compress/statistics.h"
#include "compress/work.h"

namespace assay {

enum class SharedKind { kFirstBlock, kGradients, kOutliers };

// A part that at least two of some configs look at, and which: indices into them.
struct SharedPart {
  SharedKind kind = SharedKind::kFirstBlock;
  std::string what;  // "Hessians of the first block"
  std::vector<size_t> users;
};
std::vector<SharedPart> shared_parts(std::span<const MethodConfig> configs);

class SharedWork {
 public:
  // Keeps what two of `configs` look at, until the last of them has asked for it.
  explicit SharedWork(std::span<const MethodConfig> configs);

  // The statistics of the linears of the dense first block; `gather` is asked for those that are
  // not there.
  std::map<std::string_view, InputStatistics> of_first_block(
      const MethodConfig& config, std::span<const std::string_view> linears,
      const std::function<std::map<std::string_view, InputStatistics>(const WantedStatistics&)>&
          gather);

  std::shared_ptr<const GradientStore> gradients(
      const MethodConfig& config,
      const std::function<std::shared_ptr<const GradientStore>()>& compute);

  // OWL's share of outliers of each block, in per cent.
  std::vector<double> outlier_percents(const OwlMethodConfig& config,
                                       const std::function<std::vector<double>()>& compute);

 private:
  template <class Value>
  Value take(std::map<std::string, Value>& kept, const std::string& part,
             const std::function<Value()>& compute);

  std::map<std::string, size_t> users_left_;  // of each part that is shared
  std::map<std::string, std::map<std::string_view, InputStatistics>> statistics_;
  std::map<std::string, std::shared_ptr<const GradientStore>> gradients_;
  std::map<std::string, std::vector<double>> outliers_;
};

// Bytes that SharedWork holds between variants at the most; `spill` says what lies in files.
int64_t shared_bytes(std::span<const MethodConfig> configs, const ModelConfig& model,
                     const Spill& spill = {});

// Of a compression, what is left out where the part is there already; that of one block's
// statistics is not counted.
double shared_gflop(SharedKind kind, const CompressionWork& work, int64_t num_layers);

}  // namespace assay
