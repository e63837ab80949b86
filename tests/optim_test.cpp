#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <tapestry/autograd/ops.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

namespace {

struct Model {
  Parameter table, w;
  FIELDS(table, w)
};

Model make_model(DType dtype = f64) {
  Rng rng(7);
  const auto random = [&](const Shape& shape) {
    Tensor out = Tensor::empty(shape, f64);
    for (double& x : out.write<double>()) x = rng.uniform(-1, 1);
    return Parameter(out.cast(dtype));
  };
  return {random({6, 3}), random({3, 2})};
}

/// A loss whose gradient is row-sparse for the table, with rows that occur twice.
Var loss(const Model& m, const Tensor& ids) {
  return sum(square(matmul(embedding(m.table, ids), m.w) - 0.5)) +
         0.1 * sum(square(embedding(m.table, ids)));  // a second list of rows
}

void backward(const Model& m, const Tensor& ids) {
  Tape tape;
  tape.backward(loss(m, ids));
}

/// The indices that an epoch of this "corpus" touches at step t.
Tensor batch(int t) { return Tensor::indices({t % 6, (3 * t + 1) % 6, t % 6}); }

double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return std::sqrt(squared_norm(a.cast(f64) - b.cast(f64)));
}

const UpdateRule kRules[] = {
    SGD{.lr = 0.05},
    SGD{.lr = 0.05, .momentum = 0.9},
    SGD{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
    Adam{.lr = 0.1},
    AdamW{.lr = 0.1, .weight_decay = 0.1},
    RMSProp{.lr = 0.05},
    Adagrad{.lr = 0.5}};

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("optimizer: every rule follows PyTorch's trajectory") {
  const char* files[] = {
      "sgd_lr0.05",   "sgd_lr0.05_momentum0.9", "sgd_lr0.05_momentum0.9_nesterov_wd0.01",
      "adam_lr0.1",   "adamw_lr0.1_wd0.1",      "rmsprop_lr0.05",
      "adagrad_lr0.5"};
  for (size_t i = 0; i < std::size(files); ++i) {
    CAPTURE(files[i]);
    const NamedTensors golden = read_safetensors(
        std::string(TAPESTRY_SOURCE_DIR "/tests/data/optim_") + files[i] + ".safetensors");
    REQUIRE(golden.text("case") == files[i]);
    REQUIRE(golden.text("loss") == "0.1*sum((w-target)^4)");
    const Tensor &target = golden.tensors.at("target"), &path = golden.tensors.at("trajectory");
    Parameter w(golden.tensors.at("w0").clone());
    const NamedParameter parameters[] = {{"w", &w}};
    Optimizer optimizer(parameters, kRules[i]);
    for (int64_t t = 0; t < path.size(0); ++t) {
      {
        Tape tape;
        tape.backward(0.1 * sum(square(square(w - target))));
      }
      optimizer.step();
      CHECK(distance(w.value(), path.select(0, t)) < 1e-13);
    }
    CHECK(optimizer.steps() == 25);
  }
}

TEST_CASE("optimizer: f32 follows f64 and keeps its type") {
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Model a = make_model(f32), b = make_model(f64);
    Optimizer oa(a, rule), ob(b, rule);
    for (int t = 0; t < 10; ++t) {
      backward(a, batch(t)), oa.step();
      backward(b, batch(t)), ob.step();
    }
    CHECK(a.w.value().dtype() == f32);
    CHECK(distance(a.w.value(), b.w.value()) < 2e-4);
    CHECK(distance(a.table.value(), b.table.value()) < 2e-4);
  }
}

TEST_CASE("optimizer: row-sparse SGD and Adagrad equal dense; each row is summed once") {
  for (const UpdateRule& rule : {UpdateRule(SGD{.lr = 0.05}), UpdateRule(Adagrad{.lr = 0.3})}) {
    CAPTURE(rule.name());
    Model sparse = make_model(), dense = make_model();
    Optimizer os(sparse, rule), od(dense, rule);
    for (int t = 0; t < 12; ++t) {
      backward(sparse, batch(t));
      REQUIRE(sparse.table.grad().sparse());
      os.step();
      backward(dense, batch(t));
      dense.table.grad().dense();
      REQUIRE(!dense.table.grad().sparse());
      od.step();
      CHECK(distance(sparse.table.value(), dense.table.value()) < 1e-14);
      CHECK(distance(sparse.w.value(), dense.w.value()) < 1e-14);
    }
  }
}

