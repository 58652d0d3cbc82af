#pragma once
// Reading a quantization config key by key.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "pack/quantization_config.h"

namespace assay {

bool is_set(const Json& object, std::string_view key);  // there and not null

// Error(kBadInput) on a key that is not known and not null, with the nearest known one.
void refuse_unknown_keys(const Json& object, std::span<const std::string_view> known,
                         std::string_view where);

// The value of the first of the names that is set ("bits", "w_bit").
int64_t integer_of(const Json& object, std::initializer_list<const char*> names, int64_t fallback);

// A whole number in [1, 2^20], or -1.
int64_t group_size_of(const Json& object, int64_t fallback);

// A list of module names under the first of the keys that is set, as rules that leave them alone.
void add_skipped(const Json& object, std::initializer_list<const char*> keys,
                 std::vector<ModuleRule>& rules);

ModuleRule every_module(PackedLayout layout);
ModuleRule left_alone(ModulePattern::Kind kind, std::string text);

}  // namespace assay
