#include <omp.h>
#include <tapestry/examples/airline/parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>

namespace tapestry::airline {

void parallel_for(size_t n, int64_t workers, const std::function<void(size_t)>& f) {
  const int64_t wanted = workers > 0 ? workers : omp_get_num_procs();
  const int threads = static_cast<int>(std::clamp<int64_t>(wanted, 1, static_cast<int64_t>(n) + 1));
  std::atomic<size_t> next = 0;
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  for (size_t i = next++; i < n; i = next++) {
    try {
      f(i);
    } catch (...) {
      next = n;
#pragma omp critical(airline_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace tapestry::airline