TEST_CASE("optimizer: rules with memory equal dense while every row is touched") {
  const Tensor all = Tensor::indices({5, 4, 3, 2, 1, 0, 0, 3});
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Model sparse = make_model(), dense = make_model();
    Optimizer os(sparse, rule), od(dense, rule);
    for (int t = 0; t < 5; ++t) {
      backward(sparse, all), os.step();
      backward(dense, all), dense.table.grad().dense(), od.step();
    }
    CHECK(distance(sparse.table.value(), dense.table.value()) < 1e-13);
  }
}

TEST_CASE("optimizer: rules with memory are lazy: rows that are not touched stand still") {
  // Row 0 gets gradients at updates 1 and 4, row 1 at 2 and 3.
  const Tensor g = Tensor::from({1, 2}, {0.5, -2}, f64);
  const int32_t touched[] = {0, 1, 1, 0};
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Parameter table(Tensor::from({3, 2}, {1, 2, 3, 4, 5, 6}, f64));
    const NamedParameter parameters[] = {{"table", &table}};
    Optimizer optimizer(parameters, rule);
    for (const int32_t row : touched) {
      table.grad().add_rows(Tensor::indices({row}), g);
      const Tensor before = table.value().clone();
      optimizer.step();
      for (int r = 0; r < 3; ++r)
        CHECK((distance(table.value().select(0, r), before.select(0, r)) > 0) == (r == row));
    }
    // By hand: the rule on the row alone, in the updates that touch it, numbered as they come.
    for (const int32_t row : {0, 1}) {
      Tensor w = Tensor::from({1, 2}, {1.0 + 2 * row, 2.0 + 2 * row}, f64);
      std::vector<Tensor> state(static_cast<size_t>(rule.slots()), Tensor());
      for (Tensor& s : state) s = Tensor::zeros({1, 2}, f64);
      for (int t = 0; t < 4; ++t)
        if (touched[t] == row) update(rule, w, g, state, t + 1);
      CHECK(distance(w.select(0, 0), table.value().select(0, row)) < 1e-15);
    }
  }
}

TEST_CASE("optimizer: a gradient of rows and a dense part is one gradient") {
  Parameter a(Tensor::zeros({2, 2}, f64));
  const NamedParameter parameters[] = {{"a", &a}};
  Optimizer optimizer(parameters, SGD{.lr = 1});
  a.grad().add(Tensor::full({2, 2}, 1, f64));
  a.grad().add_rows(Tensor::indices({1}), Tensor::full({1, 2}, 10, f64));
  optimizer.step();
  CHECK(a.value().to_vector<double>() == std::vector<double>{-1, -1, -11, -11});
}

TEST_CASE("optimizer: a gradient that two parameters share, or a strided one, is read as it is") {
  Parameter a(Tensor::zeros({2, 3}, f64)), b(Tensor::zeros({2, 3}, f64));
  const NamedParameter parameters[] = {{"a", &a}, {"b", &b}};
  Optimizer optimizer(parameters, SGD{.lr = 1});
  const Tensor g = Tensor::from({3, 2}, {1, 2, 3, 4, 5, 6}, f64).transpose();
  a.grad().add(g);
  b.grad().add(g);
  optimizer.step();
  CHECK(a.value().to_vector<double>() == std::vector<double>{-1, -3, -5, -2, -4, -6});
  CHECK(b.value().to_vector<double>() == a.value().to_vector<double>());
  CHECK(g.at({0, 0}) == 1);
}

