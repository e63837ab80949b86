#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <sstream>
#include <thread>

#include <tapestry/autograd/check_finite.h>
#include <tapestry/autograd/ops.h>
#include <tapestry/autograd/profile.h>

using namespace tapestry;

// Every allocation of this program is counted, so that a test can show that a step makes none.
namespace {
std::atomic<int64_t> heap_allocations{0};
}
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

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
constexpr bool kPooled = !__has_feature(address_sanitizer);
#else
constexpr bool kPooled = true;
#endif

Parameter parameter(const Shape& shape, double value, DType dtype = f64) {
  return Parameter(Tensor::full(shape, value, dtype));
}
std::vector<double> gradient(const Parameter& p) {
  REQUIRE_FALSE(p.grad().empty());
  return p.grad().dense().to_vector<double>();
}
template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

/// Counts backward rules and remembers the ops seen.
struct Counter : Observer {
  std::vector<std::string> ops;
  int64_t backward = 0;
  void forward(const char* name, const Tensor&, size_t) override { ops.emplace_back(name); }
  void backward_begin(const char*, size_t, const Tensor&) override { ++backward; }
  void backward_end(const char*, size_t) override {}
};

}  // namespace

// ---- what is recorded, and what comes out

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

// ---- errors

TEST_CASE("errors of ops name the op and the sizes") {
  const Var a = Tensor::zeros({20, 650}), b = Tensor::zeros({600, 2600});
  CHECK_THROWS_WITH_AS(
      matmul(a, b), "matmul: (20, 650) x (600, 2600): inner sizes 650 and 600 differ", ShapeError);
  CHECK_THROWS_WITH_AS(a + Var(Tensor::zeros({20, 600})),
                       "add: (20, 650) and (20, 600) do not broadcast: dim 1 is 650 and 600",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      embedding(Var(Tensor::zeros({10000, 1})), Tensor::indices({0, 1, 2, 3, 4, 5, 6, 10000})),
      "embedding: ids[7] = 10000 is outside a table of 10000 rows", IndexError);
}

TEST_CASE("a failed op leaves the recording as it was") {
  const Parameter w = parameter({2}, 3), v = parameter({2}, 4);
  Var old;
  {
    Tape tape;
    old = Var(w) * 2.0;
  }
  Tape tape;
  const Var x = square(Var(w));
  CHECK_THROWS_AS(Var(v) * old, TapeError);  // the rule of v came first
  CHECK_THROWS_AS(Var(v) + Var(Tensor::zeros({3}, f64)), ShapeError);
  tape.backward(sum(x * 1.5));
  CHECK(v.grad().empty());
  CHECK(gradient(w) == std::vector<double>(2, 9));
}

TEST_CASE("backward needs a scalar that this Tape recorded") {
  const Parameter w = parameter({20, 650}, 1);
  Tape tape;
  CHECK_THROWS_WITH_AS(tape.backward(exp(Var(w))),
                       "backward: loss has shape (20, 650), expected a scalar (use sum or mean)",
                       ShapeError);
  CHECK_THROWS_AS(tape.backward(Var()), ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(Var(Tensor::scalar(1))),
                       "backward: the loss was not recorded on this Tape (it depends on no "
                       "parameter, or was computed outside the Tape's scope)",
                       TapeError);
  tape.backward(sum(Var(w)));  // the failures before did not use the Tape up
  CHECK(gradient(w)[0] == 1);
}

TEST_CASE("a value of an ended Tape cannot be used while one records") {
  const Parameter c = parameter({2, 3}, 1);
  Var old;
  {
    Tape tape;
    old = Var(c) * 2.0;
  }
  Tape tape;
  CHECK_THROWS_WITH_AS(
      lstm_gates(Var(Tensor::zeros({2, 12}, f64)), old),
      "lstm_gates: input #2 was recorded on a Tape that has ended or belongs to another thread "
      "(call detach() to carry a value into the next window)",
      TapeError);
  CHECK_THROWS_WITH_AS(
      concat({Var(c), Var(c), old}),
      "concat: input #3 was recorded on a Tape that has ended or belongs to another thread "
      "(call detach() to carry a value into the next window)",
      TapeError);
  CHECK_NOTHROW(concat({Var(c), old.detach()}));
}

