// The sequential version: an LSTM in loops over numbers, one sample at a time, without BLAS and
// tape; written from the formulas (Hochreiter and Schmidhuber, 1997; Gers, Schmidhuber and Cummins,
// 2000), and so also an independent check of the library's gradients. Inner loops run along rows of
// the weights, which is the order that compilers make vector code of.

#include <tapestry/examples/airline/versions/versions.h>

#include <cmath>

namespace tapestry::airline {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class Sequential : public Trainer {
 public:
  explicit Sequential(Regressor& model) {
    for (const auto& [name, p] : parameters(model)) {
      parameters_.push_back(p);
      gradients_.emplace_back(static_cast<size_t>(p->value().numel()));
    }
    hidden_ = static_cast<size_t>(model.readout.w.shape()[0]);
  }

  double step(const Windows& data, int64_t first, int64_t n, double lr) override {
    load();
    for (auto& g : gradients_) std::fill(g.begin(), g.end(), 0.0);
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) {
      const double error = forward(data.window(i), data.length) - data.target(i);
      backward(data.window(i), data.length, 2 * error / static_cast<double>(n));
      sum += error * error;
    }
    for (size_t p = 0; p < parameters_.size(); ++p) {
      const auto w = parameters_[p]->value().write<double>();
      for (size_t i = 0; i < w.size(); ++i) w[i] -= lr * gradients_[p][i];
    }
    return sum;
  }

  double errors(const Windows& data, int64_t first, int64_t n) override {
    load();
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) {
      const double error = forward(data.window(i), data.length) - data.target(i);
      sum += error * error;
    }
    return sum;
  }

 private:
  enum { kInput, kRecurrent, kBias, kReadout, kReadoutBias };  // in FIELDS order

  void load() {
    for (size_t p = 0; p < parameters_.size(); ++p)
      weights_[p] = parameters_[p]->value().data<double>();
  }

  /// Gates i, f, g, o, tanh(c), c, h of each step are kept; returns the prediction.
  double forward(const double* x, int64_t length) {
    const size_t H = hidden_, steps = static_cast<size_t>(length);
    gates_.resize(steps * 4 * H);
    squashed_.resize(steps * H);
    c_.assign((steps + 1) * H, 0);
    h_.assign((steps + 1) * H, 0);
    for (size_t t = 0; t < steps; ++t) {
      double* z = &gates_[t * 4 * H];
      const double *h = &h_[t * H], *c = &c_[t * H];
      double *next_h = &h_[(t + 1) * H], *next_c = &c_[(t + 1) * H], *squashed = &squashed_[t * H];
      for (size_t j = 0; j < 4 * H; ++j) z[j] = weights_[kBias][j] + x[t] * weights_[kInput][j];
      for (size_t k = 0; t > 0 && k < H; ++k) {
        const double* row = weights_[kRecurrent] + k * 4 * H;
        for (size_t j = 0; j < 4 * H; ++j) z[j] += h[k] * row[j];
      }
      for (size_t j = 0; j < 2 * H; ++j) z[j] = sigmoid(z[j]);
      for (size_t j = 2 * H; j < 3 * H; ++j) z[j] = std::tanh(z[j]);
      for (size_t j = 3 * H; j < 4 * H; ++j) z[j] = sigmoid(z[j]);
      for (size_t k = 0; k < H; ++k) {
        next_c[k] = z[H + k] * c[k] + z[k] * z[2 * H + k];
        squashed[k] = std::tanh(next_c[k]);
        next_h[k] = z[3 * H + k] * squashed[k];
      }
    }
    double y = weights_[kReadoutBias][0];
    for (size_t k = 0; k < H; ++k) y += h_[steps * H + k] * weights_[kReadout][k];
    return y;
  }

  /// Adds the gradient of a loss whose derivative by the prediction is dy.
  void backward(const double* x, int64_t length, double dy) {
    const size_t H = hidden_, steps = static_cast<size_t>(length);
    dh_.resize(H);
    dc_.assign(H, 0);
    dz_.resize(4 * H);
    gradients_[kReadoutBias][0] += dy;
    for (size_t k = 0; k < H; ++k) {
      gradients_[kReadout][k] += dy * h_[steps * H + k];
      dh_[k] = dy * weights_[kReadout][k];
    }
    for (size_t t = steps; t-- > 0;) {
      const double *gate = &gates_[t * 4 * H], *squashed = &squashed_[t * H];
      const double *c = &c_[t * H], *h = &h_[t * H];
      for (size_t k = 0; k < H; ++k) {
        const double i = gate[k], f = gate[H + k], g = gate[2 * H + k], o = gate[3 * H + k];
        const double dc = dc_[k] + dh_[k] * o * (1 - squashed[k] * squashed[k]);
        dz_[k] = dc * g * i * (1 - i);
        dz_[H + k] = dc * c[k] * f * (1 - f);
        dz_[2 * H + k] = dc * i * (1 - g * g);
        dz_[3 * H + k] = dh_[k] * squashed[k] * o * (1 - o);
        dc_[k] = dc * f;
      }
      for (size_t j = 0; j < 4 * H; ++j) {
        gradients_[kBias][j] += dz_[j];
        gradients_[kInput][j] += x[t] * dz_[j];
      }
      for (size_t k = 0; t > 0 && k < H; ++k) {
        const double* row = weights_[kRecurrent] + k * 4 * H;
        double *d_row = &gradients_[kRecurrent][k * 4 * H], sum = 0;
        const double *dz = dz_.data(), previous = h[k];
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < 4 * H; ++j) {
          d_row[j] += previous * dz[j];
          sum += row[j] * dz[j];
        }
        dh_[k] = sum;
      }
    }
  }

  size_t hidden_;
  std::vector<Parameter*> parameters_;
  std::vector<std::vector<double>> gradients_;
  const double* weights_[5] = {};
  std::vector<double> gates_, squashed_, c_, h_, dh_, dc_, dz_;
};

}  // namespace

std::unique_ptr<Trainer> make_sequential(Regressor& model, int) {
  return std::make_unique<Sequential>(model);
}

}  // namespace tapestry::airline
