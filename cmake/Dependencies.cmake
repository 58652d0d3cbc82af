# Third-party code: Debian packages, and libtorch from the unpacked wheel (scripts/setup.sh).

find_program(CCACHE ccache)
if(CCACHE)
  # The precompiled header changes its time stamp in every build folder; ccache must look through it.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)

add_library(assay_flags INTERFACE)
target_compile_options(assay_flags INTERFACE
  -Wall -Wextra -Wconversion -Werror
  # The same source gives the same float32 bits whatever the compiler would like to fuse.
  -ffp-contract=off
  # GCC 12 sees overlaps and overruns in std::string concatenation that are not there (GCC bug 105651).
  "$<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess;-Wno-restrict;-Wno-array-bounds;-Wno-stringop-overflow>")
# Checks that cost as much as the work that they check run in debug builds alone.
target_compile_definitions(assay_flags INTERFACE $<$<CONFIG:Debug>:ASSAY_DEBUG>)
target_link_options(assay_flags INTERFACE -Wl,--as-needed)
if(ASSAY_FUZZ)
  target_compile_options(assay_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ASSAY_SANITIZE)
  target_compile_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE} -fno-sanitize-recover=all
                                               -fno-omit-frame-pointer)
  target_link_options(assay_flags INTERFACE -fsanitize=${ASSAY_SANITIZE})
endif()

# Where set-up put libtorch, the model and the registry data; the program looks in the same place.
if(DEFINED ENV{ASSAY_CACHE})
  set(ASSAY_CACHE $ENV{ASSAY_CACHE})
else()
  set(ASSAY_CACHE $ENV{HOME}/.cache/assay)
endif()
set(TORCH_DIR ${ASSAY_CACHE}/torch-2.13.0/torch)

if(NOT ASSAY_FUZZ)
  if(NOT EXISTS ${TORCH_DIR}/include/ATen/ATen.h)
    message(FATAL_ERROR "no libtorch in ${TORCH_DIR}: run scripts/setup.sh first")
  endif()
  # No find_package(Torch): it fails on the CUDA wheel and adds stray run paths.
  add_library(assay_torch INTERFACE)
  target_include_directories(assay_torch SYSTEM INTERFACE
    ${TORCH_DIR}/include ${TORCH_DIR}/include/torch/csrc/api/include)
  # Without -fopenmp at::parallel_for is silently serial in our code.
  target_compile_options(assay_torch INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fopenmp>)
  target_link_libraries(assay_torch INTERFACE
    ${TORCH_DIR}/lib/libtorch_cpu.so ${TORCH_DIR}/lib/libc10.so)
  target_link_options(assay_torch INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-fopenmp> -Wl,-rpath,${TORCH_DIR}/lib -Wl,-rpath-link,${TORCH_DIR}/lib
    # Where set-up puts the CUDA libraries that libtorch_cpu.so of the CUDA wheel refers to.
    -Wl,-rpath-link,${TORCH_DIR}/../nvidia/cu13/lib)

  add_library(assay_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
  target_link_libraries(assay_pch PRIVATE assay_flags assay_torch nlohmann_json::nlohmann_json)
  target_precompile_headers(assay_pch PRIVATE
    <ATen/ATen.h> <nlohmann/json.hpp> <algorithm> <map> <optional> <span> <string> <vector>)
endif()
