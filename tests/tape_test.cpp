#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <thread>

#include <tapestry/autograd/ops.h>

#include "parameters.h"
#include "sanitizers.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

#if defined(TAPESTRY_ASAN) || defined(TAPESTRY_TSAN)
#define TAPESTRY_SANITIZED 1
#endif

// Every allocation of this program is counted, so that a test can show that a step makes none. The
// sanitizers bring an operator new of their own.
namespace {
std::atomic<int64_t> heap_allocations{0};
}
#ifndef TAPESTRY_SANITIZED
[[gnu::noinline]] void* operator new(size_t size) {
  heap_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  heap_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
#endif

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
constexpr bool kPooled = !__has_feature(address_sanitizer);
#else
constexpr bool kPooled = true;
#endif

/// Counts the ops that run backward.
struct Counter : Observer {
  int64_t backward = 0;
  void forward(const char*, const Tensor&, size_t) override {}
  void backward_begin(const char*, size_t, const Tensor&) override { ++backward; }
  void backward_end(const char*, size_t) override {}
};

}  // namespace

TEST_CASE("backward adds gradients into the parameters") {
  const Parameter w = parameter({2}, 3), b = parameter({2}, 1);
  for (int pass = 1; pass <= 3; ++pass) {
    Tape tape;
    tape.backward(sum(square(Var(w)) + Var(b)));
    CHECK(gradient(w) == std::vector<double>(2, 6.0 * pass));
    CHECK(gradient(b) == std::vector<double>(2, 1.0 * pass));
  }
  w.grad().clear();
  CHECK(w.grad().empty());
  CHECK_FALSE(b.grad().empty());
}

TEST_CASE("a parameter used twice gets both contributions") {
  const Parameter w = parameter({3}, 2);
  Tape tape;
  const Var x = w;
  tape.backward(sum(x * x + x * 5.0 + Var(w)));
  CHECK(gradient(w) == std::vector<double>(3, 2 + 2 + 5 + 1));
}

TEST_CASE("without a Tape nothing is recorded and the values are the same") {
  const Parameter w = parameter({2}, 3);
  const auto f = [&] { return sum(tanh(Var(w) * 0.5)); };
  const double plain = f().value().item();
  Tape tape;
  CHECK(tape.size() == 0);
  CHECK(f().value().item() == plain);
  CHECK(tape.names() == std::vector<std::string>{"scale", "tanh", "sum"});
  {
    const Tape::Pause pause;
    CHECK(f().value().item() == plain);
    CHECK(tape.size() == 3);
    Tape inner;  // the outer one is suspended
    tapestry::exp(Var(w));
    CHECK(inner.size() == 1);
  }
  f();
  CHECK(tape.size() == 6);
}

TEST_CASE("ops on constants are not recorded and save nothing") {
  const Parameter w = parameter({2}, 3);
  const Tensor c = Tensor::full({2}, 2, f64);
  Tape tape;
  const Var k = exp(Var(c)) * Var(c);
  CHECK(tape.size() == 0);
  const int64_t live = storage_stats().live;
  const Var y = Var(w) * k;  // saves k for w, and nothing for k
  CHECK(storage_stats().live == live + 1);
  tape.backward(sum(y));
  CHECK(gradient(w) == k.value().to_vector<double>());
}

TEST_CASE("a frozen parameter is a constant") {
  Parameter w = parameter({2}, 3), v = parameter({2}, 4);
  w.freeze();
  {
    Tape tape;
    tape.backward(sum(Var(w) * Var(v)));
  }
  CHECK(w.grad().empty());
  CHECK(gradient(v) == std::vector<double>(2, 3));
  w.freeze(false);
  Tape tape;
  tape.backward(sum(Var(w) * Var(v)));
  CHECK(gradient(w) == std::vector<double>(2, 4));
}

TEST_CASE("detach stops the gradient and shares the value") {
  const Parameter w = parameter({2}, 3);
  Tape tape;
  const Var x = Var(w) * 2.0, d = x.detach();
  CHECK(d.value().shares_storage(x.value()));
  tape.backward(sum(x * d));
  CHECK(gradient(w) == std::vector<double>(2, 12));
}

