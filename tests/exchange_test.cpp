// Models in the names and layouts of other programs. Against PyTorch itself (1.13, f64), importing
// random RNN, LSTM and GRU models gave its losses to 9e-15.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/model/npz.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/nn/checkpoint.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

const std::vector<ModelShape> kShapes = {
    {.cell = "rnn", .vocabulary = 9, .hidden = 5, .bias = false},
    {.cell = "rnn", .vocabulary = 9, .hidden = 5, .layers = 2, .embed = 3},
    {.cell = "lstm", .vocabulary = 9, .hidden = 5},
    {.cell = "lstm", .vocabulary = 9, .hidden = 5, .layers = 2, .embed = 5, .tied = true},
    {.cell = "gru", .vocabulary = 9, .hidden = 5, .layers = 3},
    {.cell = "gru", .vocabulary = 9, .hidden = 5, .embed = 4, .bias = false}};

ModelTensors random_model(const ModelShape& shape) {
  Rng rng(7);
  NamedTensors state;
  to_tensors(LanguageModel(shape, rng, f64), state);
  for (auto& [name, tensor] : state.tensors)  // biases are not all drawn
    for (double& x : tensor.write<double>()) x += 0.1 * rng.uniform(-1, 1);
  return {shape, f64, state.tensors};
}

/// The losses of some sentences, token by token.
std::vector<double> losses(const ModelTensors& model) {
  EncodedCorpus corpus;
  corpus.ids = {1, 3, 4, 5, 2, 1, 8, 0, 7, 6, 5, 2};
  corpus.offsets = {0, 5, 12};
  Rng rng(0);
  LanguageModel m(model.shape, rng, model.dtype);
  from_tensors(m, {.tensors = model.tensors, .metadata = {}});
  return m.token_losses(make_batch(corpus, std::array<int64_t, 2>{0, 1}))
      .value()
      .cast(f64)
      .to_vector<double>();
}

double difference(const ModelTensors& a, const ModelTensors& b) {
  const auto x = losses(a), y = losses(b);
  REQUIRE(x.size() == y.size());
  double out = 0;
  for (size_t i = 0; i < x.size(); ++i) out = std::max(out, std::abs(x[i] - y[i]));
  return out;
}

template <class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}
bool mentions(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

}  // namespace

TEST_CASE("exchange: a model in PyTorch's names and back is the same function") {
  for (const ModelShape& shape : kShapes) {
    CAPTURE(shape.cell);
    const ModelTensors model = random_model(shape), back = from_other(to_pytorch(model));
    CHECK(back.shape.cell == shape.cell);
    CHECK(back.shape.layers == shape.layers);
    CHECK(back.shape.embed == shape.embed);
    CHECK(back.shape.bias == shape.bias);
    CHECK(back.shape.tied == shape.tied);
    CHECK(difference(model, back) == 0);
  }
}

TEST_CASE("exchange: PyTorch's layout, written by hand") {
  const ModelTensors model = random_model(kShapes[2]);
  const Tensors torch = to_pytorch(model);
  CHECK(torch.at("rnn.weight_ih_l0").shape() == Shape{20, 9});
  CHECK(torch.at("rnn.weight_ih_l0").at({13, 4}) == model.tensors.at("input.table").at({4, 13}));
  CHECK(torch.at("rnn.weight_hh_l0").at({13, 4}) ==
        model.tensors.at("rnn.cells.0.w_hh").at({4, 13}));
  CHECK(torch.at("rnn.bias_ih_l0").at({13}) == model.tensors.at("rnn.cells.0.bias").at({13}));
  CHECK(torch.at("rnn.bias_hh_l0").at({13}) == 0);
  CHECK(torch.at("decoder.weight").shape() == Shape{9, 5});
  CHECK(torch.size() == 6);
}

TEST_CASE("exchange: two biases are merged where one is enough, and kept by a GRU") {
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    CAPTURE(cell);
    const ModelTensors model =
        random_model({.cell = cell, .vocabulary = 9, .hidden = 5, .layers = 2});
    Tensors torch = to_pytorch(model);
    for (const char* layer : {"l0", "l1"}) {
      Tensor& ih = torch.at("rnn.bias_ih_" + std::string(layer));
      Tensor& hh = torch.at("rnn.bias_hh_" + std::string(layer));
      // Moves a part from one bias to the other; not in the n gate of a GRU, which tells them
      // apart.
      const int64_t gates = std::string(cell) == "gru" ? 2 : ih.size(0) / 5;
      const Tensor part = ih.narrow(0, 0, gates * 5).clone() * 0.25;
      ih = ih.clone(), hh = hh.clone();
      ih.narrow(0, 0, gates * 5).add_(part, -1);
      hh.narrow(0, 0, gates * 5).add_(part);
    }
    CHECK(difference(model, from_other(torch)) < 1e-12);
  }
}

TEST_CASE("exchange: the reference's U, V and W, through an npz file") {
  const ModelTensors model = random_model(kShapes[0]);
  const Tensors reference = to_reference(model);
  CHECK(reference.at("U").shape() == Shape{5, 9});
  CHECK(reference.at("V").shape() == Shape{9, 5});
  CHECK(reference.at("W").at({1, 2}) == model.tensors.at("rnn.cells.0.w_hh").at({2, 1}));
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("tapestry_exchange_test_" + std::to_string(getpid()) + ".npz"))
                               .string();
  write_npz(path, reference);
  CHECK(difference(model, from_other(read_npz(path))) == 0);
  std::filesystem::remove(path);
  for (size_t i = 1; i < kShapes.size(); ++i)
    CHECK_THROWS_AS(to_reference(random_model(kShapes[i])), ValueError);
}

