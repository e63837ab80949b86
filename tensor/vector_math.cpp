#include <tapestry/tensor/vector_math.h>

#include <cmath>

namespace tapestry {
namespace {

template <class T, class F>
void map_row(const T* x, T* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}
// Written so that neither branch overflows.
template <class T>
T sigmoid(T x) {
  const T e = std::exp(-std::abs(x));
  return (x >= 0 ? T{1} : e) / (1 + e);
}

}  // namespace

void exp_row(const float* x, float* y, int64_t n) {
  map_row(x, y, n, [](float v) { return std::exp(v); });
}
void exp_row(const double* x, double* y, int64_t n) {
  map_row(x, y, n, [](double v) { return std::exp(v); });
}
void log_row(const float* x, float* y, int64_t n) {
  map_row(x, y, n, [](float v) { return std::log(v); });
}
void log_row(const double* x, double* y, int64_t n) {
  map_row(x, y, n, [](double v) { return std::log(v); });
}
void tanh_row(const float* x, float* y, int64_t n) {
  map_row(x, y, n, [](float v) { return std::tanh(v); });
}
void tanh_row(const double* x, double* y, int64_t n) {
  map_row(x, y, n, [](double v) { return std::tanh(v); });
}
void sigmoid_row(const float* x, float* y, int64_t n) { map_row(x, y, n, sigmoid<float>); }
void sigmoid_row(const double* x, double* y, int64_t n) { map_row(x, y, n, sigmoid<double>); }

}  // namespace tapestry
