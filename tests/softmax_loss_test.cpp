// The fused softmax layer against the composed one: linear, softmax, cross-entropy, their
// gradients.

#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/nn/init.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/cross_entropy.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/softmax/softmax_loss.h>
#include <tapestry/tensor/threads.h>

using namespace tapestry;

namespace {

double distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.cast(f64), y = b.cast(f64);
  return std::sqrt(squared_norm(x - y) / (1e-300 + squared_norm(y)));
}

struct Case {
  Tensor h, weight, bias, targets, scale;
  Case(int64_t rows, int64_t hidden, int64_t words, DType dtype, Rng& rng, bool with_bias)
      : h(gaussian({rows, hidden}, 1, rng, dtype)),
        weight(gaussian({words, hidden}, 0.5, rng, dtype)),
        scale(uniform({rows}, 2, rng, dtype)) {
    if (with_bias) bias = gaussian({words}, 1, rng, dtype);
    std::vector<int32_t> t;
    for (int64_t i = 0; i < rows; ++i)
      t.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(words))));
    if (rows > 2) t[1] = -7;  // ignored
    targets = Tensor::indices(t);
  }
  SoftmaxLoss fused() const {
    return softmax_loss(h, weight, bias, targets, -7, scale, {true, true, bias.defined()});
  }
  SoftmaxLoss composed() const {
    Tensor z = matmul(h, weight.transpose());
    if (bias.defined()) z = z + bias;
    const CrossEntropy ce = cross_entropy(z, targets, -7);
    const Tensor dz = cross_entropy_backward(scale, ce.probabilities, targets, -7);
    return {ce.loss, matmul(dz, weight), matmul(dz.transpose(), h), sum(dz, 0)};
  }
};

}  // namespace

TEST_CASE("the fused softmax loss equals the composed one for any size") {
  constexpr uint64_t kSeed = 11;
  CAPTURE(kSeed);
  Rng rng(kSeed);
  for (const DType dtype : {f32, f64})
    for (const int64_t rows : {1, 2, 3, 4, 5, 8, 25, 67, 150})
      for (const int64_t hidden : {1, 8, 13, 32, 37, 100})
        for (const int64_t words : {1, 5, 96, 97, 500}) {
          const Case c(rows, hidden, words, dtype, rng, rng.below(2) == 1);
          const SoftmaxLoss a = c.fused(), b = c.composed();
          const double tolerance = dtype == f32 ? 2e-5 : 1e-12;
          CAPTURE(rows);
          CAPTURE(hidden);
          CAPTURE(words);
          CHECK(distance(a.loss, b.loss) < tolerance);
          if (words == 1) continue;  // the gradients are rounding noise around 0
          CHECK(distance(a.dh, b.dh) < tolerance);
          CHECK(distance(a.dweight, b.dweight) < tolerance);
          if (c.bias.defined()) CHECK(distance(a.dbias, b.dbias) < tolerance);
        }
}

TEST_CASE("logits may grow from block to block") {
  Rng rng(14);
  for (const int64_t row_count : {3, 20})
    for (const bool falling : {false, true}) {
      Case c(row_count, 16, 600, f64, rng, true);
      for (int64_t w = 0; w < 600; ++w)
        c.weight.narrow(0, falling ? 599 - w : w, 1)
            .copy_(gaussian({1, 16}, 0.1 * std::exp(0.01 * static_cast<double>(w)), rng, f64));
      const SoftmaxLoss a = c.fused(), b = c.composed();
      CHECK(distance(a.loss, b.loss) < 1e-12);
      CHECK(distance(a.dh, b.dh) < 1e-12);
      CHECK(distance(a.dweight, b.dweight) < 1e-12);
      CHECK(distance(a.dbias, b.dbias) < 1e-12);
    }
}

TEST_CASE("f32 losses are within 1e-5 of f64") {
  Rng rng(12);
  const Case c(30, 100, 8000, f64, rng, false);
  const Tensor exact = c.fused().loss;
  const Tensor rounded =
      softmax_loss(c.h.cast(f32), c.weight.cast(f32), {}, c.targets, -7, c.scale.cast(f32), {})
          .loss;
  for (int64_t t = 0; t < 30; ++t)
    CHECK(rounded.at({t}) == doctest::Approx(exact.at({t})).epsilon(1e-5));
}

TEST_CASE("huge logits neither overflow nor lose the target") {
  for (const int64_t hidden : {1, 40}) {
    const Tensor h = Tensor::full({1, hidden}, 1);
    Tensor weight = Tensor::zeros({3, hidden});
    weight.narrow(1, 0, 1).copy_(Tensor::from({3, 1}, {1e30, -1e30, 3}));
    const SoftmaxLoss y = softmax_loss(h, weight, {}, Tensor::indices({0}), -1, Tensor::scalar(1),
                                       {true, true, false});
    CHECK(y.loss.item() == 0);
    CHECK(all_finite(y.dweight));
    CHECK(
        softmax_loss(h, weight, {}, Tensor::indices({2}), -1, Tensor::scalar(1), {}).loss.item() ==
        doctest::Approx(1e30));
  }
}

TEST_CASE(
    "threads change the result by rounding only, and each number of threads always gives the "
    "same") {
  Rng rng(13);
  for (const int64_t row_count : {3, 40}) {
    const Case c(row_count, 60, 1000, f64, rng, true);
    const SoftmaxLoss one = c.fused();
    for (const int threads : {2, 3, 20}) {
      set_kernel_threads(threads);
      const SoftmaxLoss a = c.fused(), b = c.fused();
      CHECK(distance(a.loss, one.loss) < 1e-13);
      CHECK(distance(a.dh, one.dh) < 1e-13);
      CHECK(distance(a.dweight, one.dweight) < 1e-13);
      CHECK(distance(a.dbias, one.dbias) < 1e-13);
      CHECK(distance(a.dh, b.dh) == 0);
      CHECK(distance(a.dweight, b.dweight) == 0);
    }
    set_kernel_threads(1);
  }
}

TEST_CASE("no rows give no loss and no gradient") {
  const SoftmaxLoss y =
      softmax_loss(Tensor::zeros({0, 3}), Tensor::full({4, 3}, 1), {}, Tensor::empty({0}, i32), -1,
                   Tensor::scalar(1), {true, true, false});
  CHECK(y.loss.numel() == 0);
  CHECK(squared_norm(y.dweight) == 0);
}