TEST_CASE("a detached value carries into the next window") {
  const Parameter w = parameter({1}, 2);
  Var state = Tensor::full({1}, 1, f64);
  for (int window = 0; window < 3; ++window) {
    Tape tape;
    const Var next = state.detach() * Var(w);
    tape.backward(sum(next));
    state = next.detach();
  }
  CHECK(state.value().item() == 8);
  CHECK(gradient(w) == std::vector<double>{1 + 2 + 4});
}

TEST_CASE("a parameter may die before backward, and its value outlive it") {
  const int64_t live = storage_stats().live;
  {
    const Parameter v = parameter({2}, 5);
    Tape tape;
    Var y, alias;
    {
      const Parameter w = parameter({2}, 3);
      alias = w;
      y = Var(w) * Var(v);
    }
    CHECK(alias.value().at({1}) == 3);
    tape.backward(sum(y));
    CHECK(gradient(v) == std::vector<double>(2, 3));
  }
  CHECK(storage_stats().live == live);
}

TEST_CASE("a Var outlives its Tape as a value") {
  Var y;
  {
    const Parameter w = parameter({2}, 3);
    Tape tape;
    y = Var(w) * 2.0;
  }
  CHECK(y.value().at({0}) == 6);
  CHECK((y * 2.0).value().at({0}) == 12);  // no Tape: plain arithmetic
}

TEST_CASE("a Tape that never runs backward, or fails to, leaks nothing") {
  const int64_t live = storage_stats().live;
  {
    const Parameter w = parameter({4, 4}, 1);
    for (int n = 0; n < 3; ++n) {
      Tape tape;
      Var x = w;
      for (int i = 0; i < 10; ++i) x = tanh(matmul(x, Var(w)));
    }
    Tape tape;
    Tensor shared = Tensor::full({4, 4}, 2, f64);
    const Var loss = sum(exp(Var(w) * Var(shared)) * Var(w));
    shared.fill_(1);
    CHECK_THROWS_AS(tape.backward(loss), TapeError);
  }
  CHECK(storage_stats().live == live);
}

TEST_CASE("temporaries that no rule needs are freed at once") {
  const Parameter w = parameter({1000}, 1);
  Tape tape;
  Var x = w;
  x = x + 1.0;
  const int64_t live = storage_stats().live;
  for (int i = 0; i < 100; ++i) x = x + 1.0;
  CHECK(storage_stats().live == live);
}

TEST_CASE("backward frees what was saved as it goes") {
  const Parameter w = parameter({10}, 0.5);
  Tape tape;
  Var x = w;
  for (int i = 0; i < 50; ++i) x = tanh(x);
  const Var loss = sum(x);
  x = Var();
  const int64_t live = storage_stats().live;
  tape.backward(loss);
  CHECK(storage_stats().live <= live - 48);
}

TEST_CASE("a graph of a million ops neither recurses nor slows down") {
  const Parameter w = parameter({1}, 1);
  Tape tape;
  Var x = w;
  for (int i = 0; i < 1'000'000; ++i) x = x + 1.0;
  CHECK(tape.size() == 1'000'000);
  tape.backward(sum(x));
  CHECK(gradient(w) == std::vector<double>{1});
}

TEST_CASE("repeated squaring takes one backward rule per op, not one per path") {
  const Parameter w = parameter({2}, 1);
  Counter counter;
  Tape tape;
  Var x = w;
  for (int i = 0; i < 1000; ++i) x = x * x;  // 2^1000 paths
  tape.backward(sum(x));
  CHECK(counter.backward == 1001);
  CHECK(gradient(w) == std::vector<double>(2, std::pow(2.0, 1000)));
}

TEST_CASE("gradients of outputs that the loss does not use are zero") {
  const Parameter w = parameter({2}, 1), v = parameter({2}, 1);
  Counter counter;
  Tape tape;
  const Var unused = exp(Var(v));
  const Var loss = sum(Var(w));
  const Var later = exp(loss);
  tape.backward(loss);
  CHECK(v.grad().empty());
  CHECK(gradient(w) == std::vector<double>(2, 1));
  CHECK(counter.backward == 1);
  CHECK(unused.defined());
  CHECK(later.defined());
}

