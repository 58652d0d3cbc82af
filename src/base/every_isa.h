#pragma once
// A function whose loops the compiler vectorizes for each instruction set; the best one is taken
// when the program starts. For loops whose results do not depend on that: element by element, or
// sums of integers.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ASSAY_EVERY_ISA __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ASSAY_EVERY_ISA
#endif
