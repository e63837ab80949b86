#pragma once
// Independent pieces of work on OpenMP threads: the runs of an ensemble, the origins of a
// back-test.

#include <functional>

namespace tapestry::airline {

/// f(0) ... f(n-1) on `workers` threads (0: one per processor), in any order. The first exception
/// stops what has not begun yet and is thrown here.
void parallel_for(size_t n, int64_t workers, const std::function<void(size_t)>& f);

}  // namespace tapestry::airline