TEST_CASE("a saved tensor that was changed in place is an error that names the op") {
  const Parameter w = parameter({20, 650}, 2);
  Tensor x = Tensor::full({20, 650}, 3, f64);
  {
    Tape tape;
    const Var loss = sum(exp(Var(w)) * Var(x));
    const uint32_t saved = x.version();
    x.mul_(2);
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         join("backward of mul (#1): saved tensor (20, 650) was modified in place "
                              "after the forward pass (version ",
                              saved + 1, ", saved at ", saved, ")")
                             .c_str(),
                         TapeError);
  }
  {
    Tape tape;  // a change through a view counts too
    const Var loss = sum(Var(w) * Var(x));
    x.select(0, 3).fill_(1);
    CHECK_THROWS_AS(tape.backward(loss), TapeError);
  }
  {
    Tape tape;  // what no rule needs may change
    const Var y = Var(w) + Var(x);
    x.fill_(0);
    CHECK_NOTHROW(tape.backward(sum(y)));
  }
  Parameter p = parameter({2}, 1);
  Tape tape;
  const Var loss = sum(square(Var(p)));
  p.value().mul_(0.5);  // an update between forward and backward
  CHECK_THROWS_AS(tape.backward(loss), TapeError);
}

TEST_CASE("one Tape per thread, one backward per Tape") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  CHECK_THROWS_WITH_AS(Tape(),
                       "Tape: another Tape is recording on this thread (end its scope, or suspend "
                       "it with Tape::Pause)",
                       TapeError);
  const Var loss = sum(Var(w));  // the failed one changed nothing
  CHECK(tape.size() == 1);
  tape.backward(loss);
  CHECK_THROWS_WITH_AS(tape.backward(loss), "backward: this Tape has already run backward",
                       TapeError);
  CHECK_THROWS_WITH_AS(exp(Var(w)), "exp: this Tape has already run backward (end its scope first)",
                       TapeError);
  CHECK(gradient(w) == std::vector<double>(2, 1));
}

TEST_CASE("a Tape belongs to its thread") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var x = exp(Var(w)), loss = sum(x);
  std::thread([&] {
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward: call it on the thread that recorded the Tape, outside of "
                         "Tape::Pause",
                         TapeError);
    Tape other;
    CHECK_THROWS_WITH_AS(
        square(x),
        "square: input #1 was recorded on a Tape that has ended or belongs to another thread "
        "(call detach() to carry a value into the next window)",
        TapeError);
    CHECK_NOTHROW(square(x.detach()));
    CHECK_THROWS_AS(other.backward(loss), TapeError);
  }).join();
  tape.backward(loss);
  CHECK(gradient(w)[0] == x.value().at({0}));
}

TEST_CASE("backward under a Pause is an error") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var loss = sum(Var(w));
  {
    const Tape::Pause pause;
    CHECK_THROWS_AS(tape.backward(loss), TapeError);
  }
  CHECK_NOTHROW(tape.backward(loss));
}

TEST_CASE("a parameter that the optimizer does not know is an error") {
  const Parameter w = parameter({10000, 650}, 1, f32), v = parameter({1, 650}, 1, f32);
  const auto run = [&] {
    Tape tape;
    tape.backward(sum(Var(w)) + sum(Var(v)));
  };
  CHECK_NOTHROW(run());  // no optimizer at all
  v.ref()->tracked = true;
  CHECK_THROWS_WITH_AS(run(),
                       "optimizer: a (10000, 650) parameter has a gradient but belongs to no "
                       "optimizer (is it listed in FIELDS?)",
                       TapeError);
  w.ref()->frozen = true;
  CHECK_NOTHROW(run());
  w.ref()->frozen = false;
  w.ref()->tracked = true;
  CHECK_NOTHROW(run());
}

TEST_CASE("a rule that changes the gradient it is given is an error that names the op") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var y = record("careless", w.value() * 2.0, wrt(Var(w), [](const Tensor& dy) {
                         Tensor d = dy;
                         return d.mul_(2);
                       }));
  CHECK_THROWS_WITH_AS(
      tape.backward(sum(exp(y))),
      "backward of careless (#0): a rule modified the gradient (2) it was given in place",
      TapeError);
}

