#include <tapestry/tensor/blas.h>

#include <cblas.h>

#include <atomic>
#include <mutex>

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

}  // namespace tapestry
