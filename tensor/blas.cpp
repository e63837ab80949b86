#include <tapestry/tensor/blas.h>

#include <cblas.h>

#include <tapestry/tensor/error.h>

namespace tapestry {

std::string blas_description() {
  set_blas_threads(1);
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... Zen MAX_THREADS=64"
  std::string name = openblas_get_config();
  name = name.substr(0, name.find(' ', name.find(' ') + 1));
  const int kind = openblas_get_parallel();
  return name +
         (kind == OPENBLAS_OPENMP   ? ", OpenMP"
          : kind == OPENBLAS_THREAD ? ", pthreads"
                                    : ", serial") +
         ", core " + openblas_get_corename() + ", 1 thread";
}

void set_blas_threads(int n) {
  require<ValueError>(n >= 1, "set_blas_threads: ", n, " threads, expected at least 1");
  openblas_set_num_threads(n);
}

}  // namespace tapestry
