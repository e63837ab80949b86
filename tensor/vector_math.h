#pragma once
// Elementary functions over rows of n contiguous elements: y[i] = f(x[i]). x and y may be the same.

#include <cstdint>

namespace tapestry {

void exp_row(const float* x, float* y, int64_t n);
void exp_row(const double* x, double* y, int64_t n);
void log_row(const float* x, float* y, int64_t n);
void log_row(const double* x, double* y, int64_t n);
void tanh_row(const float* x, float* y, int64_t n);
void tanh_row(const double* x, double* y, int64_t n);
void sigmoid_row(const float* x, float* y, int64_t n);
void sigmoid_row(const double* x, double* y, int64_t n);

}  // namespace tapestry
