#include <tapestry/tensor/matmul.h>

#include <cblas.h>

#include <algorithm>
#include <limits>

#include <tapestry/tensor/blas.h>

namespace tapestry {
namespace {

/// A matrix as BLAS takes it: rows at a distance `lead`, or the transpose of such a matrix.
struct Operand {
  Tensor matrix;  // keeps a copy alive where neither stride is 1
  CBLAS_TRANSPOSE flag = CblasNoTrans;
  int lead = 1;

  explicit Operand(const Tensor& t) : matrix(t) {
    const auto rows = t.shape()[0], cols = t.shape()[1];
    const auto row_step = t.strides()[0], col_step = t.strides()[1];
    constexpr int64_t kMost = std::numeric_limits<int>::max();
    if ((col_step == 1 || cols == 1) && ((row_step >= cols && row_step <= kMost) || rows == 1)) {
      lead = static_cast<int>(rows == 1 ? cols : row_step);
    } else if ((row_step == 1 || rows == 1) &&
               ((col_step >= rows && col_step <= kMost) || cols == 1)) {
      flag = CblasTrans;
      lead = static_cast<int>(cols == 1 ? rows : col_step);
    } else {
      matrix = t.clone();
      lead = static_cast<int>(cols);
    }
    lead = std::max(lead, 1);
  }
};

void check_inner(const Tensor& a, const Tensor& b) {
  require_same_dtype("matmul", a, b);
  require<ShapeError>(a.rank() >= 2 && b.rank() >= 2, "matmul: ", a.shape(), " x ", b.shape(),
                      ": both operands need at least two dims (use reshape)");
  const int64_t inner_a = a.shape()[a.rank() - 1], inner_b = b.shape()[b.rank() - 2];
  require<ShapeError>(inner_a == inner_b, "matmul: ", a.shape(), " x ", b.shape(), ": inner sizes ",
                      inner_a, " and ", inner_b, " differ");
}

/// c = a b for each index of the leading dims, which agree.
void multiply_batches(Tensor c, const Tensor& a, const Tensor& b) {
  if (c.rank() == 2) return matmul_into(c, a, b, 0);
  for (int64_t i = 0; i < c.shape()[0]; ++i)
    multiply_batches(c.select(0, i), a.select(0, i), b.select(0, i));
}

}  // namespace

void matmul_into(Tensor& c, const Tensor& a, const Tensor& b, double beta) {
  check_inner(a, b);
  require_same_dtype("matmul", a, c);
  const int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  require<ShapeError>(a.rank() == 2 && b.rank() == 2 && c.shape() == Shape{m, n},
                      "matmul: ", a.shape(), " x ", b.shape(), " into ", c.shape(), ": expected (",
                      m, ", ", n, ")");
  require<ShapeError>((c.strides()[1] == 1 || n <= 1) && (c.strides()[0] >= n || m <= 1),
                      "matmul: the rows of the result are strided or overlap");
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  require<ShapeError>(std::max({m, n, k, c.strides()[0]}) <= kMost, "matmul: ", a.shape(), " x ",
                      b.shape(), " is too large for BLAS (2^31 - 1 per dim)");
  if (c.overlaps(a) || c.overlaps(b)) return matmul_into(c, a.clone(), b.clone(), beta);
  c.bump();
  if (m == 0 || n == 0) return;
  if (k == 0) {
    beta == 0 ? c.fill_(0) : c.mul_(beta);
    return;
  }
  prepare_blas();
  const Operand x(a), y(b);
  const int lead = static_cast<int>(m == 1 ? n : std::max(c.strides()[0], n));
  const int mi = static_cast<int>(m), ni = static_cast<int>(n), ki = static_cast<int>(k);
  if (a.dtype() == f64)
    cblas_dgemm(CblasRowMajor, x.flag, y.flag, mi, ni, ki, 1, x.matrix.data<double>(), x.lead,
                y.matrix.data<double>(), y.lead, beta, c.data<double>(), lead);
  else
    cblas_sgemm(CblasRowMajor, x.flag, y.flag, mi, ni, ki, 1, x.matrix.data<float>(), x.lead,
                y.matrix.data<float>(), y.lead, static_cast<float>(beta), c.data<float>(), lead);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_inner(a, b);
  dispatch("matmul", a.dtype(), [](auto) {});
  const int64_t m = a.shape()[a.rank() - 2], n = b.shape()[b.rank() - 1];
  if (a.rank() == 2 && b.rank() == 2) {
    Tensor c = Tensor::empty({m, n}, a.dtype());
    matmul_into(c, a, b, 0);
    return c;
  }
  if (b.rank() == 2 && a.contiguous()) {  // every leading dim of a is one more row
    Shape shape = a.shape(), leading = shape.without(a.rank() - 1);
    shape[a.rank() - 1] = n;
    return matmul(a.reshape({leading.numel(), a.size(-1)}), b).reshape(shape);
  }
  // Broadcast the leading dims, then one product for each of them.
  const auto leading = [](const Tensor& t) {
    return t.shape().without(t.rank() - 1).without(t.rank() - 2);
  };
  const Shape batch = broadcast("matmul", leading(a), leading(b));
  const auto stretch = [&](const Tensor& t) {
    return t.expand(batch.with(batch.rank(), t.size(-2)).with(batch.rank() + 1, t.size(-1)));
  };
  const Tensor x = stretch(a), y = stretch(b);
  Tensor out = Tensor::empty(batch.with(batch.rank(), m).with(batch.rank() + 1, n), a.dtype());
  multiply_batches(out, x, y);
  return out;
}

}  // namespace tapestry
