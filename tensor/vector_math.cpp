#include <tapestry/tensor/vector_math.h>

#include <tapestry/tensor/kernels/elementary.h>

namespace tapestry {

#define TAPESTRY_ROW(name)                                 \
  void name##_row(const float* x, float* y, int64_t n) {   \
    simd::map_row(x, y, n, simd::name<float>);             \
  }                                                        \
  void name##_row(const double* x, double* y, int64_t n) { \
    simd::map_row(x, y, n, simd::name<double>);            \
  }

TAPESTRY_ROW(exp)
TAPESTRY_ROW(log)
TAPESTRY_ROW(tanh)
TAPESTRY_ROW(sigmoid)

}  // namespace tapestry
