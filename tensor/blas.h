#pragma once
// The BLAS behind matmul: what it is, and how many threads it may use. tapestry sets it to one
// thread before its first product, whatever the flavour (OpenMP, pthreads, serial).

#include <string>

namespace tapestry {

/// For example "OpenBLAS 0.3.21, pthreads, core SkylakeX, 1 thread".
std::string blas_description();

/// Lets BLAS use n threads in this thread's products; throws ValueError unless n >= 1.
void set_blas_threads(int n);

}  // namespace tapestry
