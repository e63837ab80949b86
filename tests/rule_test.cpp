// Rules that users write, groups of parameters with rules of their own, and averages of weights.

#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/optim/average.h>

#include "server_model.h"

using namespace tapestry;
using namespace tapestry::test;

namespace {

/// Lion (Chen et al., 2023), as a user would write it.
struct Lion {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.99;

  static constexpr const char* name = "Lion";
  static constexpr int slots() { return 1; }
  void check() const { require<ValueError>(beta1 < 1, "Lion: beta1 is ", beta1); }
  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    const T rate = static_cast<T>(lr), b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2);
    T* m = slot[0];
    for (size_t i = 0; i < w.size(); ++i) {
      const T c = b1 * m[i] + (1 - b1) * g[i];
      w[i] -= c > 0 ? rate : c < 0 ? -rate : 0;
      m[i] = b2 * m[i] + (1 - b2) * g[i];
    }
  }
};

struct NoRate {
  [[maybe_unused]] static constexpr const char* name = "NoRate";
  int slots() const { return 0; }
  void check() const {}
  template <class T>
  void update(std::span<T>, std::span<const T>, std::span<T* const>, int64_t) const {}
};
struct OnlyFloat : Lion {
  void update(std::span<float>, std::span<const float>, std::span<float* const>, int64_t) const {}
};
struct Owning : Lion {
  std::vector<double> memory;
};
struct Five : Lion {
  static constexpr int slots() { return 5; }
};

static_assert(Rule<Lion> && Rule<SGD> && Rule<AdamW> && Rule<Ema<Lion>> && Rule<Averaged<Adam>>);
static_assert(!Rule<NoRate> && !Rule<OnlyFloat> && !Rule<Owning> && !Rule<int>);

void train(Model& model, Optimizer& optimizer, const std::vector<Tensor>& items) {
  for (const Tensor& ids : items) {
    {
      Tape tape;
      tape.backward(model.loss(ids));
    }
    optimizer.step();
  }
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A parameter of one weight whose gradient the test gives.
struct One {
  Parameter w{Tensor::zeros({1}, f64)};
  FIELDS(w)
  void step(Optimizer& optimizer, double gradient) {
    w.grad().add(Tensor::full({1}, gradient, f64));
    optimizer.step();
  }
  double value() const { return w.value().item(); }
};

}  // namespace

TEST_CASE("a user's rule works in the optimizer, in the server, and in files") {
  const auto items = make_items(12);
  Model sequential, served, resumed;
  Optimizer optimizer(sequential, Lion{.lr = 0.01});
  train(sequential, optimizer, items);
  ParameterServer server(served, Lion{.lr = 0.01}, {.update = UpdatePolicy::critical});
  server.run(6, body_over(items));
  NamedTensors state;
  to_tensors(served, state, "model.");
  server.optimizer().save(state);
  CHECK(state.text("optimizer.rule") == "Lion");

  ParameterServer again(resumed, Lion{}, {.update = UpdatePolicy::sync});
  from_tensors(resumed, state, "model.");
  again.optimizer().load(state);
  CHECK(again.optimizer().lr() == 0.01);
  again.run(6, [&](Model& m, Worker& w, int64_t i) { body_over(items)(m, w, i + 6); });
  CHECK(distance(sequential, resumed) == 0);
  Model other;
  Optimizer sgd(other, SGD{.momentum = 0.5});
  CHECK(message_of([&] { sgd.load(state); }) ==
        "load: optimizer.rule is Lion in the file, the optimizer is SGD");
  CHECK(message_of([&] { Optimizer(other, Lion{.beta1 = 2}); }) == "Lion: beta1 is 2");
  CHECK(message_of([&] { UpdateRule(Five{}).check(); }) == "Lion: 5 slots, expected 0 to 4");
}

