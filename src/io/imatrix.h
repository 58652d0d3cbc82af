#pragma once
// Importance matrices of llama.cpp: what a model's linears saw as inputs on some text, for encoders
// that weigh the errors of columns by it.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace assay {

struct ImportanceMatrix {
  // By the GGUF name of the weight ("blk.0.attn_q.weight"): the mean square of each input column,
  // expert after expert where there are several. 1 in place of a mean that nothing was counted for.
  std::map<std::string, std::vector<float>, std::less<>> mean_squares;
  std::vector<std::string> datasets;  // of which texts, as the file says
  int64_t chunks = 0;                 // pieces of text
};

// The GGUF form (tensors NAME.in_sum2 and NAME.counts) or the older one without magic: i32 number
// of entries, of each {i32 length; name; i32 calls; i32 values; f32 sums[values]}, then {i32
// chunks; i32 length; name of the text} or nothing. Nothing is allocated before its bytes are
// there. Error(kCorruptFile) names the entry: cut short, negative or not finite, one tensor without
// the other.
ImportanceMatrix parse_imatrix(std::span<const std::byte> file);

// Maps and parses; errors name the file.
ImportanceMatrix open_imatrix(const std::filesystem::path& path);

// Sums over `count` tokens, of one weight.
struct ImportanceSums {
  std::vector<float> sum_of_squares;  // by input column
  int64_t count = 0;
};

// The GGUF form as bytes, of `chunks` pieces of `chunk_tokens` tokens each.
std::string imatrix_bytes(const std::map<std::string, ImportanceSums>& sums,
                          const std::vector<std::string>& datasets, int64_t chunks,
                          int64_t chunk_tokens);

}  // namespace assay
