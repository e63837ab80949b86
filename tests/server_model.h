#pragma once
// A small language model with items of unequal lengths, for tests of the server.

#include <memory>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/server/parameter_server.h>

namespace tapestry::test {

constexpr uint64_t kSeed = 77;
constexpr int64_t kWords = 400, kHidden = 8, kItems = 24;

/// A small language model: embedding, recurrent layer, fused softmax layer.
struct Model {
  Embedding input;
  RNN<RNNCell> rnn;
  Parameter weight, bias;
  FIELDS(input, rnn, weight, bias)

  explicit Model(DType dtype = f64) : Model(dtype, std::make_unique<Rng>(kSeed)) {}
  Var loss(const Tensor& ids) const {  // ids (T + 1)
    const int64_t steps = ids.numel() - 1;
    const Var x = reshape(input(ids.narrow(0, 0, steps)), {steps, 1, kHidden});
    const Var h = reshape(rnn(x).y, {steps, kHidden});
    return linear_cross_entropy_sum(h, weight, bias, ids.narrow(0, 1, steps));
  }

 private:
  Model(DType dtype, std::unique_ptr<Rng> rng)
      : input(kWords, kHidden, *rng, {.dtype = dtype}),
        rnn(kHidden, kHidden, *rng, {.cell = {.dtype = dtype}}),
        weight(uniform_fan_in({kWords, kHidden}, kHidden, *rng, dtype)),
        bias(Tensor::zeros({kWords}, dtype)) {}
};

inline std::vector<Tensor> make_items(int64_t n = kItems) {
  Rng rng(kSeed, 1);
  std::vector<Tensor> out;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<int32_t> ids;
    for (uint64_t t = 0, length = 3 + rng.below(6); t < length; ++t)
      ids.push_back(static_cast<int32_t>(rng.below(kWords)));
    out.push_back(Tensor::indices(ids));
  }
  return out;
}

inline double distance(Model& a, Model& b) {
  double squares = 0;
  auto x = parameters(a), y = parameters(b);
  for (size_t i = 0; i < x.size(); ++i)
    squares += squared_norm(x[i].parameter->value() - y[i].parameter->value());
  return std::sqrt(squares);
}

inline auto body_over(const std::vector<Tensor>& items) {
  return [&items](Model& m, Worker& w, int64_t i) {
    const Tensor& ids = items[static_cast<size_t>(i)];
    w.update([&] { return m.loss(ids); }, static_cast<double>(ids.numel() - 1));
  };
}

}  // namespace tapestry::test
