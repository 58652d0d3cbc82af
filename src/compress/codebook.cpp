#include "compress/codebook.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

constexpr std::array<float, 16> kNf4Values{
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// Entry k lies between values k and k + 1. Half of the sums of two float32 values, rounded as
// bitsandbytes has them.
constexpr std::array<float, 15> kNf4Midpoints{
    -0.8480964004993439f,  -0.6106329262256622f,  -0.4599952697753906f,   -0.33967943489551544f,
    -0.23460740596055984f, -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f,
    0.1202552504837513f,   0.2035212516784668f,   0.2920137718319893f,    0.3893125355243683f,
    0.5016634166240692f,   0.6427869200706482f,   0.8614784178118011f,
};

// Twelfths, by the code's lower three bits.
constexpr std::array<float, 16> kFp4Values{
    0.0f,          0.0625f / 12.0f,  8.0f / 12.0f,  1.0f,
    4.0f / 12.0f,  6.0f / 12.0f,     2.0f / 12.0f,  3.0f / 12.0f,
    -0.0f,         -0.0625f / 12.0f, -8.0f / 12.0f, -1.0f,
    -4.0f / 12.0f, -6.0f / 12.0f,    -2.0f / 12.0f, -3.0f / 12.0f,
};

// Between neighbouring magnitudes in ascending order; the codes in that order.
constexpr std::array<float, 7> kFp4Midpoints{0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                             0.4166667f,  0.583333f,  0.8333333f};
constexpr std::array<uint8_t, 8> kFp4ByMagnitude{0, 1, 6, 7, 4, 5, 2, 3};

uint8_t code_of_zero(Codebook codebook) { return codebook == Codebook::kNf4 ? 7 : 0; }

// How many of some ascending midpoints lie strictly below x in [-1, 1], by one look-up and one
// comparison. cell() never decreases with x, so midpoints in lower cells lie below x and those in
// higher ones do not, however it rounds; what is left is the midpoint in x's own cell, of which
// there is at most one.
class RankTable {
 public:
  explicit RankTable(std::span<const float> midpoints) {
    threshold_.fill(std::numeric_limits<float>::infinity());
    for (const float m : midpoints) {
      const size_t own = cell(m);
      if (threshold_[own] < std::numeric_limits<float>::infinity()) {
        fail(ErrorKind::kInternal, "codebook: two midpoints in one cell");
      }
      threshold_[own] = m;
      for (size_t c = own + 1; c < kCells; ++c) ++base_[c];
    }
  }

  uint32_t rank(float x) const {
    const size_t own = cell(x);
    return base_[own] + static_cast<uint32_t>(x > threshold_[own]);
  }

 private:
  static constexpr size_t kCells = 257;  // 1/128 wide; no two midpoints are that close

  static size_t cell(float x) {
    const auto i = static_cast<int32_t>((x + 1.0f) * 128.0f);
    return static_cast<size_t>(std::clamp(i, 0, 256));  // rounding may leave [-1, 1] by an ulp
  }

  std::array<uint32_t, kCells> base_{};
  std::array<float, kCells> threshold_{};
};

struct Nf4Encoder {
  RankTable table{kNf4Midpoints};
  uint8_t operator()(float x) const { return static_cast<uint8_t>(table.rank(x)); }
};

struct Fp4Encoder {
  RankTable table{kFp4Midpoints};
  uint8_t operator()(float x) const {
    const uint8_t magnitude = kFp4ByMagnitude[table.rank(std::abs(x))];
    return static_cast<uint8_t>(magnitude | (x < 0 ? 8 : 0));
  }
};

float largest_magnitude(const float* x, int64_t n) {
  float chains[4] = {0, 0, 0, 0};  // four, so that one comparison need not wait for the last
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int64_t c = 0; c < 4; ++c) chains[c] = std::max(chains[c], std::abs(x[i + c]));
  }
  for (; i < n; ++i) chains[0] = std::max(chains[0], std::abs(x[i]));
  return std::max(std::max(chains[0], chains[1]), std::max(chains[2], chains[3]));
}

// x / absmax, as the reference has it: times the reciprocal, where float32 holds that.
struct Scaling {
  explicit Scaling(float absmax) : divisor(absmax), factor(1.0f / absmax) {}
  float operator()(float x) const { return std::isinf(factor) ? x / divisor : x * factor; }

  float divisor, factor;
};

template <class Encoder>
void encode_block(const float* x, int64_t n, float absmax, const Encoder& encoder, uint8_t* codes) {
  const Scaling scaled(absmax);
  for (int64_t i = 0; i < n; ++i) codes[i] = encoder(scaled(x[i]));
}

