#pragma once
// Whose mask a method lives with: weights go by the first, and the second rounds or moves those
// that stay. Zeros stay zeros.

namespace assay {

enum class MaskSource { kNone, kMagnitude, kWanda, kRia };

}  // namespace assay
