// One line per op: everything gradcheck() promises is checked for each. The last test fails when an
// op that the catalogue records was not covered by a line.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/autograd/ops.h>

using namespace tapestry;

namespace {

constexpr uint64_t kSeed = 20240611;
std::set<std::string> checked_ops;

/// Values in +-[0.2, 0.8] and +-[1.2, 1.8]: away from the kinks at 0 and +-1.
struct Input {
  Tensor values;
  Input(const Shape& shape, bool positive = false) : values(Tensor::empty(shape, f64)) {  // NOLINT
    static Rng rng(kSeed);
    for (double& v : values.write<double>()) {
      const double magnitude = rng.uniform(0.2, 0.8) + (rng.below(2) ? 1 : 0);
      v = positive || rng.below(2) ? magnitude : -magnitude;
    }
  }
};
Input positive(const Shape& shape) { return {shape, true}; }

void check_op(const char* text, const OpFunction& f, std::vector<Input> inputs) {
  CAPTURE(kSeed);
  CAPTURE(text);
  std::vector<Tensor> values;
  for (const Input& input : inputs) values.push_back(input.values);
  inputs.clear();
  const GradReport report = gradcheck(f, std::move(values));
  CHECK_MESSAGE(report.ok, text, ": ", report.message);
  checked_ops.insert(report.ops.begin(), report.ops.end());
}

#define GRADCHECK(expression, ...)                                          \
  check_op(#expression,                                                     \
           [](std::span<const Var> in) {                                    \
             [[maybe_unused]] const Var &x = in[0], &y = in[in.size() > 1], \
                                        &z = in[in.size() > 2 ? 2 : 0];     \
             return expression;                                             \
           },                                                               \
           {__VA_ARGS__})

const Tensor& ids() {
  static const Tensor t = Tensor::indices({4, 0, 2, 2});
  return t;
}
const Candidates& candidates() {
  static const Candidates c = [] {
    Rng rng(kSeed);
    return CandidateSampler(std::vector<int64_t>{9, 4, 3, 2, 0}).draw(ids(), 1, rng);
  }();
  return c;
}
/// Three sequences of one, two and three steps.
const Tensor& steps() {
  static const Tensor t = Tensor::indices({0, 3, 5, 6});
  return t;
}
Var bias(const Var& x) { return select(x, 0, 0); }
const Tensor& mask() {
  static const Tensor t = Tensor::from({3, 4}, {1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}, i32);
  return t;
}

const Tensor& positions() {
  static const Tensor t = Tensor::from({2, 4}, {2, 0, 1, 1, 0, 0, 2, 1}, i32);
  return t;
}
const Tensor& truths() {
  static const Tensor t = Tensor::from({3, 4}, {0, 1, 0.3, 1, 0, 0.5, 1, 0, 0.9, 1, 0, 0.1}, f64);
  return t;
}

}  // namespace

