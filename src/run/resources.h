#pragma once
// What this machine has, for plans.

namespace assay {

double measured_gflops();  // float32 products of this program, about 0.2 s

}  // namespace assay