TEST_CASE("contributions that do not fit are errors") {
  const Parameter w = parameter({2, 3}, 1);
  const auto with = [&](auto rule) {
    Tape tape;
    const Var y = record("wrong", w.value() * 2.0, wrt(Var(w), rule));
    tape.backward(sum(y));
  };
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor::zeros({3, 2}, f64); }), ShapeError);
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor::zeros({2, 3}, f32); }), DTypeError);
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor(); }), Error);
  CHECK_THROWS_AS(with([](Grad& g, const Tensor&) { g.add(Tensor::zeros({3}, f64)); }), ShapeError);
  CHECK_THROWS_AS(with([](Grad& g, const Tensor&) { g.add(Tensor()); }), Error);
  CHECK(w.grad().empty());
  CHECK_NOTHROW(with([](const Tensor&) { return Tensor::zeros({4, 2, 3}, f64); }));  // summed
}

TEST_CASE("a joint rule may add to every input without asking which are wanted") {
  const auto scaled_sum = [](const Var& a, const Var& b) {
    return record("scaled_sum", a.value() + b.value() * 2.0,
                  wrt(jointly(a, b), [](const Tensor& dy, Grad& da, Grad& db) {
                    da.add(dy);
                    db.add(dy * 2.0);
                  }));
  };
  const Parameter w = parameter({2}, 1);
  const Tensor c = Tensor::full({2}, 1, f64);
  for (const bool first : {true, false}) {
    w.grad().clear();
    Tape tape;
    tape.backward(sum(first ? scaled_sum(Var(w), c) : scaled_sum(c, Var(w))));
    CHECK(gradient(w) == std::vector<double>(2, first ? 1 : 2));
  }
}

TEST_CASE("an op may list an undefined tensor") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var y = record("optional", w.value() * 2.0,
                       wrt(
                           Var(w),
                           [](const Tensor& dy, const Tensor& scale) {
                             return scale.defined() ? dy * scale : dy * 2.0;
                           },
                           Tensor()));
  tape.backward(sum(y));
  CHECK(gradient(w) == std::vector<double>(2, 2));
}

TEST_CASE("undefined Vars are errors in every op") {
  const Var u, d = Tensor::full({2, 2}, 1, f64);
  const Tensor ids = Tensor::indices({0, 1});
  const Parameter w = parameter({2, 2}, 1), absent;
  Tape tape;
  const Var p = w;
#define THROWS(...) CHECK_THROWS_AS((__VA_ARGS__), Error)
  THROWS(u + p);
  THROWS(p * u);
  THROWS(u - 1.0);
  THROWS(1.0 / u);
  THROWS(exp(u));
  THROWS(dropout(u, 0.5, nullptr).value() + d.value());
  THROWS(where(ids, u, p));
  THROWS(where(Tensor(), d, p));
  THROWS(matmul(u, p));
  THROWS(affine(p, u, d));
  THROWS(affine(u, p, d));
  THROWS(affine(p, d, u));
  THROWS(sum(u));
  THROWS(mean(u, 0));
  THROWS(max(u));
  THROWS(softmax(u));
  THROWS(layer_norm(u, p, p));
  THROWS(layer_norm(p, u, p));
  THROWS(cross_entropy(u, ids));
  THROWS(cross_entropy(p, Tensor()));
  THROWS(mse(u, p));
  THROWS(huber(p, u));
  THROWS(reshape(u, {1}));
  THROWS(reshape(u, Shape{1}));
  THROWS(transpose(u));
  THROWS(select(u, 0, 0));
  THROWS(narrow(u, 0, 0, 0));
  THROWS(concat({p, u}));
  THROWS(stack({u, u}));
  THROWS(stack(std::span<const Var>{}));
  THROWS(concat(std::span<const Var>{}));
  THROWS(embedding(u, ids));
  THROWS(embedding(p, Tensor()));
  THROWS(lstm_gates(u, p));
  THROWS(gru_gates(p, u, p));
  THROWS(Var(absent));
  THROWS(absent.grad());
#undef THROWS
}

