#pragma once
// How many OpenMP threads the kernels that can use several may use when called from this thread:
// one unless set. Workers of a parameter server keep one each: one level of parallelism, never two.

#include <tapestry/tensor/error.h>

namespace tapestry {

inline constinit thread_local int kernel_threads = 1;

/// For the calling thread; throws ValueError unless 1 <= n <= 1024.
inline void set_kernel_threads(int n) {
  require<ValueError>(n >= 1 && n <= 1024, "set_kernel_threads: ", n,
                      " threads, expected 1 to 1024");
  kernel_threads = n;
}

/// n threads for this thread's kernels as long as one lives, then as many as before.
class KernelThreads {
 public:
  explicit KernelThreads(int n) : before_(kernel_threads) { set_kernel_threads(n); }
  ~KernelThreads() { kernel_threads = before_; }
  KernelThreads(const KernelThreads&) = delete;
  KernelThreads& operator=(const KernelThreads&) = delete;

 private:
  int before_;
};

}  // namespace tapestry