TEST_CASE("groups have rules of their own, whose rates follow the schedule") {
  const auto items = make_items(6);
  Model grouped, plain, served;
  const auto groups = [](Model& m) {
    return Optimizer::Groups{
        {.parameters = {&m.input.table, &m.weight}, .rule = Adagrad{.lr = 0.1}},
        {.parameters = {&m.bias}, .rule = SGD{.lr = 0}}};
  };
  Optimizer optimizer(grouped, Adam{.lr = 0.01}, groups(grouped));
  train(grouped, optimizer, items);
  CHECK(squared_norm(grouped.bias.value()) == 0);  // rate 0

  // The same by hand: a rule for each, its gradients alone.
  std::vector<NamedParameter> rows, rest;
  for (const NamedParameter& p : parameters(plain))
    if (p.name == "input.table" || p.name == "weight")
      rows.push_back(p);
    else if (p.name != "bias")
      rest.push_back(p);
  Parameter& bias = plain.bias;
  const NamedParameter third[] = {{"bias", &bias}};
  {
    Optimizer a(rows, Adagrad{.lr = 0.1}), b(rest, Adam{.lr = 0.01}), c(third, SGD{.lr = 0});
    for (const Tensor& ids : items) {
      {
        Tape tape;
        tape.backward(plain.loss(ids));
      }
      a.step(), b.step(), c.step();
    }
  }
  CHECK(distance(grouped, plain) == 0);

  // In the server; a schedule moves all rates.
  std::vector<double> rates;
  ServerOptions options;
  options.lr = [](int64_t) { return 0.01; };
  ParameterServer server(served, Adam{.lr = 0.02}, options,
                         Optimizer::Groups{{.parameters = {&served.input.table, &served.weight},
                                            .rule = Adagrad{.lr = 0.2}},
                                           {.parameters = {&served.bias}, .rule = SGD{.lr = 0}}});
  server.run(6, body_over(items));
  CHECK(distance(grouped, served) < 1e-15);
  optimizer.set_lr(0.005);
  CHECK(optimizer.rule_of(optimizer.states()[0]).lr() == 0.05);
  CHECK(std::string(optimizer.rule_of(optimizer.states()[0]).name()) == "Adagrad");
  CHECK(optimizer.rule().lr() == 0.005);
}

TEST_CASE("groups are saved, and loaded into the same groups alone") {
  const auto items = make_items(6);
  const auto group = [](Model& m, double lr) {
    return Optimizer::Groups{{.parameters = {&m.weight}, .rule = Adagrad{.lr = lr}}};
  };
  Model whole, resumed, other;
  Optimizer a(whole, Adam{.lr = 0.01}, group(whole, 0.1));
  train(whole, a, {items.begin(), items.begin() + 3});
  a.set_lr(0.003);
  NamedTensors state;
  to_tensors(whole, state, "model.");
  a.save(state);
  train(whole, a, {items.begin() + 3, items.end()});

  Optimizer b(resumed, Adam{.lr = 1}, group(resumed, 7));
  from_tensors(resumed, state, "model.");
  b.load(state);
  train(resumed, b, {items.begin() + 3, items.end()});
  CHECK(distance(whole, resumed) == 0);

  const auto load = [&](const Optimizer::Groups& groups) {
    return message_of([&] {
      Optimizer o(other, Adam{}, groups);
      o.load(state);
    });
  };
  CHECK(load({}) == "load: optimizer.groups is 1 in the file, the optimizer has 0");
  CHECK(load({{.parameters = {&other.bias}, .rule = Adagrad{}}}) ==
        "load: optimizer.group.weight is 1 in the file, 0 in the optimizer");
  CHECK(load({{.parameters = {&other.weight}, .rule = RMSProp{}}}) ==
        "load: optimizer.group1.rule is Adagrad in the file, RMSProp in the optimizer");
}

TEST_CASE("groups that do not fit the model are refused") {
  Model model, other;
  const auto refused = [&](const Optimizer::Groups& groups, double lr = 0.1) {
    return message_of([&] { Optimizer(model, SGD{.lr = lr}, groups); });
  };
  CHECK(
      refused({{.parameters = {&other.weight}, .rule = Adam{}}}) ==
      "optimizer: a group of Adam has a pointer to no parameter of the model (give &model.NAME of "
      "it)");
  CHECK(refused({{.parameters = {nullptr}, .rule = Adam{}}}).find("a pointer to no parameter") !=
        std::string::npos);
  CHECK(refused({{.parameters = {&model.weight}, .rule = Adam{}},
                 {.parameters = {&model.weight}, .rule = SGD{}}}) ==
        "optimizer: weight is given twice in groups");
  CHECK(refused({{.parameters = {&model.weight}, .rule = Adam{.lr = -1}}}) ==
        "Adam: lr is -1, expected a finite number of at least 0");
  CHECK(refused({{.parameters = {&model.weight}, .rule = Adam{}}}, 0).find("rate above 0") !=
        std::string::npos);
  CHECK(!model.weight.ref()->held);
}

