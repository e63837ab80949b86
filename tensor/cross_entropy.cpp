#include <tapestry/tensor/cross_entropy.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/vector_math.h>

namespace tapestry {

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored) {
  require_defined("cross_entropy", logits);
  require_defined("cross_entropy", targets);
  require<DTypeError>(targets.dtype() == i32, "cross_entropy: the targets are ", targets.dtype(),
                      ", expected i32");
  require<ShapeError>(logits.rank() == 2 && targets.shape() == Shape{logits.shape()[0]},
                      "cross_entropy: logits ", logits.shape(), " and targets ", targets.shape(),
                      ": expected (rows, classes) and (rows)");
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  CrossEntropy out{Tensor::empty({rows}, logits.dtype()),
                   Tensor::empty(logits.shape(), logits.dtype())};
  const Tensor xs = logits.to_contiguous(), ts = targets.to_contiguous();
  dispatch("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t target = ts.data<int32_t>()[r];
      require<IndexError>(target == ignored || (target >= 0 && target < classes),
                          "cross_entropy: targets[", r, "] = ", target, " is outside ", classes,
                          " classes");
      const T* x = xs.data<T>() + r * classes;
      T* p = out.probabilities.data<T>() + r * classes;
      if (target == ignored) {
        std::fill_n(p, classes, T{0});
        out.loss.data<T>()[r] = 0;
        continue;
      }
      const T top = *std::max_element(x, x + classes);
      for (int64_t k = 0; k < classes; ++k) p[k] = x[k] - top;
      exp_row(p, p, classes);
      double total = 0;
      for (int64_t k = 0; k < classes; ++k) total += static_cast<double>(p[k]);
      const T scale = static_cast<T>(1 / total);
      for (int64_t k = 0; k < classes; ++k) p[k] *= scale;
      out.loss.data<T>()[r] =
          static_cast<T>(std::log(total) - static_cast<double>(x[target] - top));
    }
  });
  return out;
}

Tensor cross_entropy_backward(const Tensor& dloss, const Tensor& probabilities,
                              const Tensor& targets, int32_t ignored) {
  const int64_t rows = probabilities.shape()[0], classes = probabilities.shape()[1];
  Tensor out = Tensor::empty(probabilities.shape(), probabilities.dtype());
  const Tensor ds = dloss.to_contiguous(), ts = targets.to_contiguous();
  dispatch("cross_entropy", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t target = ts.data<int32_t>()[r];
      const T* p = probabilities.data<T>() + r * classes;
      T* y = out.data<T>() + r * classes;
      const T d = ds.data<T>()[r];
      for (int64_t k = 0; k < classes; ++k) y[k] = d * p[k];
      if (target != ignored) y[target] -= d;
    }
  });
  return out;
}

}  // namespace tapestry