TEST_CASE("optimizer: without a gradient, or frozen, nothing of a parameter changes") {
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Model m = make_model();
    Optimizer optimizer(m, rule);
    backward(m, batch(1));
    optimizer.step();
    CHECK(m.table.grad().empty());  // used up
    CHECK(m.w.grad().empty());
    NamedTensors before, after;
    to_tensors(m, before);
    optimizer.save(before);
    CHECK_THROWS_AS(optimizer.step(), Error);  // no gradients at all
    m.w.freeze();
    m.table.freeze();
    m.w.grad().add(Tensor::full({3, 2}, 1, f64));  // left over from before it was frozen
    optimizer.step();
    CHECK(m.w.grad().empty());
    to_tensors(m, after);
    optimizer.save(after);
    for (const auto& [name, tensor] : before.tensors)
      CHECK(tensor.to_vector<double>() == after.tensors.at(name).to_vector<double>());
    CHECK(after.number<int64_t>("optimizer.updates.w") == 1);
    CHECK(optimizer.steps() == 2);
  }
}

TEST_CASE("optimizer: its leaves are marked as long as it lives, and have one owner") {
  Model m = make_model();
  {
    Optimizer first(m, SGD{});
    CHECK(m.w.ref()->held);
    CHECK(message_of<Error>([&] { Optimizer second(m, SGD{}); }) ==
          "optimizer: table already belongs to an optimizer or a server (let that one end first)");
    CHECK(m.w.ref()->held);
    Optimizer moved = std::move(first);
    backward(m, batch(0));
    const Tensor before = m.w.value().clone();
    moved.step();
    CHECK(distance(before, m.w.value()) > 0);
  }
  CHECK(!m.w.ref()->held);
  Optimizer again(m, Adam{});
  Parameter forgotten(Tensor::zeros({3, 2}, f64));
  Tape tape;
  CHECK_THROWS_AS(tape.backward(sum(m.w * forgotten)), Error);
  m.w.grad().clear();
}

TEST_CASE("optimizer: assigning to the model keeps the optimizer valid") {
  Model m = make_model();
  const Model best = m;
  Optimizer optimizer(m, SGD{.lr = 0.1});
  backward(m, batch(2)), optimizer.step();
  m = best;
  CHECK(distance(m.w.value(), best.w.value()) == 0);
  backward(m, batch(2)), optimizer.step();
  CHECK(distance(m.w.value(), best.w.value()) > 0);
}

TEST_CASE("optimizer: what cannot be trained is refused by name") {
  Parameter ids(Tensor::zeros({3}, i32)), view(Tensor::zeros({2, 3}).transpose());
  const NamedParameter integers[] = {{"ids", &ids}}, strided[] = {{"view", &view}};
  CHECK(message_of<DTypeError>([&] { Optimizer o(integers, SGD{}); }) ==
        "optimizer: ids is i32, expected f32 or f64");
  CHECK(message_of<ShapeError>([&] {
          Optimizer o(strided, SGD{});
        }).starts_with("optimizer: view (3, 2) is a strided view"));
  CHECK(!view.ref()->held);
}

TEST_CASE("optimizer: hyperparameters out of range are refused with name, value and range") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  CHECK(message_of<ValueError>([] { SGD{.lr = -1}.check(); }) ==
        "SGD: lr is -1, expected a finite number of at least 0");
  CHECK(message_of<ValueError>([] { SGD{.momentum = 1}.check(); }) ==
        "SGD: momentum is 1, expected 0 <= momentum < 1");
  const UpdateRule bad[] = {SGD{.lr = nan},          SGD{.lr = inf},
                            SGD{.momentum = -0.1},   SGD{.momentum = nan},
                            SGD{.weight_decay = -1}, SGD{.weight_decay = inf},
                            SGD{.nesterov = true},   Adam{.lr = -1},
                            Adam{.beta1 = 1},        Adam{.beta1 = -0.1},
                            Adam{.beta2 = 1},        Adam{.beta2 = nan},
                            Adam{.eps = 0},          AdamW{.lr = nan},
                            AdamW{.beta1 = 2},       AdamW{.weight_decay = -1},
                            RMSProp{.lr = -1},       RMSProp{.alpha = 1},
                            RMSProp{.eps = 0},       Adagrad{.lr = inf},
                            Adagrad{.eps = 0}};
  Model m = make_model();
  for (const UpdateRule& rule : bad) {
    CAPTURE(rule.name());
    CHECK_THROWS_AS(Optimizer(m, rule), ValueError);
  }
  for (const UpdateRule& rule : kRules) CHECK_NOTHROW(rule.check());
  Optimizer optimizer(m, Adam{.lr = 0.5});
  CHECK_THROWS_AS(optimizer.set_lr(-0.1), ValueError);
  CHECK(optimizer.lr() == 0.5);
  optimizer.set_lr(0.25);
  CHECK(optimizer.lr() == 0.25);
}