// ---- print, profile, finite values

TEST_CASE("a Tape prints one line per op") {
  const Parameter w = parameter({2, 3}, 1);
  const Tensor x = Tensor::full({4, 2}, 1, f64);
  Tape tape;
  const Var y = tanh(matmul(Var(x), Var(w)));
  const Var loss = sum(y * y);
  std::ostringstream out;
  tape.print(out);
  CHECK(out.str() ==
        "#0 matmul (4, 3) f64 <- parameter (2, 3)  saves 64 B\n"
        "#1 tanh (4, 3) f64 <- #0  saves 96 B\n"
        "#2 mul (4, 3) f64 <- #1, #1  saves 192 B\n"
        "#3 sum () f64 <- #2\n");
  tape.backward(loss);
  CHECK_NOTHROW(tape.print(out));
}

TEST_CASE("a Profile counts calls, bytes and time") {
  const Parameter w = parameter({4}, 1);
  Profile profile;
  for (int n = 0; n < 2; ++n) {
    Tape tape;
    const Var x = exp(Var(w));
    tape.backward(sum(x * x));
  }
  const auto& entries = profile.entries();
  REQUIRE(entries.size() == 3);
  const Profile::Entry& mul = entries.at("mul");
  CHECK(mul.calls == 2);
  CHECK(mul.backward_calls == 2);
  CHECK(mul.value_bytes == 2 * 32);
  CHECK(mul.saved_bytes == 2 * 64);
  CHECK(entries.at("exp").saved_bytes == 2 * 32);
  CHECK(entries.at("sum").saved_bytes == 0);
  CHECK(entries.at("sum").value_bytes == 2 * 8);
  for (const auto& [name, e] : entries) {
    CHECK(e.forward_seconds >= 0);
    CHECK(e.backward_seconds >= 0);
  }
  std::ostringstream out;
  profile.print(out);
  CHECK(out.str().find("exp") != std::string::npos);
  exp(Var(w));  // without a Tape, nothing is saved
  CHECK(entries.at("exp").calls == 3);
  CHECK(entries.at("exp").saved_bytes == 2 * 32);
}

TEST_CASE("observers nest: the innermost watches") {
  const Parameter w = parameter({1}, 1);
  Counter outer;
  exp(Var(w));
  {
    Counter inner;
    tanh(Var(w));
    CHECK(inner.ops == std::vector<std::string>{"tanh"});
  }
  sqrt(Var(w));
  CHECK(outer.ops == std::vector<std::string>{"exp", "sqrt"});
}

TEST_CASE("CheckFinite names the op that made the first NaN or infinity") {
  const Parameter w(Tensor::from({3}, {1, 0, 2}, f64));
  CHECK_NOTHROW(log(Var(w)));
  const CheckFinite check;
  Tape tape;
  const Var x = w * 1.0;
  CHECK_THROWS_WITH_AS(exp(log(x)),
                       "log (op 2 of this check): its value has -inf at element 1 of (3)",
                       NonFiniteError);
  CHECK_THROWS_WITH_AS(sqrt(x - 1.0),
                       "sqrt (op 4 of this check): its value has nan at element 1 of (3)",
                       NonFiniteError);
}

TEST_CASE("CheckFinite names the op whose gradient rule made the first NaN or infinity") {
  const Parameter w(Tensor::from({3}, {1, 0, 2}, f64));
  const CheckFinite check;
  SUBCASE("in the middle") {
    Tape tape;
    const Var loss = sum(sqrt(Var(w) * 2.0));  // the derivative of sqrt at 0
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward of sqrt (#1): the gradient it passes on has inf at element 1 "
                         "of (3)",
                         NonFiniteError);
  }
  SUBCASE("at a parameter") {
    Tape tape;
    const Var loss = sum(sqrt(Var(w)));
    CHECK_THROWS_AS(tape.backward(loss), NonFiniteError);
  }
  SUBCASE("in rows") {
    Tape tape;
    const Var y = embedding(Var(w), Tensor::indices({2, 1}));
    const Var loss = sum(record("blow_up", y.value() * 1.0, wrt(y, [](const Tensor& dy) {
                                  return dy * std::numeric_limits<double>::infinity();
                                })));
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward of blow_up (#1): the gradient it passes on has inf at element "
                         "0 of (2)",
                         NonFiniteError);
  }
  SUBCASE("nowhere") {
    Tape tape;
    CHECK_NOTHROW(tape.backward(sum(square(Var(w)))));
  }
}

