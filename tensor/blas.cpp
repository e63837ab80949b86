#include <tapestry/tensor/blas.h>

#include <cblas.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string_view>

#include <tapestry/tensor/error.h>

namespace tapestry {
namespace {

std::atomic<bool> chosen{false};
thread_local bool chosen_here = false;

}  // namespace

std::string blas_description() {
  prepare_blas();
  const int n = openblas_get_num_threads();
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... Zen MAX_THREADS=64"
  std::string name = openblas_get_config();
  name = name.substr(0, name.find(' ', name.find(' ') + 1));
  const int kind = openblas_get_parallel();
  return name +
         (kind == OPENBLAS_OPENMP   ? ", OpenMP"
          : kind == OPENBLAS_THREAD ? ", pthreads"
                                    : ", serial") +
         ", core " + openblas_get_corename() + ", " + std::to_string(n) +
         (n == 1 ? " thread" : " threads");
}

std::string better_blas_core() {
  if (std::getenv("OPENBLAS_CORETYPE")) return {};
#if defined(__x86_64__)
  constexpr std::array<std::string_view, 6> modern = {"Haswell",  "Excavator",  "Zen",
                                                      "SkylakeX", "Cooperlake", "SapphireRapids"};
  if (std::find(modern.begin(), modern.end(), openblas_get_corename()) != modern.end()) return {};
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return {};
}

void restart_with_better_blas(char** argv) {
  const std::string core = better_blas_core();
  if (core.empty() || setenv("OPENBLAS_CORETYPE", core.c_str(), 1) != 0) return;
  std::error_code none;  // the path itself, which `ps` shows
  const auto program = std::filesystem::read_symlink("/proc/self/exe", none);
  execv(none ? "/proc/self/exe" : program.c_str(), argv);
}

void set_blas_threads(int n) {
  require<ValueError>(n >= 1, "set_blas_threads: ", n, " threads, expected at least 1");
  static std::mutex one_at_a_time;  // OpenBLAS frees and allocates buffers here
  const std::lock_guard lock(one_at_a_time);
  openblas_set_num_threads(n);
  chosen_here = true;
  chosen.store(true, std::memory_order_release);
}

void prepare_blas() {
  static const bool per_thread = openblas_get_parallel() == OPENBLAS_OPENMP;
  if (!(per_thread ? chosen_here : chosen.load(std::memory_order_acquire))) set_blas_threads(1);
}

BlasThreads::BlasThreads(int n) {
  prepare_blas();
  before_ = openblas_get_num_threads();
  if (n != before_) set_blas_threads(n);
}

BlasThreads::~BlasThreads() {
  if (openblas_get_num_threads() != before_) set_blas_threads(before_);
}

}  // namespace tapestry