TEST_CASE("update: operands that do not fit are refused") {
  Tensor w = Tensor::zeros({2, 2}, f64), slot = Tensor::zeros({2, 2}, f64);
  std::vector<Tensor> none, one{slot}, wrong{Tensor::zeros({2, 3}, f64)};
  const Tensor g = Tensor::zeros({2, 2}, f64);
  CHECK_THROWS_AS(update(SGD{}, w, Tensor::zeros({4}, f64), none, 1), ShapeError);
  CHECK_THROWS_AS(update(SGD{}, w, Tensor::zeros({2, 2}, f32), none, 1), DTypeError);
  CHECK_THROWS_AS(update(RMSProp{}, w, g, none, 1), Error);
  CHECK_THROWS_AS(update(RMSProp{}, w, g, wrong, 1), ShapeError);
  CHECK_THROWS_AS(
      update_rows(SGD{}, w, {Tensor::indices({2}), Tensor::zeros({1, 2}, f64)}, none, 1),
      IndexError);
  CHECK_THROWS_AS(
      update_rows(SGD{}, w, {Tensor::indices({1}), Tensor::zeros({1, 3}, f64)}, none, 1),
      ShapeError);
  const uint32_t before = w.version();
  update(RMSProp{}, w, g, one, 1);
  CHECK(w.version() != before);  // a tape that saved it would notice
}

TEST_CASE("clip_grad_norm: one norm over all gradients, rows added up before they are squared") {
  Model sparse = make_model(), dense = make_model();
  Optimizer os(sparse, SGD{.lr = 1}), od(dense, SGD{.lr = 1});
  backward(sparse, batch(1));
  backward(dense, batch(1));
  dense.table.grad().dense();
  const double norm = os.clip_grad_norm(std::numeric_limits<double>::infinity());
  const double expected =
      std::sqrt(squared_norm(dense.table.grad().dense()) + squared_norm(dense.w.grad().dense()));
  CHECK(norm == doctest::Approx(expected).epsilon(1e-13));
  CHECK(os.clip_rate() == 0);  // infinity only measures
  CHECK(od.clip_grad_norm(norm / 4) == doctest::Approx(norm).epsilon(1e-13));
  CHECK(os.clip_grad_norm(norm / 4) == doctest::Approx(norm).epsilon(1e-13));
  CHECK(os.clip_grad_norm(norm) == doctest::Approx(norm / 4).epsilon(1e-13));
  CHECK(sparse.table.grad().sparse());
  CHECK(os.clip_rate() == doctest::Approx(1.0 / 3));
  os.step();
  od.step();
  CHECK(distance(sparse.table.value(), dense.table.value()) < 1e-14);
  CHECK(distance(sparse.w.value(), dense.w.value()) < 1e-14);
  CHECK(distance(sparse.w.value(), make_model().w.value()) < norm / 4);
  CHECK(os.clip_grad_norm(1) == 0);  // no gradients
}

TEST_CASE("clip_grad_norm: a gradient that is not finite is an error that names the parameter") {
  Model m = make_model();
  Optimizer optimizer(m, SGD{});
  m.table.grad().add(Tensor::full({6, 3}, 100, f64));
  m.w.grad().add(Tensor::full({3, 2}, std::nan(""), f64));
  CHECK(message_of<NonFiniteError>([&] { optimizer.clip_grad_norm(1); }) ==
        "clip_grad_norm: the gradient of w is not finite");
  CHECK(m.table.grad().dense().at({0, 0}) == 100);  // nothing was scaled
  zero_grad(m);
  m.table.grad().add_rows(Tensor::indices({2}),
                          Tensor::full({1, 3}, std::numeric_limits<double>::infinity(), f64));
  CHECK(message_of<NonFiniteError>([&] { optimizer.clip_grad_norm(1); }) ==
        "clip_grad_norm: the gradient of table is not finite");
  CHECK_THROWS_AS(optimizer.clip_grad_norm(0), ValueError);
  CHECK_THROWS_AS(optimizer.clip_grad_norm(std::nan("")), ValueError);
  CHECK(optimizer.clip_rate() == 0);
}