// ---- allocations

TEST_CASE("a warm training step allocates nothing") {
  const Parameter table = parameter({11, 6}, 0.1, f32), w = parameter({6, 12}, 0.2, f32),
                  u = parameter({3, 12}, 0.3, f32), b = parameter({12}, 0.4, f32),
                  out = parameter({3, 11}, 0.5, f32);
  const Tensor ids = Tensor::indices({1, 5, 5, 0}), targets = Tensor::indices({5, 5, 0, 2});
  const Parameter* all[] = {&table, &w, &u, &b, &out};
  double losses[4];
  int64_t heap[4], pool[4];
  for (int step = 0; step < 4; ++step) {
    const int64_t heap_before = heap_allocations, pool_before = storage_stats().allocations;
    {
      Tape tape;
      const Var x = embedding(Var(table), ids);
      Var h = Tensor::zeros({4, 3}), c = Tensor::zeros({4, 3});
      for (int t = 0; t < 5; ++t) {
        const Var hc = lstm_gates(affine(h, Var(u), affine(x, Var(w), Var(b))), c);
        h = select(hc, 0, 0);
        c = select(hc, 0, 1);
      }
      const Var joined = concat({h, dropout(tanh(h), 0, nullptr)}, 1);
      const Var loss = cross_entropy(matmul(narrow(joined, 1, 1, 3), Var(out)), targets) +
                       mean(square(joined)) * 0.1;
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
  CHECK(heap[0] > 0);  // the counter counts
  CHECK(heap[2] == 0);
  CHECK(heap[3] == 0);
  if (kPooled) {  // the pool is off under AddressSanitizer
    CHECK(pool[2] == 0);
    CHECK(pool[3] == 0);
  }
  CHECK(losses[0] == losses[3]);
}

// ---- parameters and gradients

TEST_CASE("a copied parameter is a new leaf, a moved one the same") {
  Parameter a = parameter({2}, 1);
  Leaf* leaf = a.ref().get();
  Parameter copy = a;
  CHECK(copy.ref().get() != leaf);
  copy.value().fill_(5);
  CHECK(a.value().at({0}) == 1);
  Parameter moved = std::move(a);
  CHECK(moved.ref().get() == leaf);
  CHECK_FALSE(a.defined());  // NOLINT: moved from
  CHECK_THROWS_WITH_AS(a.value(), "an empty Parameter was used (moved from, or never initialised)",
                       Error);

  const Tensor held = moved.value();
  moved = copy;  // equal shapes: values into the same leaf and the same storage
  CHECK(moved.ref().get() == leaf);
  CHECK(held.at({1}) == 5);
  moved = *&moved;
  CHECK(moved.value().at({1}) == 5);

  moved = parameter({3}, 2);
  CHECK(moved.shape() == Shape{3});
  copy = moved;  // unequal: a new leaf
  CHECK(copy.shape() == Shape{3});
  CHECK(copy.ref().get() != moved.ref().get());
  Parameter absent;
  copy = absent;
  CHECK_FALSE(copy.defined());
  CHECK_FALSE(Parameter(absent).defined());
}

TEST_CASE("a copy keeps values and freezing, not gradients or the optimizer") {
  Parameter a = parameter({2}, 3);
  a.freeze();
  a.ref()->tracked = true;
  a.grad().add(Tensor::full({2}, 1, f64));
  const Parameter b = a;
  CHECK(b.ref()->frozen);
  CHECK_FALSE(b.ref()->tracked);
  CHECK(b.grad().empty());
  const Parameter wide = parameter({3}, 1);
  CHECK_THROWS_WITH_AS(a = wide, "a parameter of an optimizer cannot change from (2) to (3)",
                       ShapeError);
  CHECK_THROWS_AS(a = Parameter(wide).share() = wide, Error);
}

TEST_CASE("a shared parameter has the same values and a gradient of its own") {
  Parameter a = parameter({2}, 3), b = a.share();
  CHECK(b.value().shares_storage(a.value()));
  Tape tape;
  tape.backward(sum(Var(b) * 2.0));
  CHECK(a.grad().empty());
  CHECK(gradient(b) == std::vector<double>(2, 2));
}

TEST_CASE("row contributions stay rows until something dense comes") {
  const Parameter table = parameter({5, 2}, 1);
  Grad g = table.grad();
  CHECK(g.wanted());
  CHECK(g.empty());
  CHECK_FALSE(g.sparse());
  CHECK_THROWS_WITH_AS(g.rows(), "gradient: (5, 2) has no row contributions alone (use dense)",
                       Error);
  g.add_rows(Tensor::indices({3, 1}), Tensor::from({2, 2}, {1, 2, 3, 4}, f64));
  CHECK(g.sparse());
  g.add_rows(Tensor::indices({3}), Tensor::from({1, 2}, {10, 20}, f64));
  g.add_rows(Tensor::zeros({1, 1}, i32), Tensor::from({1, 1, 2}, {7, 8}, f64));
  g.scale(2);
  const Rows rows = g.rows();
  CHECK(rows.ids.to_vector<int32_t>() == std::vector<int32_t>{0, 1, 3});
  CHECK(rows.values.to_vector<double>() == std::vector<double>{14, 16, 6, 8, 22, 44});
  g.add(Tensor::full({5, 2}, 100, f64));
  CHECK_FALSE(g.sparse());
  CHECK(g.dense().to_vector<double>() ==
        std::vector<double>{114, 116, 106, 108, 100, 100, 122, 144, 100, 100});
  g.scale(0.5);
  CHECK(g.dense().at({0, 0}) == 57);
  g.clear();
  CHECK(g.empty());
  CHECK(g.dense().to_vector<double>() == std::vector<double>(10, 0));
}

TEST_CASE("the first contribution to a gradient is borrowed and never written to") {
  const Parameter w = parameter({2, 2}, 1);
  Grad g = w.grad();
  const Tensor first = Tensor::full({2, 2}, 1, f64);
  g.add(first);
  CHECK(g.shape() == Shape{2, 2});
  CHECK(g.dtype() == f64);
  SUBCASE("add") {
    g.add(Tensor::full({2, 2}, 2, f64));
    g.add(Tensor::full({2, 2}, 3, f64));
    CHECK(g.dense().at({0, 0}) == 6);
  }
  SUBCASE("add_matmul") {
    g.add_matmul(first, first);
    CHECK(g.dense().at({0, 0}) == 3);
  }
  SUBCASE("batched add_matmul") {
    g.add_matmul(Tensor::full({3, 2, 2}, 1, f64), first);
    CHECK(g.dense().at({0, 0}) == 7);
  }
  SUBCASE("scale") {
    g.scale(4);
    CHECK(g.dense().at({0, 0}) == 4);
  }
  SUBCASE("dense") { g.dense().fill_(9); }
  SUBCASE("an expanded one") {
    g.clear();
    g.add(Tensor::scalar(1, f64).expand({2, 2}));
    g.add(first);
    CHECK(g.dense().at({1, 1}) == 2);
    g.clear();
    g.add(Tensor::scalar(1, f64).expand({2, 2}));
    CHECK(g.dense().contiguous());
    g.dense().set_({0, 0}, 5);
    CHECK(g.dense().at({1, 1}) == 1);
  }
  CHECK(first.to_vector<double>() == std::vector<double>(4, 1));
}

TEST_CASE("a gradient that nobody wants ignores what it is given") {
  Grad g;
  CHECK_FALSE(g.wanted());
  CHECK(g.empty());
  CHECK_FALSE(g.sparse());
  g.add(Tensor::full({2}, 1));
  g.add_matmul(Tensor::full({2, 2}, 1), Tensor::full({2, 2}, 1));
  g.add_rows(Tensor::indices({0}), Tensor::full({1, 2}, 1));
  g.scale(2);
  g.clear();
  CHECK(g.empty());
  CHECK_THROWS_AS(g.dense(), Error);
  CHECK_THROWS_AS(g.rows(), Error);
}
