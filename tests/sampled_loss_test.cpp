// The softmax over candidates: which are drawn, and its loss and gradients against the exact ones.

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include <tapestry/nn/init.h>

#include "server_model.h"

using namespace tapestry;

namespace {

constexpr int64_t kWords = 40;

/// Frequencies like those of words: 1000, 500, 333, ...
std::vector<int64_t> zipf_counts(int64_t words = kWords) {
  std::vector<int64_t> counts;
  for (int64_t j = 1; j <= words; ++j) counts.push_back(1000 / j);
  return counts;
}

struct Layer {
  Tensor targets = Tensor::indices({0, 3, 3, 17, 1, 39, 0, 8});
  Parameter h, weight, bias;
  explicit Layer(Rng& rng, DType dtype = f64, int64_t words = kWords)
      : h(gaussian({8, 5}, 1, rng, dtype)),
        weight(gaussian({words, 5}, 0.5, rng, dtype)),
        bias(gaussian({words}, 0.5, rng, dtype)) {}

  /// Value of the loss; leaves its gradients in h, weight and bias.
  template <class Loss>
  double run(Loss loss) const {
    Tape tape;
    const Var y = loss();
    tape.backward(y);
    return y.value().item();
  }
  double exact() const {
    return run([&] { return linear_cross_entropy_sum(h, weight, bias, targets); });
  }
  double sampled(const Candidates& c) const {
    return run([&] { return sampled_linear_cross_entropy_sum(h, weight, bias, c); });
  }
  /// The gradients of h, weight and bias, dense, one after the other; clears them.
  Tensor take_gradients() const {
    PoolVector<Tensor> parts;
    for (const Parameter* p : {&h, &weight, &bias}) {
      parts.push_back(p->grad().dense().clone().reshape({-1}));
      p->grad().clear();
    }
    return concat(parts);
  }
};

double distance(const Tensor& a, const Tensor& b) {
  return std::sqrt(squared_norm(a - b) / squared_norm(b));
}

}  // namespace

TEST_CASE("words are drawn in proportion to a power of their counts") {
  constexpr uint64_t kSeed = 5;
  CAPTURE(kSeed);
  std::vector<int64_t> counts = {100, 0, 25, 4, 900};
  const Tensor target = Tensor::indices({4});
  for (const double exponent : {0.0, 0.5, 1.0}) {
    const CandidateSampler sampler(counts, exponent);
    Rng rng(kSeed);
    std::vector<double> drawn(counts.size()), expected;
    constexpr int kDraws = 40000;
    for (int i = 0; i < kDraws; ++i)
      for (const int32_t id : sampler.draw(target, 1, rng).ids.to_vector<int32_t>())
        ++drawn[static_cast<size_t>(id)];
    for (const int64_t n : counts)
      expected.push_back(std::pow(n ? static_cast<double>(n) : 0.5, exponent));
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (size_t j = 0; j < 4; ++j) {  // the target is always there
      const double q = expected[j] / total;
      CHECK(std::abs(drawn[j] / kDraws - q) < 5 * std::sqrt(q / kDraws));
    }
    CHECK(drawn[4] == kDraws);
  }
}

TEST_CASE("candidates ascend, hold every target, and follow from the generator's state alone") {
  const CandidateSampler sampler(zipf_counts());
  const Tensor targets = Tensor::indices({7, 2, 7, 31});
  Rng a(3, 9), b(3, 9), other(3, 10);
  const Candidates c = sampler.draw(targets, 12, a), d = sampler.draw(targets, 12, b);
  const auto ids = c.ids.to_vector<int32_t>();
  CHECK(ids == d.ids.to_vector<int32_t>());
  CHECK(ids != sampler.draw(targets, 12, other).ids.to_vector<int32_t>());
  CHECK(a.state() == b.state());
  for (size_t k = 1; k < ids.size(); ++k) CHECK(ids[k - 1] < ids[k]);
  const auto places = c.places.to_vector<int32_t>();
  for (size_t t = 0; t < places.size(); ++t)
    CHECK(ids[static_cast<size_t>(places[t])] == targets.at({static_cast<int64_t>(t)}));
}

