// No thread computes that nobody asked for, whatever the BLAS: products run in the thread that
// calls them, workers of a server keep one thread each, kernels use as many as set_kernel_threads()
// says. blas_flavours.sh repeats these tests with every OpenBLAS that is installed.
//
// Counted are the threads of this process that consume processor time: idle threads, which some
// flavours of OpenBLAS keep, do no harm, and a busy machine changes nothing.

#include <doctest/doctest.h>
#include <omp.h>
#include <tapestry/autograd/ops.h>
#include <tapestry/nn/init.h>
#include <tapestry/optim/server/parameter_server.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/softmax/softmax_loss.h>
#include <tapestry/tensor/threads.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

using namespace tapestry;

namespace {

/// Seconds of processor time of every thread of this process.
std::map<std::string, double> thread_times() {
  std::map<std::string, double> out;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    double nanoseconds = 0;
    std::ifstream(task.path() / "schedstat") >> nanoseconds;
    out[task.path().filename()] = nanoseconds / 1e9;
  }
  return out;
}

/// How many threads take a notable part of the work of `step`, repeated for half a second of
/// processor time: a thread of OpenBLAS spins for some 30 ms after it was made.
template <class F>
int busy_threads(F step) {
  step();  // threads that are made once are made now
  auto before = thread_times();
  std::map<std::string, double> after;
  double most = 0;
  while (most < 0.5) {
    step();
    after = thread_times();
    for (const auto& [id, seconds] : after) most = std::max(most, seconds - before[id]);
  }
  return static_cast<int>(std::count_if(after.begin(), after.end(), [&](const auto& thread) {
    return thread.second - before[thread.first] > 0.2 * most;
  }));
}

/// The same, measured again if it is not `expected`: on a crowded machine a thread of OpenBLAS has
/// been seen to spin longer, once in some tens of runs.
template <class F>
int busy_threads(F step, int expected) {
  int n = 0;
  for (int i = 0; i < 3 && n != expected; ++i) n = busy_threads(step);
  return n;
}

bool times_are_kept() { return std::filesystem::exists("/proc/self/schedstat"); }

}  // namespace

TEST_CASE("a product runs in the thread that asks for it" * doctest::skip(!times_are_kept())) {
  Rng rng(1);
  const Tensor a = uniform({384, 384}, 1, rng), b = uniform({384, 384}, 1, rng);
  CAPTURE(blas_description());
  CHECK(busy_threads([&] { matmul(a, b); }, 1) == 1);
}

TEST_CASE("products of two threads run in two threads" * doctest::skip(!times_are_kept())) {
  Rng rng(1);
  const Tensor a = uniform({384, 384}, 1, rng);
  CAPTURE(blas_description());
  const auto in_two_threads = [&] {
#pragma omp parallel num_threads(2)
    {
      const Tensor own = a.clone();  // handles are not shared: their counts would be
      for (int i = 0; i < 8; ++i) matmul(own, own);
    }
  };
  CHECK(busy_threads(in_two_threads, 2) == 2);
}

TEST_CASE("kernels use the threads they were given" * doctest::skip(!times_are_kept())) {
  Rng rng(1);
  const Tensor h = uniform({64, 32}, 1, rng), weight = uniform({4096, 32}, 1, rng);
  const Tensor targets = Tensor::zeros({64}, i32), scale = Tensor::full({}, 1);
  for (const int threads : {1, 2}) {
    const KernelThreads kernels(threads);
    const auto losses = [&] {
      for (int i = 0; i < 8; ++i)
        softmax_loss(h, weight, Tensor(), targets, -1, scale, {true, true, false});
    };
    CHECK(busy_threads(losses, threads) == threads);
  }
}

namespace {
struct Line {
  Parameter w{Tensor::zeros({4})};
  FIELDS(w)
};
}  // namespace

TEST_CASE("a run of the server leaves the threads of BLAS and of kernels as they were") {
  const BlasThreads blas(2);
  const KernelThreads kernels(2);
  const std::string before = blas_description();
  std::atomic<int> most{0};
  for (const bool fails : {false, true}) {
    Line line;
    ParameterServer<Line> server(line, SGD{}, {.workers = 2});
    const auto body = [&](Line& m, Worker& w, int64_t i) {
      if (kernel_threads > 1) most = kernel_threads;
      require<ValueError>(!fails || i < 2, "item two is bad");
      w.update([&] { return sum(square(m.w - 1.0)); });
    };
    if (fails)
      CHECK_THROWS_AS(server.run(4, body), ValueError);
    else
      server.run(4, body);
    CHECK(most == 0);  // there is one level of parallelism
    CHECK(kernel_threads == 2);
    CHECK(blas_description() == before);
  }
}
