// A sequence-to-sequence model (Sutskever, Vinyals & Le, 2014) written against nn as a user would:
// it learns to reverse sequences of symbols, of several lengths in one batch.

#include <doctest/doctest.h>

#include <algorithm>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/gradcheck.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

namespace {

constexpr int64_t kSymbols = 6, kShortest = 2, kLongest = 5;
constexpr int32_t kStart = kSymbols;  // what the decoder reads first

/// Sequences by columns: (longest, batch), with kIgnored behind their ends.
struct Batch {
  Tensor source, decoder_input, target;
  std::vector<int64_t> lengths;
};

using Sequence = std::vector<int32_t>;

/// Training and held-out sequences differ in the remainder of their sum: none is in both.
Sequence draw(bool held_out, Rng& rng) {
  for (;;) {
    Sequence s(kShortest + rng.below(kLongest - kShortest + 1));
    int32_t total = 0;
    for (int32_t& symbol : s) total += symbol = static_cast<int32_t>(rng.below(kSymbols));
    if ((total % 5 == 0) == held_out) return s;
  }
}

Batch make_batch(int64_t size, bool held_out, Rng& rng) {
  const Shape shape{kLongest, size};
  Batch batch{Tensor::zeros(shape, i32),
              Tensor::full(shape, kStart, i32),
              Tensor::full(shape, kIgnored, i32),
              {}};
  for (int64_t b = 0; b < size; ++b) {
    const Sequence s = draw(held_out, rng);
    const auto n = static_cast<int64_t>(s.size());
    for (int64_t t = 0; t < n; ++t) {
      const int32_t symbol = s[static_cast<size_t>(t)];
      batch.source.set_({t, b}, symbol);
      batch.target.set_({n - 1 - t, b}, symbol);
      if (t > 0) batch.decoder_input.set_({n - t, b}, symbol);
    }
    batch.lengths.push_back(n);
  }
  return batch;
}

struct Reverser {
  Embedding symbols;
  RNN<GRUCell> encoder, decoder;
  Linear out;
  FIELDS(symbols, encoder, decoder, out)

  Reverser(int64_t hidden, Rng& rng)
      : symbols(kSymbols + 1, 16, rng, {.fan_in = 1}),
        encoder(16, hidden, rng),
        decoder(16, hidden, rng),
        out(hidden, kSymbols, rng) {}

  Var loss(const Batch& b) const {
    const auto thought = encoder(symbols(b.source), b.lengths).state;
    const Var y = decoder(symbols(b.decoder_input), b.lengths, thought).y;
    const Var logits = out(reshape(y, {-1, y.size(2)}));
    return cross_entropy(logits, b.target.reshape({-1}));
  }

  /// The share of sequences that come out right from end to end, each symbol being fed back.
  double accuracy(const Batch& b) const {
    const int64_t size = b.source.size(1);
    auto state = encoder(symbols(b.source), b.lengths).state;
    Tensor ids = Tensor::full({size}, kStart, i32);
    std::vector<bool> right(static_cast<size_t>(size), true);
    for (int64_t t = 0; t < kLongest; ++t) {
      const auto next = decoder.step(symbols(ids), state);
      state = next.state;
      ids = max(out(next.y).value(), 1).indices;
      for (int64_t i = 0; i < size; ++i)
        if (t < b.lengths[static_cast<size_t>(i)] && ids.at({i}) != b.target.at({t, i}))
          right[static_cast<size_t>(i)] = false;
    }
    return static_cast<double>(std::count(right.begin(), right.end(), true)) /
           static_cast<double>(size);
  }
};

}  // namespace

TEST_CASE("a sequence-to-sequence model learns to reverse sequences it has not seen") {
  const uint64_t seed = 3;
  CAPTURE(seed);
  Rng rng(seed);
  Reverser model(48, rng);
  Optimizer optimizer(model, Adam{.lr = 0.01});
  const Batch held_out = make_batch(400, true, rng);
  CHECK(model.accuracy(held_out) < 0.1);
  for (const double lr : {0.01, 0.002}) {
    optimizer.set_lr(lr);
    for (int i = 0; i < 500; ++i) {
      Tape tape;
      tape.backward(model.loss(make_batch(32, false, rng)));
      optimizer.clip_grad_norm(1);
      optimizer.step();
    }
  }
  const double accuracy = model.accuracy(held_out);
  CAPTURE(accuracy);
  CHECK(accuracy > 0.95);
}

TEST_CASE("the sequence-to-sequence model passes a gradient check") {
  Rng rng(3);
  Reverser model = cast(Reverser(5, rng), f64);
  const Batch batch = make_batch(4, false, rng);
  const GradReport report = gradcheck(model, [&](const Reverser& m) { return m.loss(batch); });
  CHECK_MESSAGE(report.ok, report.message);
}
