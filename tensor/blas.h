#pragma once
// The BLAS behind matmul: what it is, and how many threads it may use: one in every thread that
// multiplies, unless that is asked for, whatever the flavour. OpenBLAS counts them for the process
// (pthreads), for each calling thread (OpenMP: with omp_set_num_threads), or has one (serial).

#include <string>

namespace tapestry {

/// For example "OpenBLAS 0.3.21, pthreads, core SkylakeX, 1 thread".
std::string blas_description();

/// The OPENBLAS_CORETYPE whose kernels suit this processor, where OpenBLAS took some without AVX2
/// because the processor is newer than it; else, or where the variable is set already, empty.
std::string better_blas_core();

/// Starts the program again with OPENBLAS_CORETYPE=better_blas_core(), which OpenBLAS reads before
/// main(); returns where there is nothing better. Call it first in main: matrix products can gain a
/// factor of 8.
void restart_with_better_blas(char** argv);

/// Lets BLAS use n threads in products, with the OpenMP flavour only in those of this thread.
/// Throws ValueError unless n >= 1.
void set_blas_threads(int n);

/// n threads for BLAS as long as one lives, then as many as before.
class BlasThreads {
 public:
  explicit BlasThreads(int n);
  ~BlasThreads();
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  int before_;
};

/// What every product calls first: one thread, unless set_blas_threads was called.
void prepare_blas();

}  // namespace tapestry