TEST_CASE("the chance to be a candidate is what the correction says") {
  const auto counts = zipf_counts(20);
  const CandidateSampler sampler(counts);
  const CandidateSampler by_frequency(counts, 1);  // draws the other targets
  Rng rng(8);
  constexpr int kUpdates = 20000, kRows = 6;
  std::vector<double> seen(20), chance(20);
  for (int i = 0; i < kUpdates; ++i) {
    std::vector<int32_t> targets = {19};
    while (targets.size() < kRows) {
      const Tensor last = Tensor::indices({19});
      for (const int32_t id : by_frequency.draw(last, 1, rng).ids.to_vector<int32_t>())
        if (id != 19) targets.push_back(id);
    }
    const Candidates c = sampler.draw(Tensor::indices(targets), 4, rng);
    for (int64_t k = 0; k < c.ids.numel(); ++k) {
      const auto j = static_cast<size_t>(c.ids.at({k}));
      ++seen[j];
      chance[j] = std::exp(-c.correction.at({k}));
    }
  }
  // 1 - (1 - q)^n is a little more than 1 - e^(-nq)
  for (size_t j = 0; j < 19; ++j)
    CHECK(seen[j] / kUpdates == doctest::Approx(chance[j]).epsilon(0.08));
}

TEST_CASE("with every word a candidate the loss and its gradients are the exact ones") {
  for (const DType dtype : {f32, f64}) {
    Rng rng(21);
    const Layer layer(rng, dtype);
    const CandidateSampler sampler(zipf_counts());
    const double tolerance = dtype == f32 ? 1e-6 : 1e-14;
    const double exact = layer.exact();
    const Tensor gradients = layer.take_gradients();
    CHECK(layer.sampled(sampler.draw(layer.targets, kWords, rng)) ==
          doctest::Approx(exact).epsilon(tolerance));
    CHECK(distance(layer.take_gradients(), gradients) < 4 * tolerance);
  }
}

TEST_CASE("over many draws the mean gradient nears the exact one, the more so the more samples") {
  constexpr uint64_t kSeed = 33;
  CAPTURE(kSeed);
  constexpr int64_t kMany = 500;
  const auto counts = zipf_counts(kMany);
  const CandidateSampler sampler(counts);
  const auto total =
      static_cast<uint64_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  const auto error_of_mean = [&](int64_t samples) {
    Rng rng(kSeed);
    Layer layer(rng, f64, kMany);
    Tensor exact, sampled;
    const auto add = [](Tensor& sum, const Tensor& g) { sum = sum.defined() ? sum + g : g; };
    for (int i = 0; i < 1000; ++i) {
      for (int32_t& target : layer.targets.write<int32_t>()) {  // by frequency, as in a text
        auto at = static_cast<int64_t>(rng.below(total));
        for (target = 0; at >= counts[static_cast<size_t>(target)]; ++target)
          at -= counts[static_cast<size_t>(target)];
      }
      layer.exact();
      add(exact, layer.take_gradients());
      layer.sampled(sampler.draw(layer.targets, samples, rng));
      add(sampled, layer.take_gradients());
    }
    return distance(sampled, exact);
  };
  const double few = error_of_mean(8), some = error_of_mean(60), many = error_of_mean(480);
  MESSAGE("distance of the mean gradient from the exact one: ", few, ", ", some, ", ", many);
  CHECK(few < 0.25);
  CHECK(some < few);
  CHECK(many < some);
  CHECK(many < 0.04);
}

TEST_CASE("gradients name the rows of the candidates only") {
  Rng rng(4);
  const Layer layer(rng);
  const CandidateSampler sampler(zipf_counts());
  const Candidates c = sampler.draw(layer.targets, 6, rng);
  layer.sampled(c);
  for (const Parameter* p : {&layer.weight, &layer.bias}) {
    REQUIRE(p->grad().sparse());
    CHECK(p->grad().rows().ids.to_vector<int32_t>() == c.ids.to_vector<int32_t>());
  }
}

