#include <tapestry/tensor/softmax/sampled_loss.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/tensor/kernels/elementary.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {
namespace {

using namespace simd;

constexpr const char* kSampledOp = "sampled_linear_cross_entropy_sum";

/// Rows `ids`, which ascend, of a table: those of a block under one hold, from where the guard
/// would have a sweep begin.
template <class T>
void gather(const Guarded& table, const Tensor& ids, int64_t width, T* out) {
  const Tensor from = table.tensor.to_contiguous();
  const int32_t* id = ids.data<int32_t>();
  const int64_t n = ids.numel(), start = table.guard ? table.guard->first_row() : 0;
  const int64_t first = std::lower_bound(id, id + n, start) - id;
  const auto sweep = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin, next = begin; i < end; i = next) {
      while (next < end && id[next] / kSoftmaxBlock == id[i] / kSoftmaxBlock) ++next;
      const RowHold hold(table.guard, id[i], id[next - 1] + 1);
      for (int64_t k = i; k < next; ++k)
        std::copy_n(from.data<T>() + id[k] * width, width, out + k * width);
    }
  };
  sweep(first, n);
  sweep(0, first);
}

/// Logits become the gradients of scale times the loss; `add` (n) is added to them first. Rows are
/// whole vectors: beyond the candidates `z` and `add` are so low that nothing remains of them.
template <class T>
T row_loss(T* z, const T* add, int64_t lanes, int64_t target, T own, T scale) {
  constexpr int64_t L = kLanes<T>;
  const T target_z = z[target] + own;
  Vec<T> highest = splat<T>(std::numeric_limits<T>::lowest());
  for (int64_t k = 0; k < lanes; k += L) {
    const Vec<T> x = load(z + k) + load(add + k);
    store(z + k, x);
    highest = simd::max<T>(highest, x);
  }
  z[target] = target_z;
  T top = highest[0];
  for (int64_t l = 1; l < L; ++l) top = std::max(top, static_cast<T>(highest[l]));
  Vec<T> sums{};
  for (int64_t k = 0; k < lanes; k += L) {
    const Vec<T> e = exp_bounded<T>(load(z + k) - top);
    store(z + k, e);
    sums += e;
  }
  T sum = 0;
  for (int64_t l = 0; l < L; ++l) sum += sums[l];
  const T factor = scale / sum;
  for (int64_t k = 0; k < lanes; k += L) store(z + k, load(z + k) * factor);
  z[target] -= scale;
  return top + std::log(sum) - target_z;
}

void check_shapes(const Tensor& h, const Tensor& weight, const Tensor& bias, const Candidates& c) {
  require_same_dtype(kSampledOp, h, weight);
  if (bias.defined()) require_same_dtype(kSampledOp, h, bias);
  require<ShapeError>(h.rank() == 2 && weight.rank() == 2 && h.shape()[1] == weight.shape()[1],
                      kSampledOp, ": h ", h.shape(), " and weight ", weight.shape(),
                      ": expected (rows, hidden) and (words, hidden)");
  const int64_t words = weight.shape()[0];
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{words}, kSampledOp, ": bias ",
                      bias.shape(), ": expected (", words, ")");
  require_rows(kSampledOp, c.ids, words);
  require_rows(kSampledOp, c.places, c.ids.numel());
  require<ShapeError>(c.places.shape() == Shape{h.shape()[0]}, kSampledOp, ": h ", h.shape(),
                      " and candidates for targets ", c.places.shape(), ": expected (rows)");
  require<ShapeError>(c.ids.rank() == 1 && c.correction.shape() == c.ids.shape(), kSampledOp,
                      ": candidates ", c.ids.shape(), " with corrections ", c.correction.shape());
}

/// Of rows of logits without bias, (N, lanes), which become gradients.
template <class T>
void run(Tensor& z, const Guarded& bias, const Candidates& c, double scale, SampledLoss& out) {
  const int64_t n = c.ids.numel(), lanes = z.strides()[0];
  Tensor biases = Tensor::zeros({lanes}, z.dtype()), add = Tensor::empty({lanes}, z.dtype());
  if (bias.tensor.defined()) gather(bias, c.ids, 1, biases.data<T>());
  for (int64_t k = 0; k < lanes; ++k)
    add.data<T>()[k] =
        k < n ? biases.data<T>()[k] + static_cast<T>(c.correction.data<double>()[k]) : 0;
  for (int64_t t = 0; t < z.shape()[0]; ++t) {
    T* row = z.data<T>() + t * lanes;
    std::fill(row + n, row + lanes, std::numeric_limits<T>::lowest());
    const int64_t target = c.places.data<int32_t>()[t];
    out.loss.data<T>()[t] = row_loss(row, add.data<T>(), lanes, target, biases.data<T>()[target],
                                     static_cast<T>(scale));
    if (!out.dbias.defined()) continue;
    for (int64_t k = 0; k < n; ++k) out.dbias.data<T>()[k] += row[k];
  }
}

}  // namespace

SampledLoss sampled_loss(const Tensor& h, const Guarded& weight, const Guarded& bias,
                         const Candidates& candidates, double scale, SoftmaxLossWanted wanted) {
  check_shapes(h, weight.tensor, bias.tensor, candidates);
  const int64_t rows = h.shape()[0], hidden = h.shape()[1], n = candidates.ids.numel();
  SampledLoss out{Tensor::empty({rows}, h.dtype()), {}, {}, {}};
  if (wanted.bias) out.dbias = Tensor::zeros({n}, h.dtype());
  Tensor w = Tensor::empty({n, hidden}, h.dtype()), z;
  dispatch(kSampledOp, h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int64_t L = kLanes<T>;
    gather(weight, candidates.ids, hidden, w.data<T>());
    z = Tensor::empty({rows, (n + L - 1) / L * L}, h.dtype()).narrow(1, 0, n);
    matmul_into(z, h, w.transpose(), 0);
    run<T>(z, bias, candidates, scale, out);
  });
  if (wanted.h) out.dh = matmul(z, w);
  if (wanted.weight) out.dweight = matmul(z.transpose(), h);
  return out;
}

}  // namespace tapestry