// fn(block, first entry, entries), blocks in parallel.
template <class Fn>
void for_each_block(int64_t num_entries, int64_t block_size, const Fn& fn) {
  const int64_t blocks = (num_entries + block_size - 1) / block_size;
  for_each_row_block(blocks, block_size, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * block_size;
      fn(block, first, std::min(block_size, num_entries - first));
    }
  });
}

void check_config(const CodebookConfig& config) {
  const int64_t size = config.block_size;
  require(32 <= size && size <= 4096 && std::has_single_bit(static_cast<uint64_t>(size)),
          "codebook: block_size must be a power of two in [32, 4096], got ", size);
}

void require_codes(const at::Tensor& codes) {
  require(codes.dim() == 2 && codes.numel() > 0 && codes.scalar_type() == at::kByte,
          "codebook: codes must be uint8 [out, in], got ", codes.scalar_type(), " ", codes.sizes());
  const int largest = codes.max().item<int>();
  require(largest < 16, "codebook: codes must be below 16, got ", largest);
}

template <class Encoder>
void encode(const at::Tensor& weight, const CodebookConfig& config, CodebookResult& result) {
  const Encoder encoder;
  const float* in = weight.const_data_ptr<float>();
  uint8_t* codes = result.codes.mutable_data_ptr<uint8_t>();
  float* absmax = result.absmax.mutable_data_ptr<float>();
  for_each_block(weight.numel(), config.block_size,
                 [&](int64_t block, int64_t first, int64_t width) {
                   absmax[block] = largest_magnitude(in + first, width);
                   if (absmax[block] == 0) {
                     std::fill_n(codes + first, width, code_of_zero(config.codebook));
                   } else {
                     encode_block(in + first, width, absmax[block], encoder, codes + first);
                   }
                 });
}

// Ascending: 0, 1, and +-10^(i - 6) times the middles of 2^i equal parts of [0.1, 1], i = 0 ... 6.
std::array<float, 256> make_dynamic_map() {
  std::array<float, 256> map{};
  size_t next = 0;
  map[next++] = 0.0f;
  map[next++] = 1.0f;
  for (int i = 0; i < 7; ++i) {
    const int parts = 1 << i;
    for (int part = 0; part < parts; ++part) {
      const double middle = 0.1 + 0.9 * (2 * part + 1) / (2 * parts);
      const auto value = static_cast<float>(middle * std::pow(10.0, i - 6));
      map[next++] = value;
      map[next++] = -value;
    }
  }
  std::ranges::sort(map);
  return map;
}

uint8_t nearest_in_map(float x) {
  const auto& map = dynamic_map();
  const auto above = std::ranges::lower_bound(map, x);
  if (above == map.begin()) return 0;
  if (above == map.end()) return 255;
  const auto below = above - 1;
  // Differences of neighbours in double are exact enough to tell which is nearer.
  const bool lower = static_cast<double>(x) - static_cast<double>(*below) <=
                     static_cast<double>(*above) - static_cast<double>(x);
  return static_cast<uint8_t>((lower ? below : above) - map.begin());
}

}  // namespace

const std::array<float, 16>& codebook_values(Codebook codebook) {
  return codebook == Codebook::kNf4 ? kNf4Values : kFp4Values;
}

const std::array<float, 256>& dynamic_map() {
  static const std::array<float, 256> map = make_dynamic_map();
  return map;
}

NestedAbsmax nest_absmax(const at::Tensor& absmax) {
  require(absmax.dim() == 1 && absmax.numel() > 0 && absmax.scalar_type() == at::kFloat,
          "codebook: scales must be float32 [blocks], got ", absmax.scalar_type(), " ",
          absmax.sizes());
  const auto in_order = absmax.contiguous();
  const float* in = in_order.const_data_ptr<float>();
  const int64_t blocks = absmax.numel(), groups = (blocks + kNestedBlock - 1) / kNestedBlock;
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b) sum += static_cast<double>(in[b]);
  NestedAbsmax nested{at::empty({blocks}, at::kByte), at::empty({groups}, at::kFloat),
                      static_cast<float>(sum / static_cast<double>(blocks))};
  require(std::isfinite(nested.offset), "codebook: scales must be finite, their mean is ",
          nested.offset);
  uint8_t* codes = nested.codes.mutable_data_ptr<uint8_t>();
  float* scale = nested.absmax.mutable_data_ptr<float>();
  for_each_block(blocks, kNestedBlock, [&](int64_t group, int64_t first, int64_t width) {
    std::array<float, kNestedBlock> centred{};
    for (int64_t i = 0; i < width; ++i) {
      centred[static_cast<size_t>(i)] = in[first + i] - nested.offset;
    }
    scale[group] = largest_magnitude(centred.data(), width);
    const Scaling scaled(scale[group]);
    for (int64_t i = 0; i < width; ++i) {
      const float x = centred[static_cast<size_t>(i)];
      codes[first + i] = nearest_in_map(scale[group] == 0 ? 0.0f : scaled(x));
    }
  });
  return nested;
}