TEST_CASE("every op has right gradients") {
  ids(), candidates(), mask(), positions(), truths();  // made before the checks count what is alive
  GRADCHECK(x + y, Shape{3, 4}, Shape{3, 4});
  GRADCHECK(x + y, Shape{3, 4}, Shape{4});
  GRADCHECK(x + y, Shape{2, 1, 4}, Shape{3, 1});
  GRADCHECK(x - y, Shape{3, 4}, Shape{3, 1});
  GRADCHECK(x * y, Shape{3, 4}, Shape{4});
  GRADCHECK(x * x, Shape{3, 4});
  GRADCHECK(x / y, Shape{3, 4}, Shape{1, 4});
  GRADCHECK(-x, Shape{2, 3, 4});
  GRADCHECK(x + 1.5, Shape{3, 4});
  GRADCHECK(1.5 - x, Shape{3, 4});
  GRADCHECK(x * 1.5, Shape{3, 4});
  GRADCHECK(1.5 / x, Shape{3, 4});
  GRADCHECK(x / 1.5, Shape{3, 4});

  GRADCHECK(exp(x), Shape{3, 4});
  GRADCHECK(expm1(x), Shape{3, 4});
  GRADCHECK(log(x), positive({3, 4}));
  GRADCHECK(log1p(x), positive({3, 4}));
  GRADCHECK(pow(x, 3), Shape{3, 4});
  GRADCHECK(pow(x, -1.5), positive({3, 4}));
  GRADCHECK(pow(x, 0), Shape{3, 4});
  GRADCHECK(sin(x), Shape{3, 4});
  GRADCHECK(cos(x), Shape{3, 4});
  GRADCHECK(sqrt(x), positive({3, 4}));
  GRADCHECK(square(x), Shape{3, 4});
  GRADCHECK(abs(x), Shape{3, 4});
  GRADCHECK(clamp(x, -1, 1), Shape{3, 4});
  GRADCHECK(tanh(x), Shape{3, 4});
  GRADCHECK(sigmoid(x), Shape{3, 4});
  GRADCHECK(relu(x), Shape{3, 4});
  GRADCHECK(softplus(x), Shape{3, 4});
  GRADCHECK(silu(x), Shape{3, 4});
  GRADCHECK(gelu(x), Shape{3, 4});
  GRADCHECK(where(mask(), x, y), Shape{3, 4}, Shape{4});
  GRADCHECK(maximum(x, y), Shape{3, 4}, Shape{4});
  GRADCHECK(minimum(x, y), Shape{3, 1}, Shape{3, 4});
  GRADCHECK(masked_fill(x, mask(), -9), Shape{3, 4});
  GRADCHECK(([](const Var& v) {
              Rng rng(7);
              return dropout(v, 0.4, &rng);
            })(x),
            Shape{3, 4});

  GRADCHECK(matmul(x, y), Shape{3, 4}, Shape{4, 2});
  GRADCHECK(matmul(x, y), Shape{2, 3, 4}, Shape{4, 2});
  GRADCHECK(matmul(x, y), Shape{2, 3, 4}, Shape{2, 4, 5});
  GRADCHECK(matmul(x, y), Shape{3, 4}, Shape{2, 4, 5});
  GRADCHECK(matmul(x, y), Shape{2, 1, 3, 4}, Shape{3, 4, 2});
  GRADCHECK(matmul(x, transpose(x)), Shape{3, 4});
  GRADCHECK(affine(x, y, z), Shape{3, 4}, Shape{4, 2}, Shape{2});
  GRADCHECK(affine(x, y, z), Shape{2, 3, 4}, Shape{4, 2}, Shape{2});
  GRADCHECK(affine(x, y, z), Shape{3, 4}, Shape{4, 2}, Shape{3, 2});

  GRADCHECK(sum(x), Shape{3, 4});
  GRADCHECK(sum(x, 0), Shape{3, 4});
  GRADCHECK(sum(x, 1, true), Shape{2, 3, 4});
  GRADCHECK(mean(x), Shape{3, 4});
  GRADCHECK(mean(x, -1), Shape{3, 4});
  GRADCHECK(max(x), Shape{3, 4});
  GRADCHECK(max(x, 1), Shape{3, 4});
  GRADCHECK(max(x, 0, true), Shape{3, 4});
  GRADCHECK(min(x), Shape{3, 4});
  GRADCHECK(min(x, 0), Shape{3, 4});
  GRADCHECK(min(x, -1, true), Shape{2, 3, 4});
  GRADCHECK(cumsum(x, 0), Shape{3, 4});
  GRADCHECK(cumsum(x, -2), Shape{2, 3, 4});
  GRADCHECK(softmax(x), Shape{3, 4});
  GRADCHECK(softmax(x, 0), Shape{3, 4});
  GRADCHECK(log_softmax(x), Shape{3, 4});
  GRADCHECK(log_softmax(x, 1), Shape{2, 3, 4});
  GRADCHECK(layer_norm(x, y, z), Shape{3, 4}, Shape{4}, Shape{4});

  GRADCHECK(cross_entropy(x, ids()), Shape{4, 5});
  GRADCHECK(cross_entropy(x, ids(), Reduction::none), Shape{4, 5});
  GRADCHECK(cross_entropy(x, ids(), Reduction::sum, 2), Shape{4, 5});
  GRADCHECK(cross_entropy(x, ids(), Reduction::mean, 0), Shape{4, 5});
  GRADCHECK(linear_cross_entropy(x, y, z, ids()), Shape{4, 3}, Shape{5, 3}, Shape{5});
  GRADCHECK(linear_cross_entropy(x, y, Var(), ids(), 2), Shape{4, 3}, Shape{5, 3});
  GRADCHECK(linear_cross_entropy_sum(x, y, z, ids(), 0.3), Shape{4, 3}, Shape{5, 3}, Shape{5});
  GRADCHECK(linear_cross_entropy_sum(x, y, z, ids(), 1, 2) * 2.0, Shape{4, 3}, Shape{5, 3},
            Shape{5});
  GRADCHECK(sampled_linear_cross_entropy_sum(x, y, z, candidates(), 0.3), Shape{4, 3}, Shape{5, 3},
            Shape{5});
  GRADCHECK(sampled_linear_cross_entropy_sum(x, y, Var(), candidates()) * 2.0, Shape{4, 3},
            Shape{5, 3});
  GRADCHECK(nll(log_softmax(x), ids()), Shape{4, 5});
  GRADCHECK(nll(x, ids(), Reduction::none), Shape{4, 5});
  GRADCHECK(nll(x, ids(), Reduction::mean, 2), Shape{4, 5});
  GRADCHECK(bce_with_logits(x, truths()), Shape{3, 4});
  GRADCHECK(bce_with_logits(x, truths(), Reduction::none), Shape{3, 4});
  GRADCHECK(bce_with_logits(x, truths(), Reduction::sum), Shape{3, 4});
  GRADCHECK(mse(x, y), Shape{3, 4}, Shape{3, 4});
  GRADCHECK(mse(x, y), Shape{3, 4}, Shape{4});
  GRADCHECK(huber(x, y, 0.9), Shape{3, 4}, Shape{3, 4});

  GRADCHECK(reshape(x, {2, 6}), Shape{3, 4});
  GRADCHECK(reshape(x, {-1, 2, 2}), Shape{3, 4});
  GRADCHECK(transpose(x), Shape{3, 4});
  GRADCHECK(transpose(x, 0, 2), Shape{2, 3, 4});
  GRADCHECK(select(x, 0, 1), Shape{3, 4});
  GRADCHECK(select(x, -1, 2), Shape{2, 3, 4});
  GRADCHECK(narrow(x, 1, 1, 2), Shape{3, 4});
  GRADCHECK(slice(x, 1, 1, 4, 2), Shape{3, 4});
  GRADCHECK(slice(x, -1, 0, 5, 3), Shape{2, 3, 5});
  GRADCHECK(expand(x, {2, 3, 4}), Shape{3, 1});
  GRADCHECK(permute(x, {2, 0, 1}), Shape{2, 3, 4});
  GRADCHECK(permute(x, {0, -1, 1, 2}), Shape{2, 1, 3, 4});
  GRADCHECK(unsqueeze(x, 1), Shape{3, 4});
  GRADCHECK(squeeze(x, -2), Shape{3, 1, 4});
  GRADCHECK(concat({x, y}), Shape{3, 4}, Shape{1, 4});
  GRADCHECK(concat({x, y, x}, 1), Shape{3, 4}, Shape{3, 2});
  GRADCHECK(stack({x, y}), Shape{3, 4}, Shape{3, 4});
  GRADCHECK(stack({x, y}, 2), Shape{3, 4}, Shape{3, 4});
  GRADCHECK(embedding(x, ids()), Shape{5, 3});
  GRADCHECK(embedding(x * 2.0, ids()), Shape{5, 3});
  GRADCHECK(gather(x, 0, positions()), Shape{3, 4});
  GRADCHECK(gather(x, -1, ids()), Shape{4, 5});
  GRADCHECK(flip(x, 0), Shape{3, 4});
  GRADCHECK(flip(x, -1), Shape{2, 3, 4});

  GRADCHECK(conv1d(x, y), Shape{6, 2, 3}, Shape{3, 3, 2});
  GRADCHECK(conv1d(x, y, Padding::causal), Shape{5, 2, 3}, Shape{2, 3, 2});
  GRADCHECK(conv1d(x, y, Padding::causal, 3), Shape{5, 2, 3}, Shape{3, 3, 2});
  GRADCHECK(conv1d(x, y, Padding::same), Shape{5, 2, 3}, Shape{4, 3, 2});
  GRADCHECK(conv1d(x, y, Padding::same, 2), Shape{5, 2, 3}, Shape{3, 3, 2});

  GRADCHECK(concat(lstm_gates(x, y)), Shape{3, 16}, Shape{3, 4});
  GRADCHECK(lstm_gates(x, y)[0], Shape{3, 16}, Shape{3, 4});
  GRADCHECK(lstm_gates(x, y)[1], Shape{3, 16}, Shape{3, 4});
  GRADCHECK(gru_gates(x, y, z), Shape{3, 12}, Shape{3, 12}, Shape{3, 4});

  steps();  // before storages are counted
  GRADCHECK(rnn_recurrence(x, y, z, steps()), Shape{6, 2}, Shape{2, 2}, Shape{3, 2});
  GRADCHECK(rnn_recurrence(x, y, z, steps(), 0, false), Shape{6, 2}, Shape{2, 2}, Shape{3, 2});
  GRADCHECK(gru_recurrence(x, y, bias(x), z, steps()), Shape{6, 6}, Shape{2, 6}, Shape{3, 2});
  GRADCHECK(gru_recurrence(x, y, Var(), z, steps()), Shape{6, 6}, Shape{2, 6}, Shape{3, 2});
  GRADCHECK(concat(lstm_recurrence(x, y, z, z * 0.5, steps())), Shape{6, 8}, Shape{2, 8},
            Shape{3, 2});
  GRADCHECK(lstm_recurrence(x, y, z, z, steps())[0], Shape{6, 8}, Shape{2, 8}, Shape{3, 2});
  GRADCHECK(lstm_recurrence(x, y, z, z, steps())[1], Shape{6, 8}, Shape{2, 8}, Shape{3, 2});

  SUBCASE("and every op of the catalogue has a line") {
    int found = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(TAPESTRY_SOURCE_DIR "/autograd/ops")) {
      std::ifstream in(file.path());
      const std::string source((std::istreambuf_iterator<char>(in)), {});
      const std::regex recorded("(record|record_all|extreme)\\(\\s*\"(\\w+)\"");
      for (std::sregex_iterator m(source.begin(), source.end(), recorded), end; m != end; ++m) {
        ++found;
        const std::string name = (*m)[2];
        CHECK_MESSAGE(checked_ops.contains(name), "no GRADCHECK line for ", name);
      }
    }
    CHECK(found > 45);
  }
}