TEST_CASE("exchange: what does not fit is named") {
  const Tensors good = to_pytorch(random_model(kShapes[1]));
  const auto without = [&](const char* name) {
    Tensors changed = good;
    changed.erase(name);
    return message([&] { from_other(changed); });
  };
  const auto with = [&](const char* name, const Tensor& tensor) {
    Tensors changed = good;
    changed[name] = tensor;
    return message([&] { from_other(changed); });
  };
  CHECK(mentions(without("rnn.weight_hh_l0"), "no tensor rnn.weight_hh_l0 (there are decoder.b"));
  CHECK(mentions(without("rnn.weight_hh_l1"), "no tensor rnn.weight_hh_l1"));
  CHECK(mentions(without("decoder.weight"), "no tensor decoder.weight"));
  CHECK(mentions(with("rnn.weight_ih_l1", Tensor::zeros({5, 4}, f64)),
                 "tensor rnn.weight_ih_l1 is (5, 4), expected (5, 5)"));
  CHECK(
      mentions(with("rnn.weight_hh_l0", Tensor::zeros({10, 5}, f64)), "expected 1, 3 or 4 gates"));
  CHECK(mentions(with("rnn.weight_hh_l0", Tensor::zeros({5, 0}, f64)), "(5, 0)"));
  CHECK(mentions(with("rnn.weight_hh_l0", Tensor::zeros({5}, f64)), "expected (any, any)"));
  CHECK(mentions(with("attention", Tensor::zeros({5}, f64)), "tensor attention is none of"));
  CHECK(mentions(with("decoder.bias", Tensor::indices({1})), "no floating-point elements"));
  CHECK(mentions(message([] { from_other({}); }), "there are none"));
}

TEST_CASE("npz: what NumPy wrote, compressed and in Fortran order") {
  const Arrays arrays = read_npz(TAPESTRY_SOURCE_DIR "/tests/data/numpy.npz");
  REQUIRE(arrays.size() == 4);
  CHECK(arrays.at("U").dtype() == f32);
  CHECK(arrays.at("U").shape() == Shape{2, 4});
  CHECK(arrays.at("U").to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(arrays.at("V").to_vector<float>() == std::vector<float>{0, 8, 2, 10, 4, 12, 6, 14});
  CHECK(arrays.at("W").to_vector<float>() == std::vector<float>{0.5, 0, 0, 0.5});
  CHECK(arrays.at("d").to_vector<double>() == std::vector<double>{0, 1 / 3., 2 / 3.});
}

TEST_CASE("npz: a damaged file is an error wherever it is damaged") {
  const std::string good = read_bytes(TAPESTRY_SOURCE_DIR "/tests/data/numpy.npz");
  const auto parse = [](const std::string& bytes) {
    return message([&] { parse_npz(bytes, "F"); });
  };
  REQUIRE(parse(good) == "no error");
  CHECK(mentions(parse(""), "F: not an npz file ("));
  for (size_t length = 0; length < good.size(); length += 7)
    CHECK(mentions(parse(good.substr(0, length)), "F: "));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    parse(bytes);  // an error, or a byte that does not count; never anything else
  }
}

TEST_CASE(
    "exchange: tokens in another order are the same model, and a forbidden one has no chance") {
  for (const ModelShape& shape : kShapes) {
    CAPTURE(shape.cell);
    const ModelTensors model = random_model(shape);
    // The ids of losses() in the new order: token i was rows[i].
    ModelTensors other = model;
    const std::vector<int64_t> rows = {3, 0, 1, 2, 8, 7, 6, 5, 4};
    reorder(other, rows);
    std::vector<int64_t> back(rows.size());
    for (size_t i = 0; i < rows.size(); ++i)
      back[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
    CHECK(difference(model, other) > 1e-3);
    reorder(other, back);
    CHECK(difference(model, other) == 0);

    ModelTensors grown = model;
    reorder(grown, std::vector<int64_t>{0, 2, 2, 3, 4, 5, 6, 7, 8});  // begins where another ends
    forbid(grown, Vocabulary::begin);
    CHECK(grown.shape.bias);
    for (const double loss : losses(grown)) CHECK(std::isfinite(loss));
    CHECK(grown.tensors.at("bias").at({1}) == -1e9);
  }
}

TEST_CASE("exchange: models in f32 come back as they were, tied or not") {
  for (const bool tied : {false, true}) {
    CAPTURE(tied);
    ModelTensors model =
        random_model({.cell = "gru", .vocabulary = 9, .hidden = 5, .embed = 5, .tied = tied});
    model.dtype = f32;
    for (auto& [name, tensor] : model.tensors) tensor = tensor.cast(f32);
    const ModelTensors back = from_other(to_pytorch(model));
    CHECK(back.shape.tied == tied);
    CHECK(back.dtype == f32);
    CHECK(difference(back, model) < 1e-6);
  }
}
