#pragma once
// Losses. Reduction::none keeps one value per row; mean divides by the rows that count.

#include <tapestry/autograd/ops/reduce.h>

namespace tapestry {

enum class Reduction { none, mean, sum };

inline constexpr int32_t kIgnored = -100;  // a target that does not count

/// -ln softmax(logits)[target], nats. logits (N, V), targets i32 (N) in 0 ... V-1 or `ignored`.
inline Var cross_entropy(const Var& logits, const Tensor& targets,
                         Reduction reduction = Reduction::mean, int32_t ignored = kIgnored) {
  const CrossEntropy ce = cross_entropy(logits.value(), targets, ignored);
  const Var loss = record("cross_entropy", ce.loss,
                          wrt(
                              logits,
                              [](const Tensor& dy, const Tensor& p, const Tensor& t, int32_t skip) {
                                return cross_entropy_backward(dy, p, t, skip);
                              },
                              ce.probabilities, targets, ignored));
  if (reduction == Reduction::none) return loss;
  if (reduction == Reduction::sum) return sum(loss);
  int64_t count = 0;
  for (const int32_t t : targets.to_vector<int32_t>()) count += t != ignored;
  require<ShapeError>(count > 0, "cross_entropy: every target is ignored, so there is no mean");
  return sum(loss) / static_cast<double>(count);
}

/// Mean of the squared differences.
inline Var mse(const Var& a, const Var& b) {
  const Tensor d = a.value() - b.value();
  return record("mse", mean(square(d)),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& e) {
                      return e * (2 * dy.item() / static_cast<double>(e.numel()));
                    },
                    d),
                wrt(
                    b,
                    [](const Tensor& dy, const Tensor& e) {
                      return e * (-2 * dy.item() / static_cast<double>(e.numel()));
                    },
                    d));
}

/// Mean of d^2 / 2 for |d| <= delta and delta (|d| - delta / 2) beyond (Huber, 1964), d = a - b.
inline Var huber(const Var& a, const Var& b, double delta = 1) {
  require<ValueError>(delta > 0, "huber: delta is ", delta, ", expected a positive number");
  const Tensor d = a.value() - b.value(), near = clamp(d, -delta, delta);
  return record("huber", mean(near * (d - near * 0.5)),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& c) {
                      return c * (dy.item() / static_cast<double>(c.numel()));
                    },
                    near),
                wrt(
                    b,
                    [](const Tensor& dy, const Tensor& c) {
                      return c * (-dy.item() / static_cast<double>(c.numel()));
                    },
                    near));
}

}  // namespace tapestry
