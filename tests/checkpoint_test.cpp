#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/checkpoint.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>

using namespace tapestry;
namespace fs = std::filesystem;

namespace {

struct Layer {
  Parameter w, bias;
  FIELDS(w, bias)
};
struct Model {
  std::vector<Layer> layers;
  Parameter out;
  FIELDS(layers, out)
};

Model make_model(int64_t width = 3, uint64_t seed = 1, DType dtype = f64) {
  Rng rng(seed);
  const auto random = [&](const Shape& shape) {
    Tensor t = Tensor::empty(shape, f64);
    for (double& x : t.write<double>()) x = rng.uniform(-1, 1);
    return Parameter(t.cast(dtype));
  };
  Model m;
  for (int i = 0; i < 2; ++i) m.layers.push_back({random({width, width}), random({width})});
  m.layers[1].bias = Parameter();  // absent
  m.out = random({width, 1});
  return m;
}

Var loss(const Model& m, const Tensor& x) {
  Var h = tanh(affine(x, m.layers[0].w, m.layers[0].bias));
  return mean(square(matmul(tanh(matmul(h, m.layers[1].w)), m.out) - 0.3));
}

std::vector<std::vector<double>> values_of(Model& m) {
  std::vector<std::vector<double>> out;
  for (const auto& [name, p] : parameters(m))
    out.push_back(p->value().cast(f64).to_vector<double>());
  return out;
}

struct File {
  std::string path =
      (fs::temp_directory_path() / ("tapestry-checkpoint-" + std::to_string(::getpid()))).string();
  ~File() { fs::remove(path); }
};

template <class F>
std::string complaint(F f) {
  try {
    f();
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("checkpoint: a loaded model has the saved values in its own leaves") {
  const File file;
  Model a = make_model(3, 1), b = make_model(3, 2);
  REQUIRE(values_of(a) != values_of(b));
  const Leaf* leaf = b.layers[0].w.ref().get();
  save(a, file.path);
  load(b, file.path);
  CHECK(values_of(a) == values_of(b));
  CHECK(b.layers[0].w.ref().get() == leaf);
  CHECK(!a.out.value().shares_storage(b.out.value()));
  const NamedTensors contents = read_safetensors(file.path);
  CHECK(contents.tensors.contains("layers.0.w"));
  CHECK(contents.tensors.size() == 4);
}

TEST_CASE("checkpoint: a mismatch lists expected against found and changes nothing") {
  Model m = make_model();
  const auto before = values_of(m);
  NamedTensors good;
  to_tensors(make_model(3, 2), good);

  NamedTensors other = good;
  other.tensors["layers.0.w"] = Tensor::zeros({650, 2600}, f64);
  CHECK(complaint([&] { from_tensors(m, other); }) ==
        "load: layers.0.w is (650, 2600) in the file and (3, 3) in the model");

  other = good;
  other.tensors.erase("out");
  CHECK(complaint([&] { from_tensors(m, other); }) == "load: out is missing from the file");

  other = good;
  other.tensors["extra"] = Tensor::zeros({1});
  CHECK(complaint([&] { from_tensors(m, other); }) ==
        "load: extra is in the file and not in the model");

  other.tensors.erase("out");
  other.tensors["layers.0.bias"] = Tensor::zeros({3}, f32);
  CHECK(complaint([&] { from_tensors(m, other); }) ==
        "load: 3 tensors of the file and the model differ\n"
        "  layers.0.bias  is f32 in the file and f64 in the model (load into cast(model, f32) and "
        "cast that)\n"
        "  out            is missing from the file\n"
        "  extra          is in the file and not in the model");

  for (int i = 0; i < 20; ++i)
    other.tensors[std::string("z").append(std::to_string(i))] = Tensor::zeros({1});
  const std::string many = complaint([&] { from_tensors(m, other); });
  CHECK(many.starts_with("load: 23 tensors of the file and the model differ\n"));
  CHECK(many.ends_with("\n  and 11 more"));
  CHECK(values_of(m) == before);
}

TEST_CASE("checkpoint: the remedy for another element type works") {
  const File file;
  Model saved = make_model(3, 1, f32), m = make_model(3, 2, f64);
  save(saved, file.path);
  CHECK_THROWS_AS(load(m, file.path), FormatError);
  Model bridge = cast(m, f32);
  load(bridge, file.path);
  m = cast(bridge, f64);
  CHECK(values_of(m) == values_of(saved));
}

TEST_CASE("checkpoint: prefixes keep the parts of one file apart") {
  Model a = make_model(3, 1), b = make_model(4, 2);
  NamedTensors state;
  to_tensors(a, state, "a.");
  to_tensors(b, state, "b.");
  Model c = make_model(3, 3), d = make_model(4, 4);
  from_tensors(c, state, "a.");
  from_tensors(d, state, "b.");
  CHECK(values_of(c) == values_of(a));
  CHECK(values_of(d) == values_of(b));
  CHECK(complaint([&] { from_tensors(c, state, "b."); }).find("\n  b.layers.0.w ") !=
        std::string::npos);
  a.out.value().fill_(0);
  CHECK(state.tensors.at("a.out").at({0, 0}) != 0);  // a snapshot, not a view
}

TEST_CASE("checkpoint: a file that cannot be read leaves the model as it was") {
  const File file;
  Model m = make_model();
  const auto before = values_of(m);
  CHECK_THROWS_AS(load(m, file.path), FileError);
  save(make_model(3, 2), file.path);
  fs::resize_file(file.path, fs::file_size(file.path) - 1);
  CHECK_THROWS_AS(load(m, file.path), FormatError);
  CHECK(values_of(m) == before);
}

TEST_CASE("checkpoint: a whole training program resumes from one file to the same bits") {
  const File file;
  struct Program {
    Model model = make_model();
    Optimizer optimizer{model, Adam{.lr = 0.05}};
    Schedule schedule = Schedule::plateau(0.05).warm_up(3);
    Rng data{42, 1};
    int64_t step = 0;

    void run(int64_t until) {
      for (; step < until; ++step) {
        Tensor x = Tensor::empty({5, 3}, f64);
        for (double& v : x.write<double>()) v = data.normal();
        optimizer.set_lr(schedule.lr(step));
        Tape tape;
        const Var l = loss(model, x);
        tape.backward(l);
        optimizer.clip_grad_norm(0.5);
        optimizer.step();
        schedule.observe(l.value().item());
      }
    }
    void save(const std::string& path) const {
      NamedTensors state;
      to_tensors(model, state, "model.");
      optimizer.save(state);
      schedule.save(state);
      state.put("data", data);
      state.put("step", step);
      write_safetensors(path, state);
    }
    void load(const std::string& path) {
      const NamedTensors state = read_safetensors(path);
      from_tensors(model, state, "model.");
      optimizer.load(state);
      schedule.load(state);
      data = state.rng("data");
      step = state.number<int64_t>("step");
    }
  };
  Program whole;
  whole.run(7);
  whole.save(file.path);
  whole.run(15);
  Program resumed;
  resumed.run(2);
  resumed.load(file.path);
  CHECK(resumed.step == 7);
  resumed.run(15);
  CHECK(values_of(resumed.model) == values_of(whole.model));
  CHECK(resumed.optimizer.lr() == whole.optimizer.lr());
  CHECK(resumed.optimizer.clip_rate() == whole.optimizer.clip_rate());
  CHECK(resumed.data.state() == whole.data.state());
}