at::Tensor unnest_absmax(const NestedAbsmax& nested) {
  const int64_t blocks = nested.codes.numel();
  require(
      nested.codes.dim() == 1 && blocks > 0 && nested.codes.scalar_type() == at::kByte &&
          nested.absmax.scalar_type() == at::kFloat &&
          nested.absmax.sizes() == at::IntArrayRef({(blocks + kNestedBlock - 1) / kNestedBlock}),
      "codebook: ", nested.codes.sizes(), " codes of scales do not go with ", nested.absmax.sizes(),
      " scales of their own");
  const auto codes = nested.codes.contiguous(), scale = nested.absmax.contiguous();
  const uint8_t* in = codes.const_data_ptr<uint8_t>();
  const float* factor = scale.const_data_ptr<float>();
  auto absmax = at::empty({blocks}, at::kFloat);
  float* out = absmax.mutable_data_ptr<float>();
  for (int64_t b = 0; b < blocks; ++b) {
    const float centred = dynamic_map()[in[b]] * factor[b / kNestedBlock];
    out[b] = centred + nested.offset;
  }
  return absmax;
}

CodebookResult codebook_quantize(const at::Tensor& weight, const CodebookConfig& config) {
  check_config(config);
  require(at::isFloatingType(weight.scalar_type()), "codebook: weight must be floating point, got ",
          weight.scalar_type());
  const auto in_order = weight.to(at::kFloat).contiguous();
  require_finite_matrix(in_order, "codebook: weight in float32");
  const int64_t blocks = (weight.numel() + config.block_size - 1) / config.block_size;
  CodebookResult result;
  result.codes = at::empty(weight.sizes(), at::kByte);
  result.absmax = at::empty({blocks}, at::kFloat);
  if (config.codebook == Codebook::kNf4) {
    encode<Nf4Encoder>(in_order, config, result);
  } else {
    encode<Fp4Encoder>(in_order, config, result);
  }
  if (config.double_quant) {
    result.nested = nest_absmax(result.absmax);
    result.absmax = unnest_absmax(*result.nested);
  }
  result.values = codebook_dequantize(result.codes, result.absmax, config);
  return result;
}

at::Tensor codebook_dequantize(const at::Tensor& codes, const at::Tensor& absmax,
                               const CodebookConfig& config) {
  check_config(config);
  require_codes(codes);
  const int64_t blocks = (codes.numel() + config.block_size - 1) / config.block_size;
  require(absmax.sizes() == at::IntArrayRef({blocks}) && absmax.scalar_type() == at::kFloat,
          "codebook: codes ", codes.sizes(), " in blocks of ", config.block_size,
          " need float32 scales [", blocks, "], got ", absmax.scalar_type(), " ", absmax.sizes());
  const auto codes_in_order = codes.contiguous(), scales_in_order = absmax.contiguous();
  const uint8_t* in = codes_in_order.const_data_ptr<uint8_t>();
  const float* scale = scales_in_order.const_data_ptr<float>();
  auto values = at::empty(codes.sizes(), at::kFloat);
  float* out = values.mutable_data_ptr<float>();
  const auto& table = codebook_values(config.codebook);
  for_each_block(codes.numel(), config.block_size,
                 [&](int64_t block, int64_t first, int64_t width) {
                   std::array<float, 16> scaled{};
                   for (size_t c = 0; c < 16; ++c) scaled[c] = table[c] * scale[block];
                   for (int64_t i = first; i < first + width; ++i) out[i] = scaled[in[i]];
                 });
  return values;
}

at::Tensor pack_codes(const at::Tensor& codes, Codebook codebook) {
  require_codes(codes);
  auto flat = codes.reshape({-1});
  if (flat.numel() % 2 == 1) {
    flat = at::cat({flat, at::full({1}, int{code_of_zero(codebook)}, at::kByte)});
  }
  const auto pairs = flat.view({-1, 2});
  return pairs.select(1, 0).mul(16).add(pairs.select(1, 1)).unsqueeze(1).contiguous();
}

double codebook_bits(const CodebookConfig& config) {
  check_config(config);
  const auto size = static_cast<double>(config.block_size);
  if (!config.double_quant) return 4 + 32 / size;
  return 4 + 8 / size + 32 / (size * static_cast<double>(kNestedBlock));
}

}  // namespace assay
