#include <tapestry/autograd/ops/mask.h>

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/autograd/record.h>

namespace tapestry {

Var where(const Tensor& mask, const Var& a, const Var& b) {
  return record("where", where(mask, a.value(), b.value()),
                wrt(a, mask,
                    [](const Tensor& dy, const Tensor& m) {
                      return where(m, dy, Tensor::scalar(0, dy.dtype()));
                    }),
                wrt(b, mask, [](const Tensor& dy, const Tensor& m) {
                  return where(m, Tensor::scalar(0, dy.dtype()), dy);
                }));
}

Var masked_fill(const Var& a, const Tensor& mask, double value) {
  return where(mask, Tensor::scalar(value, a.dtype()), a);
}

Var maximum(const Var& a, const Var& b) { return where(greater(b.value(), a.value()), b, a); }
Var minimum(const Var& a, const Var& b) { return where(greater(a.value(), b.value()), b, a); }

Var dropout(const Var& a, double p, Rng* rng) {
  require<ValueError>(p >= 0 && p < 1, "dropout: p is ", p, ", expected 0 <= p < 1");
  if (!rng || p == 0) return a;
  Tensor mask = Tensor::empty(a.shape(), a.dtype());
  dispatch("dropout", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (T& m : mask.write<T>()) m = rng->uniform() < p ? T{0} : static_cast<T>(1 / (1 - p));
  });
  return record("dropout", a.value() * mask,
                wrt(a, mask, [](const Tensor& dy, const Tensor& m) { return dy * m; }));
}

}  // namespace tapestry