TEST_CASE("averages: the mean of the weights, and a decaying one that begins as the mean") {
  const double gradients[] = {-1, -2, 3, -4, 5, -6};
  One polyak, ema, plain;
  Optimizer a(polyak, Averaged<SGD>{.rule = {.lr = 1}, .start = 2}),
      b(ema, Ema<SGD>{.rule = {.lr = 1}, .decay = 0.6}), c(plain, SGD{.lr = 1});
  double mean = 0, decaying = 0;
  for (int t = 1; t <= 6; ++t) {
    polyak.step(a, gradients[t - 1]), ema.step(b, gradients[t - 1]),
        plain.step(c, gradients[t - 1]);
    CHECK(polyak.value() == plain.value());
    CHECK(ema.value() == plain.value());
    if (t > 2) mean += plain.value() / 4;
    decaying += std::max(0.4, 1.0 / t) * (plain.value() - decaying);
    const AveragedValues averaged(b);
    CHECK(ema.value() == doctest::Approx(decaying).epsilon(1e-14));
  }
  CHECK(ema.value() == plain.value());
  {
    const AveragedValues averaged(a);
    CHECK(polyak.value() == doctest::Approx(mean).epsilon(1e-14));
    CHECK(polyak.w.ref()->frozen);
    polyak.w.grad().add(Tensor::full({1}, 1, f64));
    a.step();  // moves nothing
    CHECK(polyak.value() == doctest::Approx(mean).epsilon(1e-14));
  }
  CHECK(polyak.value() == plain.value());
  CHECK(!polyak.w.ref()->frozen);
  CHECK(std::string(Ema<AdamW>::name) == "Ema of AdamW");
  CHECK(message_of([&] { AveragedValues none(c); }) ==
        "AveragedValues: the rule SGD keeps no average (use Ema or Averaged)");
  CHECK(message_of([&] {
          Optimizer(ema, Ema<SGD>{.rule = {}, .decay = 1});
        }).starts_with("Ema of SGD: decay is 1"));
}

TEST_CASE("averages: weights come back after an exception; rows average the updates they had") {
  Parameter table(Tensor::zeros({3, 1}, f64));
  const NamedParameter list[] = {{"table", &table}};
  Optimizer optimizer(list, Averaged<SGD>{.rule = {.lr = 1}});
  const auto touch = [&](int32_t row, double gradient) {
    table.grad().add_rows(Tensor::indices({row}), Tensor::full({1, 1}, gradient, f64));
    optimizer.step();
  };
  touch(0, -2), touch(1, -10), touch(0, -2);
  try {
    const AveragedValues averaged(optimizer);
    CHECK(table.value().to_vector<double>() == std::vector<double>{3, 10, 0});
    fail("evaluation failed");
  } catch (const Error&) {
  }
  CHECK(table.value().to_vector<double>() == std::vector<double>{4, 10, 0});
}

TEST_CASE("step: a model moved in after its optimizer was made, and no gradient, are errors") {
  const auto items = make_items(1);
  Model model;
  Optimizer optimizer(model, SGD{.lr = 0.1});
  CHECK(message_of([&] { optimizer.step(); }).starts_with("step: no parameter has a gradient"));
  Model copy = model;
  {
    Tape tape;
    tape.backward(copy.loss(items[0]));
  }
  CHECK(message_of([&] { optimizer.step(); }).starts_with("step: no parameter has a gradient"));
  std::swap(model, copy);
  {
    Tape tape;
    tape.backward(model.loss(items[0]));
  }
  CHECK(message_of([&] { optimizer.step(); }).starts_with("step: no parameter has a gradient"));
  copy = Model();  // moves: what the optimizer knows is nobody's now
  CHECK(message_of([&] { optimizer.step(); }) ==
        "step: input.table is no longer part of a model (another model was moved into it; make the "
        "optimizer after that, or copy the values)");
  CHECK(optimizer.steps() == 0);
}