TEST_CASE("losses of logits are exact far from 0") {
  const Tensor x = Tensor::from({4}, {1000, -1000, 20, -20}), t = Tensor::from({4}, {1, 0, 1, 0});
  const Tensor loss = bce_with_logits(x, t, Reduction::none).value();
  CHECK(loss.at({0}) == 0);
  CHECK(loss.at({1}) == 0);
  CHECK(loss.at({2}) == doctest::Approx(2.0611536e-9).epsilon(1e-6));
  CHECK(loss.at({3}) == doctest::Approx(2.0611536e-9).epsilon(1e-6));
  CHECK(bce_with_logits(x, Tensor::from({4}, {0, 1, 0, 1}), Reduction::none).value().at({0}) ==
        1000);
  CHECK_THROWS_WITH_AS(bce_with_logits(x, Tensor::zeros({3})),
                       "bce_with_logits: logits (4) and targets (3) differ", ShapeError);
}

TEST_CASE("nll of log_softmax is cross_entropy, ignored targets included") {
  Rng rng(kSeed);
  Tensor logits = Tensor::empty({4, 5}, f64);
  for (double& v : logits.write<double>()) v = rng.normal();
  const Tensor targets = Tensor::indices({4, kIgnored, 0, 2});
  for (const Reduction r : {Reduction::none, Reduction::sum, Reduction::mean}) {
    const Tensor a = nll(log_softmax(logits), targets, r).value(),
                 b = cross_entropy(logits, targets, r).value();
    CHECK(a.shape() == b.shape());
    CHECK(sum(square(a - b)).item() < 1e-28);
  }
  CHECK_THROWS_AS(nll(logits, Tensor::indices({4, 5, 0, 2})), IndexError);
  CHECK_THROWS_WITH_AS(nll(logits, Tensor::full({4}, kIgnored, i32)),
                       "nll: every target is ignored, so there is no mean", ShapeError);
}

TEST_CASE("a causal convolution sees no later step, and a padded one keeps the length") {
  Tensor x = Tensor::zeros({6, 1, 1}, f64);
  x.set_({3, 0, 0}, 1);
  const Tensor w = Tensor::from({3, 1, 1}, {1, 2, 4}, f64);
  const auto y = [&](Padding p, int64_t dilation) {
    return conv1d(x, w, p, dilation).value().to_vector<double>();
  };
  CHECK(y(Padding::none, 1) == std::vector<double>{0, 4, 2, 1});
  CHECK(y(Padding::causal, 1) == std::vector<double>{0, 0, 0, 4, 2, 1});
  CHECK(y(Padding::causal, 2) == std::vector<double>{0, 0, 0, 4, 0, 2});
  CHECK(y(Padding::same, 1) == std::vector<double>{0, 0, 4, 2, 1, 0});
}