TEST_CASE("optimizer: a saved and resumed run is the run") {
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Model whole = make_model();
    Optimizer ow(whole, rule);
    NamedTensors state;
    for (int t = 0; t < 8; ++t) {
      if (t == 4) {
        to_tensors(whole, state, "model.");
        ow.save(state);
      }
      backward(whole, batch(t));
      ow.clip_grad_norm(1);
      ow.step();
      ow.set_lr(ow.lr() * 0.9);
    }
    Model resumed = make_model();
    Optimizer orr(resumed, rule);
    backward(resumed, batch(3)), orr.step();  // something else happened before
    from_tensors(resumed, state, "model.");
    orr.load(state);
    for (int t = 4; t < 8; ++t) {
      backward(resumed, batch(t));
      orr.clip_grad_norm(1);
      orr.step();
      orr.set_lr(orr.lr() * 0.9);
    }
    CHECK(resumed.w.value().to_vector<double>() == whole.w.value().to_vector<double>());
    CHECK(resumed.table.value().to_vector<double>() == whole.table.value().to_vector<double>());
    CHECK(orr.lr() == ow.lr());
    CHECK(orr.steps() == ow.steps());
    CHECK(orr.clip_rate() == ow.clip_rate());
  }
}

TEST_CASE("optimizer: a state that does not fit is refused and changes nothing") {
  Model m = make_model();
  Optimizer optimizer(m, Adam{.lr = 0.5});
  NamedTensors good;
  optimizer.save(good);
  const auto complaint = [&](auto change) {
    NamedTensors bad = good;
    bad.put("optimizer.lr", 0.125);
    change(bad);
    const std::string said = message_of<FormatError>([&] { optimizer.load(bad); });
    CHECK(optimizer.lr() == 0.5);
    return said;
  };
  CHECK(complaint([](NamedTensors& s) { s.metadata["optimizer.rule"] = "SGD"; }) ==
        "load: optimizer.rule is SGD in the file, the optimizer is Adam");
  CHECK(complaint([](NamedTensors& s) { s.metadata.erase("optimizer.rule"); }) ==
        "load: optimizer.rule is missing from the file");
  CHECK(complaint([](NamedTensors& s) { s.tensors.erase("optimizer.slot1.w"); }) ==
        "load: optimizer.slot1.w is missing from the file");
  CHECK(complaint([](NamedTensors& s) { s.tensors["optimizer.slot0.w"] = Tensor::zeros({2}); }) ==
        "load: optimizer.slot0.w is (2) in the file and (3, 2) in the model");
  CHECK(complaint([](NamedTensors& s) { s.put("optimizer.steps", -1); }) ==
        "load: optimizer.steps is -1 in the file, expected a count");
  CHECK(complaint([](NamedTensors& s) {
          s.put("optimizer.lr", std::nan(""));
        }).starts_with("load: optimizer.lr is nan"));
  CHECK(complaint([](NamedTensors& s) { s.metadata.erase("optimizer.updates.w"); }) ==
        "load: optimizer.updates.w is missing from the file");
}

TEST_CASE("optimizer: a warm step takes no memory from the system") {
  for (const UpdateRule& rule : kRules) {
    CAPTURE(rule.name());
    Model m = make_model(f32);
    Optimizer optimizer(m, rule);
    const auto step = [&] {
      backward(m, batch(1));
      optimizer.clip_grad_norm(0.1);
      optimizer.step();
    };
    step(), step();
    const StorageStats before = storage_stats();
    Tensor probe = Tensor::empty({1});
    probe = Tensor();
    probe = Tensor::empty({1});
    probe = Tensor();
    if (storage_stats().allocations > before.allocations + 1) return;  // the pool is off
    const StorageStats warm = storage_stats();
    for (int t = 0; t < 20; ++t) step();
    CHECK(storage_stats().allocations == warm.allocations);
    CHECK(storage_stats().live == warm.live);
  }
}