TEST_CASE("shared gradients are not written through each other") {
  // add hands the same tensor to both of its inputs, and concat hands out views of one.
  const Parameter a = parameter({2}, 1), b = parameter({2}, 1), c = parameter({4}, 1);
  for (int pass = 0; pass < 2; ++pass) {
    Tape tape;
    const Var s = Var(a) + Var(b);
    tape.backward(sum(concat({s, Var(a)}) * Var(c)) + sum(square(Var(b))));
  }
  CHECK(gradient(a) == std::vector<double>(2, 4));
  CHECK(gradient(b) == std::vector<double>(2, 6));
  a.grad().scale(10);
  CHECK(gradient(a) == std::vector<double>(2, 40));
  CHECK(gradient(b) == std::vector<double>(2, 6));
}

TEST_CASE("two Tapes on two threads train two copies at once") {
  const Parameter w = parameter({8}, 0.5);
  std::vector<Parameter> copies(4, w);
  std::vector<std::thread> threads;
  for (Parameter& p : copies)
    threads.emplace_back([&p] {
      for (int i = 0; i < 50; ++i) {
        Tape tape;
        tape.backward(sum(tanh(Var(p) * Var(p))));
      }
    });
  for (auto& t : threads) t.join();
  for (const Parameter& p : copies) CHECK(gradient(p) == gradient(copies[0]));
  CHECK(w.grad().empty());
}

TEST_CASE("a warm training step allocates nothing") {
  const Parameter table = parameter({11, 6}, 0.1, f32), w = parameter({6, 12}, 0.2, f32),
                  u = parameter({3, 12}, 0.3, f32), b = parameter({12}, 0.4, f32),
                  out = parameter({3, 11}, 0.5, f32), words = parameter({11, 3}, 0.6, f32);
  const CandidateSampler sampler(std::vector<int64_t>{9, 8, 7, 6, 5, 5, 4, 3, 2, 1, 1});
  const Tensor ids = Tensor::indices({1, 5, 5, 0}), targets = Tensor::indices({5, 5, 0, 2});
  const Parameter* all[] = {&table, &w, &u, &b, &out, &words};
  double losses[4];
  int64_t heap[4], pool[4];
  for (int step = 0; step < 4; ++step) {
    const int64_t heap_before = heap_allocations, pool_before = storage_stats().allocations;
    {
      Tape tape;
      Rng rng(5);
      const Var x = embedding(Var(table), ids);
      Var h = Tensor::zeros({4, 3}), c = Tensor::zeros({4, 3});
      for (int t = 0; t < 5; ++t) {
        const auto y = lstm_gates(affine(h, Var(u), affine(x, Var(w), Var(b))), c);
        h = y[0];
        c = y[1];
      }
      const Var joined = concat({h, dropout(tanh(h), 0, nullptr)}, 1);
      const Var loss =
          cross_entropy(matmul(narrow(joined, 1, 1, 3), Var(out)), targets) +
          mean(square(joined)) * 0.1 +
          sampled_linear_cross_entropy_sum(h, words, Var(), sampler.draw(targets, 3, rng));
      tape.backward(loss);
      losses[step] = loss.value().item();
    }
    for (const Parameter* p : all) {
      CHECK_FALSE(p->grad().empty());
      Grad g = p->grad();
      if (!g.sparse()) g.dense();
      g.clear();
    }
    heap[step] = heap_allocations - heap_before;
    pool[step] = storage_stats().allocations - pool_before;
  }
#ifndef TAPESTRY_SANITIZED
  CHECK(heap[0] > 0);  // the counter counts
#endif
  CHECK(heap[2] == 0);
  CHECK(heap[3] == 0);
  if (kPooled) {  // the pool is off under AddressSanitizer
    CHECK(pool[2] == 0);
    CHECK(pool[3] == 0);
  }
  CHECK(losses[0] == losses[3]);
}
