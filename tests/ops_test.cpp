// One line per op: everything gradcheck() promises is checked for each. The last test fails when an
// op that the catalogue records was not covered by a line.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
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
const Tensor& mask() {
  static const Tensor t = Tensor::from({3, 4}, {1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}, i32);
  return t;
}

}  // namespace

TEST_CASE("every op has right gradients") {
  ids(), mask();  // made before the checks count what is alive
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
  GRADCHECK(log(x), positive({3, 4}));
  GRADCHECK(sqrt(x), positive({3, 4}));
  GRADCHECK(square(x), Shape{3, 4});
  GRADCHECK(abs(x), Shape{3, 4});
  GRADCHECK(clamp(x, -1, 1), Shape{3, 4});
  GRADCHECK(tanh(x), Shape{3, 4});
  GRADCHECK(sigmoid(x), Shape{3, 4});
  GRADCHECK(relu(x), Shape{3, 4});
  GRADCHECK(softplus(x), Shape{3, 4});
  GRADCHECK(where(mask(), x, y), Shape{3, 4}, Shape{4});
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
  GRADCHECK(concat({x, y}), Shape{3, 4}, Shape{1, 4});
  GRADCHECK(concat({x, y, x}, 1), Shape{3, 4}, Shape{3, 2});
  GRADCHECK(stack({x, y}), Shape{3, 4}, Shape{3, 4});
  GRADCHECK(stack({x, y}, 2), Shape{3, 4}, Shape{3, 4});
  GRADCHECK(embedding(x, ids()), Shape{5, 3});
  GRADCHECK(embedding(x * 2.0, ids()), Shape{5, 3});

  GRADCHECK(concat(lstm_gates(x, y)), Shape{3, 16}, Shape{3, 4});
  GRADCHECK(lstm_gates(x, y)[0], Shape{3, 16}, Shape{3, 4});
  GRADCHECK(lstm_gates(x, y)[1], Shape{3, 16}, Shape{3, 4});
  GRADCHECK(gru_gates(x, y, z), Shape{3, 12}, Shape{3, 12}, Shape{3, 4});

  SUBCASE("and every op of the catalogue has a line") {
    int found = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(TAPESTRY_SOURCE_DIR "/autograd/ops")) {
      std::ifstream in(file.path());
      const std::string source((std::istreambuf_iterator<char>(in)), {});
      for (size_t at = 0; (at = source.find("record(", at)) != std::string::npos; ++found) {
        const size_t begin = source.find('"', at) + 1;
        at = source.find('"', begin);
        const std::string name = source.substr(begin, at - begin);
        CHECK_MESSAGE(checked_ops.contains(name), "no GRADCHECK line for ", name);
      }
    }
    CHECK(found > 30);
  }
}