TEST_CASE("bad input to the softmax over candidates is refused") {
  Rng rng(6);
  const Layer layer(rng);
  const CandidateSampler sampler(zipf_counts());
  const std::vector<int64_t> negative = {3, -1};
  CHECK_THROWS_WITH_AS(CandidateSampler({}),
                       "candidates: no counts of words were given (sampling needs a vocabulary "
                       "with counts)",
                       ValueError);
  CHECK_THROWS_WITH_AS(CandidateSampler{negative}, "candidates: word 1 occurs -1 times",
                       ValueError);
  CHECK_THROWS_AS(CandidateSampler(zipf_counts(), -0.5), ValueError);
  CHECK_THROWS_WITH_AS(sampler.draw(layer.targets, 0, rng),
                       "candidates: 0 samples, expected 1 to 40, the number of words", ValueError);
  CHECK_THROWS_AS(sampler.draw(layer.targets, 41, rng), ValueError);
  CHECK_THROWS_AS(sampler.draw(Tensor::indices({3, 40}), 4, rng), IndexError);
  const Candidates c = sampler.draw(layer.targets, 4, rng);
  const auto loss = [&](const Tensor& h, const Tensor& w, const Tensor& b, const Candidates& from) {
    return sampled_linear_cross_entropy_sum(h, w, b, from);
  };
  const Tensor h = layer.h.value(), w = layer.weight.value(), b = layer.bias.value();
  CHECK_THROWS_WITH_AS(loss(h.narrow(0, 0, 7), w, b, c),
                       "sampled_linear_cross_entropy_sum: h (7, 5) and candidates for targets (8): "
                       "expected (rows)",
                       ShapeError);
  CHECK_THROWS_AS(loss(h, w.narrow(1, 0, 4), b, c), ShapeError);
  CHECK_THROWS_AS(loss(h, w, b.narrow(0, 0, 30), c), ShapeError);
  CHECK_THROWS_AS(loss(h, w.narrow(0, 0, 30), Tensor(), c), IndexError);
  CHECK_THROWS_AS(loss(h, w.cast(f32), b, c), DTypeError);
}

// ---- under the parameter server

namespace {

/// The model of the server's tests with this objective.
struct SampledModel : test::Model {
  Var loss(const Tensor& ids) const {
    static const CandidateSampler sampler(zipf_counts(test::kWords));
    const int64_t steps = ids.numel() - 1;
    const Var x = reshape(input(ids.narrow(0, 0, steps)), {steps, 1, test::kHidden});
    Rng rng(7, static_cast<uint64_t>(ids.at({0})));
    return sampled_linear_cross_entropy_sum(reshape(rnn(x).y, {steps, test::kHidden}), weight, bias,
                                            sampler.draw(ids.narrow(0, 1, steps), 30, rng));
  }
};

auto body_over(const std::vector<Tensor>& items) {
  return [&items](SampledModel& m, Worker& w, int64_t i) {
    w.update([&] { return m.loss(items[static_cast<size_t>(i)]); });
  };
}

ServerOptions sharing(const SampledModel& m, int workers) {
  return {.workers = workers, .shards = 5, .shared = {&m.weight, &m.bias, &m.input.table}};
}

}  // namespace

TEST_CASE("sampled: one worker of the server gives the bits of sequential training") {
  const auto items = test::make_items();
  for (const UpdatePolicy policy :
       {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::hogwild, UpdatePolicy::critical}) {
    SampledModel sequential, served;
    {
      Optimizer optimizer(sequential, Adagrad{.lr = 0.1});
      for (const Tensor& ids : items) {
        Tape tape;
        tape.backward(sequential.loss(ids));
        optimizer.step();
      }
    }
    ServerOptions options = sharing(served, 1);
    options.update = policy;
    ParameterServer<SampledModel>(served, Adagrad{.lr = 0.1}, options)
        .run(test::kItems, body_over(items));
    CHECK(test::distance(sequential, served) == 0);
  }
}

TEST_CASE("sampled: workers read guarded rows, push only theirs, and a recorded run is replayed") {
  const auto items = test::make_items(60);
  SampledModel recorded, replayed;
  LockLog log;
  const ServerStats stats =
      ParameterServer<SampledModel>(recorded, Adagrad{.lr = 0.1}, sharing(recorded, 3))
          .record(60, body_over(items), log);
  ParameterServer<SampledModel>(replayed, Adagrad{.lr = 0.1}, sharing(replayed, 3))
      .replay(60, body_over(items), log);
  CHECK(test::distance(recorded, replayed) == 0);
  // An exact update pushes all of weight and bias; this one at most 30 samples and 8 targets.
  const auto row = static_cast<int64_t>(sizeof(double)) * (test::kHidden + 1);
  int64_t dense = 0;
  for (const auto& [name, p] : parameters(recorded.rnn)) dense += p->value().numel() * 8;
  CHECK(stats.total().pushed_bytes < 60 * (38 * row + 8 * row + dense));
}
