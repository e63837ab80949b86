#include <tapestry/examples/airline/versions/scalar_lstm.h>

#include <cmath>

namespace tapestry::airline {

#pragma omp declare target
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Room for one window: of each step the gates i, f, g, o, tanh(c), c and h; c and h before the
/// first one are 0. Behind them what backward() carries from step to step.
struct Room {
  double *gates, *squashed, *c, *h, *dh, *dc, *dz;

  Room(double* room, int64_t hidden, int64_t steps)
      : gates(room),
        squashed(gates + 4 * steps * hidden),
        c(squashed + steps * hidden),
        h(c + (steps + 1) * hidden),
        dh(h + (steps + 1) * hidden),
        dc(dh + hidden),
        dz(dc + hidden) {}
};

}  // namespace

double forward(const ScalarLayout& layout, const double* weights, const double* x, int64_t length,
               double* room) {
  const int64_t H = layout.hidden;
  const double *bias = weights + layout.bias(), *recurrent = weights + layout.recurrent();
  const Room r(room, H, length);
  for (int64_t k = 0; k < H; ++k) r.c[k] = r.h[k] = 0;
  for (int64_t t = 0; t < length; ++t) {
    double* z = r.gates + t * 4 * H;
    const double *h = r.h + t * H, *c = r.c + t * H;
    double *next_h = r.h + (t + 1) * H, *next_c = r.c + (t + 1) * H, *squashed = r.squashed + t * H;
#pragma omp simd
    for (int64_t j = 0; j < 4 * H; ++j) z[j] = bias[j] + x[t] * weights[j];
    for (int64_t k = 0; t > 0 && k < H; ++k) {
      const double* row = recurrent + k * 4 * H;
#pragma omp simd
      for (int64_t j = 0; j < 4 * H; ++j) z[j] += h[k] * row[j];
    }
#pragma omp simd
    for (int64_t j = 0; j < 2 * H; ++j) z[j] = sigmoid(z[j]);
#pragma omp simd
    for (int64_t j = 2 * H; j < 3 * H; ++j) z[j] = std::tanh(z[j]);
#pragma omp simd
    for (int64_t j = 3 * H; j < 4 * H; ++j) z[j] = sigmoid(z[j]);
#pragma omp simd
    for (int64_t k = 0; k < H; ++k) {
      next_c[k] = z[H + k] * c[k] + z[k] * z[2 * H + k];
      squashed[k] = std::tanh(next_c[k]);
      next_h[k] = z[3 * H + k] * squashed[k];
    }
  }
  const double *last = r.h + length * H, *readout = weights + layout.readout();
  double y = weights[layout.readout_bias()];
  for (int64_t k = 0; k < H; ++k) y += last[k] * readout[k];
  return y;
}

void backward(const ScalarLayout& layout, const double* weights, const double* x, int64_t length,
              double dy, double* room, double* gradient) {
  const int64_t H = layout.hidden;
  const double *recurrent = weights + layout.recurrent(), *readout = weights + layout.readout();
  double *d_bias = gradient + layout.bias(), *d_readout = gradient + layout.readout();
  double* d_recurrent = gradient + layout.recurrent();
  const Room r(room, H, length);
  gradient[layout.readout_bias()] += dy;
#pragma omp simd
  for (int64_t k = 0; k < H; ++k) {
    d_readout[k] += dy * r.h[length * H + k];
    r.dh[k] = dy * readout[k];
    r.dc[k] = 0;
  }
  for (int64_t t = length; t-- > 0;) {
    const double *gate = r.gates + t * 4 * H, *squashed = r.squashed + t * H;
    const double *c = r.c + t * H, *h = r.h + t * H;
    double *dh = r.dh, *dz = r.dz, *carried = r.dc;
#pragma omp simd
    for (int64_t k = 0; k < H; ++k) {
      const double i = gate[k], f = gate[H + k], g = gate[2 * H + k], o = gate[3 * H + k];
      const double dc = carried[k] + dh[k] * o * (1 - squashed[k] * squashed[k]);
      dz[k] = dc * g * i * (1 - i);
      dz[H + k] = dc * c[k] * f * (1 - f);
      dz[2 * H + k] = dc * i * (1 - g * g);
      dz[3 * H + k] = dh[k] * squashed[k] * o * (1 - o);
      carried[k] = dc * f;
    }
#pragma omp simd
    for (int64_t j = 0; j < 4 * H; ++j) {
      d_bias[j] += dz[j];
      gradient[j] += x[t] * dz[j];
    }
    for (int64_t k = 0; t > 0 && k < H; ++k) {
      const double *row = recurrent + k * 4 * H, previous = h[k];
      double *d_row = d_recurrent + k * 4 * H, sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < 4 * H; ++j) {
        d_row[j] += previous * dz[j];
        sum += row[j] * dz[j];
      }
      dh[k] = sum;
    }
  }
}

#pragma omp end declare target

std::vector<double> flat_weights(Regressor& model) {
  std::vector<double> flat;
  for (const auto& [name, p] : parameters(model)) {
    const std::vector<double> part = p->value().to_vector<double>();
    flat.insert(flat.end(), part.begin(), part.end());
  }
  return flat;
}

void set_weights(Regressor& model, std::span<const double> flat) {
  for (const auto& [name, p] : parameters(model)) {
    const auto w = p->value().write<double>();
    std::copy_n(flat.begin(), w.size(), w.begin());
    flat = flat.subspan(w.size());
  }
}

namespace {

class Sequential : public Trainer {
 public:
  explicit Sequential(Regressor& model)
      : model_(model),
        layout_{model.readout.w.shape()[0]},
        weights_(flat_weights(model)),
        gradient_(weights_.size()) {}
  ~Sequential() override { set_weights(model_, weights_); }

  double step(const Windows& data, int64_t first, int64_t n, double lr) override {
    room_.resize(static_cast<size_t>(layout_.room(data.length)));
    std::fill(gradient_.begin(), gradient_.end(), 0.0);
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) {
      const double error = predict(data, i) - data.target(i);
      backward(layout_, weights_.data(), data.window(i), data.length,
               2 * error / static_cast<double>(n), room_.data(), gradient_.data());
      sum += error * error;
    }
    for (size_t p = 0; p < weights_.size(); ++p) weights_[p] -= lr * gradient_[p];
    return sum;
  }

  double errors(const Windows& data, int64_t first, int64_t n) override {
    room_.resize(static_cast<size_t>(layout_.room(data.length)));
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) {
      const double error = predict(data, i) - data.target(i);
      sum += error * error;
    }
    return sum;
  }

 private:
  double predict(const Windows& data, int64_t i) {
    return forward(layout_, weights_.data(), data.window(i), data.length, room_.data());
  }

  Regressor& model_;
  ScalarLayout layout_;
  std::vector<double> weights_, gradient_, room_;
};

}  // namespace

std::unique_ptr<Trainer> make_sequential(Regressor& model, int) {
  return std::make_unique<Sequential>(model);
}

}  // namespace tapestry::airline
