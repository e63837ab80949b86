#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/examples/airline/device/gpu_versions.h>
#include <tapestry/examples/airline/series/series.h>

using namespace tapestry;
using namespace tapestry::airline;

namespace {

/// Logarithms of the passengers around 0.
std::vector<double> values() {
  std::vector<double> out;
  for (const double y : airline_passengers().values) out.push_back(std::log(y) - 5.5);
  return out;
}

/// What a step with a rate of 1 took from the weights.
std::vector<double> gradient(const Version& v, const Windows& data, int64_t first, int64_t n) {
  Rng rng(4);
  Regressor model(9, rng), before = model;
  v.make(model, 2)->step(data, first, n, 1.0);
  std::vector<double> out;
  const auto now = parameters(model), then = parameters(before);
  for (size_t i = 0; i < now.size(); ++i) {
    const auto a = then[i].parameter->value().to_vector<double>(),
               b = now[i].parameter->value().to_vector<double>();
    for (size_t k = 0; k < a.size(); ++k) out.push_back(a[k] - b[k]);
  }
  return out;
}

}  // namespace

// Where there is no device, and in CI there is none, this tests what the kernels compute on the
// host.
TEST_CASE("the versions on a device have the losses of those on the CPU, in every epoch") {
  const std::vector<double> y = values();
  const std::span<const double> all(y);
  for (const int64_t batch : {16, 25, 200}) {  // tiles that are full, that are not, and several
    const Task task{.train = {all.first(115), 12},
                    .valid = {all.subspan(103), 12},
                    .hidden = 13,
                    .batch = batch};
    const std::vector<EpochLoss> first = train(versions()[0], task).losses;
    REQUIRE(gpu_versions().size() == 4);
    for (const Version& v : gpu_versions()) {
      CAPTURE(v.name);
      CAPTURE(batch);
      const std::vector<EpochLoss> losses = train(v, task).losses;
      REQUIRE(losses.size() == first.size());
      for (size_t e = 0; e < first.size(); ++e) {
        CHECK(std::abs(losses[e].train - first[e].train) < 1e-9);
        CHECK(std::abs(losses[e].valid - first[e].valid) < 1e-9);
      }
    }
  }
}

TEST_CASE("the gradients on a device are those of the tape, with more windows than slots") {
  std::vector<double> y;
  for (int t = 0; t < 1200; ++t) y.push_back(std::sin(0.7 * t) + 0.1 * (t % 5));
  const Windows data{y, 7};
  const std::vector<double> expected = gradient(versions()[5], data, 3, 1100);
  double norm = 0;
  for (const double g : expected) norm += g * g;
  CHECK(norm > 1e-3);
  for (const Version& v : gpu_versions()) {
    CAPTURE(v.name);
    const std::vector<double> found = gradient(v, data, 3, 1100);
    REQUIRE(found.size() == expected.size());
    for (size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 1e-12);
  }
}

TEST_CASE("versions on a device copy what they say") {
  const std::vector<double> y = values();
  const std::span<const double> all(y);
  const Task task{.train = {all.first(115), 12}, .valid = {all.subspan(103), 12}};
  std::vector<Traffic> traffic;
  for (const Version& v : gpu_versions()) traffic.push_back(train(v, task).traffic);
  for (size_t i = 1; i < 3; ++i) CHECK(traffic[i].bytes < traffic[i - 1].bytes);
  for (size_t i = 2; i < 4; ++i) CHECK(traffic[i].copies < traffic[i - 1].copies);
  // Mini-batches and held-out windows of 5 epochs; a step is a kernel of its own after the first.
  CHECK(traffic[0].kernels == 5 * (7 + 1));
  for (size_t i = 1; i < 4; ++i) CHECK(traffic[i].kernels == 5 * (2 * 7 + 1));
  // Weights, their transpose and both series; the squared errors, there and back, of 2 x 5 passes.
  CHECK(traffic[3].copies == 4 + 2 * 2 * 5);
  CHECK(train(versions()[6], task).traffic.copies == 0);
}
