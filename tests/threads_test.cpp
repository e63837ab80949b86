// One level of parallelism, and only as much as was asked for: threads are counted, and the
// processor time that each of them used. tests/blas_flavours.sh runs this with every OpenBLAS.

#include <doctest/doctest.h>

#include <barrier>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/embedding.h>
#include <tapestry/nn/init.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/threads.h>

using namespace tapestry;

namespace {

/// Nanoseconds on a processor, by thread; 0 where the kernel does not count them.
std::map<std::string, double> threads() {
  std::map<std::string, double> out;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "schedstat");
    double ns = 0;
    in >> ns;
    out[task.path().filename()] = ns;
  }
  return out;
}

/// How many threads used more than a tenth of what the busiest used between two counts.
int busy(const std::map<std::string, double>& before, const std::map<std::string, double>& after) {
  std::map<std::string, double> used;
  double most = 0;
  for (const auto& [id, ns] : after) {
    used[id] = ns - (before.contains(id) ? before.at(id) : 0);
    most = std::max(most, used[id]);
  }
  int n = 0;
  for (const auto& [id, ns] : used) n += ns > 0 && ns >= most / 10;
  return n;
}

struct Model {
  Rng rng{1};
  Embedding input{2000, 4 * 128, rng, 2000};
  RNN<LSTMCell> rnn{0, 128, 1, rng};
  Parameter weight{uniform({2000, 128}, 0.1, rng)};
  FIELDS(input, rnn, weight)
};

}  // namespace

TEST_CASE("a training step uses as many threads as kernel_threads says") {
  Model model;
  Optimizer optimizer(model, SGD{.lr = 0.01});
  constexpr int64_t kSteps = 8, kBatch = 64;
  const Packing packing = Packing::uniform(kSteps, kBatch);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < kSteps * kBatch; ++i) ids.push_back(i % 2000);
  const Tensor words = Tensor::indices(ids);
  for (const int n : {1, 2}) {
    CAPTURE(n);
    const auto before = threads();
    set_kernel_threads(n);
    for (int i = 0; i < 5; ++i) {
      {
        Tape tape;
        const Var h = model.rnn.run(model.input(words), packing, model.rnn.zero(kBatch)).y;
        tape.backward(linear_cross_entropy_sum(h, model.weight, {}, words, 1. / kBatch));
      }
      optimizer.step();
    }
    set_kernel_threads(1);
    const auto after = threads();
    CHECK(after.size() <= before.size() + static_cast<size_t>(n) - 1);
    CHECK(busy(before, after) <= n);
  }
}

TEST_CASE("products in several threads at once use one thread each and give the same bits") {
  constexpr size_t kThreads = 3;
  Rng rng(1);
  const Tensor a = uniform({256, 256}, 1, rng), b = uniform({256, 256}, 1, rng);
  const Tensor expected = matmul(a, b);
  std::barrier in(kThreads + 1), out(kThreads + 1);
  std::vector<int> wrong(kThreads);
  const auto before = threads();
  std::vector<std::thread> workers;
  for (size_t w = 0; w < kThreads; ++w)
    workers.emplace_back([&, w] {
      for (int i = 0; i < 50; ++i) {
        const Tensor c = matmul(a, b);
        const auto x = c.read<float>(), y = expected.read<float>();
        wrong[w] += !std::equal(x.begin(), x.end(), y.begin());
      }
      in.arrive_and_wait();  // every worker has finished and is still there to be counted
      out.arrive_and_wait();
    });
  in.arrive_and_wait();
  const auto after = threads();
  out.arrive_and_wait();
  for (std::thread& worker : workers) worker.join();
  CHECK(after.size() == before.size() + kThreads);
  CHECK(busy(before, after) <= static_cast<int>(kThreads));
  for (const int n : wrong) CHECK(n == 0);
}

TEST_CASE("the description of BLAS says how many threads it uses") {
  CHECK(blas_description().ends_with("1 thread"));
}
