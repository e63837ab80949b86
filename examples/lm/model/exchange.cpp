#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/error.h>
#include <tapestry/tensor/rows.h>

#include <algorithm>
#include <set>

namespace tapestry::lm {
namespace {

Tensor transposed(const Tensor& t) { return t.transpose().to_contiguous(); }

std::string cell_name(int64_t layer, const char* part) {
  return fmt::format("rnn.cells.{}.{}", layer, part);
}
std::string torch_name(const char* part, int64_t layer) {
  return fmt::format("rnn.{}_l{}", part, layer);
}

/// Takes tensors by name and notices what nobody took.
class WeightReader {
 public:
  explicit WeightReader(const Tensors& tensors) : tensors_(tensors) {
    for (const auto& [name, tensor] : tensors) {
      require<FormatError>(tensor.dtype() == f32 || tensor.dtype() == f64, "tensor ", name,
                           " has no floating-point elements");
      left_.insert(name);
      if (tensor.dtype() == f64) dtype_ = f64;
    }
  }

  DType dtype() const { return dtype_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// A size of -1 may be anything.
  Tensor take(const std::string& name, const std::vector<int64_t>& sizes) {
    const auto found = tensors_.find(name);
    require<FormatError>(found != tensors_.end(), "no tensor ", name, " (there are ",
                         names(tensors_), ")");
    const Tensor& tensor = found->second;
    bool fits = tensor.rank() == static_cast<int>(sizes.size());
    std::string wanted;
    for (size_t i = 0; i < sizes.size(); ++i) {
      fits = fits && (sizes[i] < 0 || tensor.shape()[static_cast<int>(i)] == sizes[i]);
      wanted += (i ? ", " : "") + (sizes[i] < 0 ? "any" : std::to_string(sizes[i]));
    }
    require<FormatError>(fits && tensor.numel() > 0, "tensor ", name, " is ", tensor.shape(),
                         ", expected (", wanted, ")");
    left_.erase(name);
    return tensor.cast(dtype_);
  }
  void finish() const {
    require<FormatError>(left_.empty(), "tensor ", left_.empty() ? "" : *left_.begin(),
                         " is none of a model of encoder, rnn and decoder");
  }

 private:
  static std::string names(const Tensors& tensors) {
    std::string out;
    for (const auto& [name, tensor] : tensors) {
      if (out.size() > 300) return out + ", ...";
      out += (out.empty() ? "" : ", ") + name;
    }
    return out.empty() ? "none" : out;
  }

  const Tensors& tensors_;
  std::set<std::string> left_;
  DType dtype_ = f32;
};

bool same_values(const Tensor& a, const Tensor& b) {
  const auto values = [](const Tensor& t) { return t.cast(f64).to_vector<double>(); };
  return a.shape() == b.shape() && values(a) == values(b);
}

ModelTensors from_reference(WeightReader& in) {
  ModelTensors out;
  const Tensor u = in.take("U", {-1, -1});
  const int64_t hidden = u.size(0), vocabulary = u.size(1);
  out.shape = {.vocabulary = vocabulary, .hidden = hidden, .bias = false};
  out.tensors["input.table"] = transposed(u);
  out.tensors["rnn.cells.0.w_hh"] = transposed(in.take("W", {hidden, hidden}));
  out.tensors["weight"] = in.take("V", {vocabulary, hidden});
  return out;
}

/// The biases of a layer, where the file has them or another part of the model does.
void take_biases(WeightReader& in, int64_t layer, int64_t width, ModelTensors& out) {
  const auto take = [&](const char* part) {
    const std::string name = torch_name(part, layer);
    return in.has(name) ? in.take(name, {width}) : Tensor::zeros({width}, out.dtype);
  };
  const Tensor ih = take("bias_ih"), hh = take("bias_hh");
  const bool gru = out.shape.cell == "gru";
  out.tensors[cell_name(layer, "bias")] = gru ? ih : ih + hh;
  if (gru) out.tensors[cell_name(layer, "bias_hh")] = hh;
}

ModelTensors from_pytorch(WeightReader& in) {
  ModelTensors out;
  out.dtype = in.dtype();
  ModelShape& shape = out.shape;
  const Tensor w_hh = in.take(torch_name("weight_hh", 0), {-1, -1});
  shape.hidden = w_hh.size(1);
  const int64_t width = w_hh.size(0), gates = width / shape.hidden;
  require<FormatError>(gates * shape.hidden == width && (gates == 1 || gates == 3 || gates == 4),
                       "tensor rnn.weight_hh_l0 is ", w_hh.shape(),
                       ", expected 1, 3 or 4 gates (RNN, GRU, LSTM) times the hidden size");
  shape.cell = gates == 1 ? "rnn" : gates == 3 ? "gru" : "lstm";
  for (shape.layers = 1; in.has(torch_name("weight_ih", shape.layers));) ++shape.layers;

  const bool one_hot = !in.has("encoder.weight");
  Tensor w_ih = in.take(torch_name("weight_ih", 0), {width, -1});
  if (one_hot) {
    out.tensors["input.table"] = transposed(w_ih);
  } else {
    shape.embed = w_ih.size(1);
    out.tensors["input.table"] = in.take("encoder.weight", {-1, shape.embed});
    out.tensors[cell_name(0, "w_ih")] = transposed(w_ih);
  }
  const Tensor table = out.tensors["input.table"];
  shape.vocabulary = table.size(0);
  shape.bias = in.has("decoder.bias");
  for (int64_t l = 0; l < shape.layers; ++l)
    for (const char* part : {"bias_ih", "bias_hh"})
      shape.bias = shape.bias || in.has(torch_name(part, l));

  for (int64_t l = 0; l < shape.layers; ++l) {
    if (l > 0)
      out.tensors[cell_name(l, "w_ih")] =
          transposed(in.take(torch_name("weight_ih", l), {width, shape.hidden}));
    out.tensors[cell_name(l, "w_hh")] =
        transposed(in.take(torch_name("weight_hh", l), {width, shape.hidden}));
    if (shape.bias) take_biases(in, l, width, out);
  }
  if (shape.bias)
    out.tensors["bias"] = in.has("decoder.bias") ? in.take("decoder.bias", {shape.vocabulary})
                                                 : Tensor::zeros({shape.vocabulary}, out.dtype);
  const Tensor weight = in.take("decoder.weight", {shape.vocabulary, shape.hidden});
  shape.tied = !one_hot && same_values(weight, table);
  if (!shape.tied) out.tensors["weight"] = weight;
  return out;
}

}  // namespace

Tensors to_pytorch(const ModelTensors& model) {
  const ModelShape& shape = model.shape;
  const auto part = [&](const std::string& name) -> const Tensor& {
    return model.tensors.at(name);
  };
  Tensors out;
  if (shape.embed) out["encoder.weight"] = part("input.table");
  for (int64_t l = 0; l < shape.layers; ++l) {
    const bool one_hot = l == 0 && shape.embed == 0;
    out[torch_name("weight_ih", l)] =
        transposed(part(one_hot ? "input.table" : cell_name(l, "w_ih")));
    out[torch_name("weight_hh", l)] = transposed(part(cell_name(l, "w_hh")));
    if (!shape.bias) continue;
    const Tensor& bias = part(cell_name(l, "bias"));
    out[torch_name("bias_ih", l)] = bias;
    out[torch_name("bias_hh", l)] = shape.cell == "gru" ? part(cell_name(l, "bias_hh"))
                                                        : Tensor::zeros(bias.shape(), bias.dtype());
  }
  out["decoder.weight"] = part(shape.tied ? "input.table" : "weight");
  if (shape.bias) out["decoder.bias"] = part("bias");
  return out;
}

Tensors to_reference(const ModelTensors& model) {
  const ModelShape& s = model.shape;
  require<ValueError>(s.cell == "rnn" && s.layers == 1 && s.embed == 0 && !s.bias,
                      "U, V and W are all of one tanh layer with one-hot input and no biases (lm "
                      "train --preset reference)");
  return {{"U", transposed(model.tensors.at("input.table"))},
          {"V", model.tensors.at("weight")},
          {"W", transposed(model.tensors.at("rnn.cells.0.w_hh"))}};
}

void reorder(ModelTensors& model, std::span<const int64_t> rows) {
  const Tensor ids = Tensor::indices(std::vector<int32_t>(rows.begin(), rows.end()));
  for (const char* name : {"input.table", "weight", "bias"})
    if (const auto found = model.tensors.find(name); found != model.tensors.end())
      found->second = take_rows("import", found->second.to_contiguous(), ids);
  model.shape.vocabulary = static_cast<int64_t>(rows.size());
}

void forbid(ModelTensors& model, int32_t token) {
  ModelShape& shape = model.shape;
  if (!shape.bias) {
    shape.bias = true;
    model.tensors["bias"] = Tensor::zeros({shape.vocabulary}, model.dtype);
    for (int64_t l = 0; l < shape.layers; ++l) {
      const int64_t width = model.tensors.at(cell_name(l, "w_hh")).size(1);
      const Tensor zeros = Tensor::zeros({width}, model.dtype);
      model.tensors[cell_name(l, "bias")] = zeros;
      if (shape.cell == "gru") model.tensors[cell_name(l, "bias_hh")] = zeros.clone();
    }
  }
  constexpr double kNever = -1e9;  // finite, so that training goes on
  model.tensors.at("bias").narrow(0, token, 1).fill_(kNever);
}

bool is_npz(const std::string& path) {
  if (path.ends_with(".npz")) return true;
  if (path.ends_with(".safetensors")) return false;
  throw app::UserError(app::ExitCode::usage, path + ": not a format that is known",
                       "name a file that ends with .npz or .safetensors");
}

ModelTensors from_other(const Tensors& tensors) {
  WeightReader in(tensors);
  ModelTensors out = in.has("U") ? from_reference(in) : from_pytorch(in);
  in.finish();
  out.dtype = in.dtype();
  return out;
}

}  // namespace tapestry::lm
