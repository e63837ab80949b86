#include <tapestry/examples/airline/device/tiles.h>

#include <cmath>

namespace tapestry::airline {

#pragma omp declare target
namespace {

/// The room of a team. Of each step and sample: gates i, f, g, o, which their derivatives replace,
/// tanh(c), c and h. Then what goes from step to step: dh in four parts, one by each gate, and dc;
/// and the derivatives by the forecasts.
struct Tile {
  int64_t hidden;
  double *gates, *squashed, *c, *h, *parts, *dc, *dy;

  Tile(double* room, int64_t H, int64_t steps)
      : hidden(H),
        gates(room),
        squashed(gates + 4 * steps * kTile * H),
        c(squashed + steps * kTile * H),
        h(c + steps * kTile * H),
        parts(h + steps * kTile * H),
        dc(parts + 4 * kTile * H),
        dy(dc + kTile * H) {}
  /// Of a step.
  double* gates_at(int64_t t) const { return gates + 4 * t * kTile * hidden; }
  double* at(double* of, int64_t t) const { return of + t * kTile * hidden; }
};

// These are called by all threads of a team together.

/// Gates of step t before their functions: a column of the weights for each thread.
void sum_inputs(const TileWork& w, const Tile& r, const double* x, int64_t samples, int64_t t) {
  const int64_t H = w.layout.hidden;
  const double *bias = w.weights + w.layout.bias(), *recurrent = w.weights + w.layout.recurrent();
  const double* h = t > 0 ? r.at(r.h, t - 1) : nullptr;
  double* z = r.gates_at(t);
#pragma omp for simd
  for (int64_t j = 0; j < 4 * H; ++j) {
    double sum[kTile];
    for (int64_t s = 0; s < kTile; ++s)
      sum[s] = bias[j] + (s < samples ? x[s + t] : 0) * w.weights[j];
    for (int64_t k = 0; h && k < H; ++k) {
      const double weight = recurrent[k * 4 * H + j];
      for (int64_t s = 0; s < kTile; ++s) sum[s] += h[s * H + k] * weight;
    }
    for (int64_t s = 0; s < kTile; ++s) z[s * 4 * H + j] = sum[s];
  }
}

void forward_step(const Tile& r, int64_t t) {
  const int64_t H = r.hidden;
  double *z = r.gates_at(t), *c = r.at(r.c, t), *h = r.at(r.h, t), *squashed = r.at(r.squashed, t);
  const double* before = t > 0 ? r.at(r.c, t - 1) : nullptr;
#pragma omp for simd
  for (int64_t i = 0; i < kTile * H; ++i) {
    double* gate = z + i / H * 4 * H + i % H;
    const double in = 1 / (1 + std::exp(-gate[0])), forget = 1 / (1 + std::exp(-gate[H]));
    const double g = std::tanh(gate[2 * H]), out = 1 / (1 + std::exp(-gate[3 * H]));
    c[i] = (before ? forget * before[i] : 0) + in * g;
    squashed[i] = std::tanh(c[i]);
    h[i] = out * squashed[i];
    gate[0] = in, gate[H] = forget, gate[2 * H] = g, gate[3 * H] = out;
  }
}

/// Forecasts, their squared errors, and what the mean over n has as derivatives.
void read_out(const TileWork& w, const Tile& r, const double* x, int64_t samples, int64_t n,
              double* squares) {
  const int64_t H = w.layout.hidden;
  const double *h = r.at(r.h, w.length - 1), *readout = w.weights + w.layout.readout();
#pragma omp for simd
  for (int64_t s = 0; s < kTile; ++s) {
    double y = w.weights[w.layout.readout_bias()];
    for (int64_t k = 0; k < H; ++k) y += h[s * H + k] * readout[k];
    const double error = s < samples ? y - x[s + w.length] : 0;
    squares[s] += error * error;
    r.dy[s] = 2 * error / static_cast<double>(n);
  }
#pragma omp for simd
  for (int64_t i = 0; i < kTile * H; ++i) {
    for (int64_t gate = 1; gate < 4; ++gate) r.parts[gate * kTile * H + i] = 0;
    r.parts[i] = r.dy[i / H] * readout[i % H];
    r.dc[i] = 0;
  }
}

void backward_step(const TileWork& w, const Tile& r, int64_t t) {
  const int64_t H = w.layout.hidden;
  double* z = r.gates_at(t);
  const double *squashed = r.at(r.squashed, t), *before = t > 0 ? r.at(r.c, t - 1) : nullptr;
#pragma omp for simd
  for (int64_t i = 0; i < kTile * H; ++i) {
    double dh = 0;
    for (int64_t gate = 0; gate < 4; ++gate) dh += r.parts[gate * kTile * H + i];
    double* gate = z + i / H * 4 * H + i % H;
    const double in = gate[0], f = gate[H], g = gate[2 * H], o = gate[3 * H];
    const double dc = r.dc[i] + dh * o * (1 - squashed[i] * squashed[i]);
    gate[0] = dc * g * in * (1 - in);
    gate[H] = before ? dc * before[i] * f * (1 - f) : 0;
    gate[2 * H] = dc * in * (1 - g * g);
    gate[3 * H] = dh * squashed[i] * o * (1 - o);
    r.dc[i] = dc * f;
  }
  if (t == 0) return;
#pragma omp for simd
  for (int64_t i = 0; i < 4 * H; ++i) {  // gate i / H, unit i % H
    double sum[kTile];
    for (int64_t s = 0; s < kTile; ++s) sum[s] = 0;
    for (int64_t j = i / H * H; j < (i / H + 1) * H; ++j) {
      const double weight = w.transposed[j * H + i % H];
      for (int64_t s = 0; s < kTile; ++s) sum[s] += weight * z[s * 4 * H + j];
    }
    for (int64_t s = 0; s < kTile; ++s) r.parts[i / H * kTile * H + s * H + i % H] = sum[s];
  }
}

/// Adds the tile's gradient, from what all of its steps have left.
void add_gradient(const TileWork& w, const Tile& r, const double* x, int64_t samples,
                  double* gradient) {
  const int64_t H = w.layout.hidden, columns = 4 * H;
  double *recurrent = gradient + w.layout.recurrent(), *bias = gradient + w.layout.bias();
  double* readout = gradient + w.layout.readout();
  const double* last = r.at(r.h, w.length - 1);
#pragma omp for simd
  for (int64_t p = 0; p < H * columns; ++p) {
    double sum = 0;
    for (int64_t i = 0; i < (w.length - 1) * kTile; ++i)  // step i / kTile, sample i % kTile
      sum += r.h[i * H + p / columns] * r.gates[(i + kTile) * columns + p % columns];
    recurrent[p] += sum;
  }
#pragma omp for simd
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < w.length * kTile; ++i) {
      const double dz = r.gates[i * columns + j];
      bias[j] += dz;
      gradient[j] += i % kTile < samples ? dz * x[i / kTile + i % kTile] : 0;
    }
#pragma omp for simd
  for (int64_t k = 0; k <= H; ++k)  // the last one is the bias
    for (int64_t s = 0; s < kTile; ++s) readout[k] += r.dy[s] * (k < H ? last[s * H + k] : 1);
}

}  // namespace
#pragma omp end declare target

void run_tiles(const TileWork& work, int64_t first, int64_t n, bool learn) {
  const TileWork w = work;
  const int64_t tiles = (n + kTile - 1) / kTile;
#pragma omp target teams distribute num_teams(static_cast <int>(w.teams)) \
    firstprivate(w, first, n, learn, tiles)
  for (int64_t team = 0; team < w.teams; ++team) {
#pragma omp parallel
    {
      const Tile r(w.room + team * w.room_size(), w.layout.hidden, w.length);
      double* gradient = w.gradients + team * w.layout.size();
#pragma omp for simd
      for (int64_t p = 0; p < w.layout.size(); ++p) gradient[p] = 0;
      for (int64_t tile = team; tile < tiles; tile += w.teams) {
        const double* x = w.values + first + tile * kTile;
        const int64_t left = n - tile * kTile, samples = left < kTile ? left : kTile;
        for (int64_t t = 0; t < w.length; ++t) {
          sum_inputs(w, r, x, samples, t);
          forward_step(r, t);
        }
        read_out(w, r, x, samples, n, w.squares + team * kTile);
        for (int64_t t = w.length; learn && t-- > 0;) backward_step(w, r, t);
        if (learn) add_gradient(w, r, x, samples, gradient);
      }
    }
  }
}

void descend(const TileWork& work, double lr) {
  const TileWork w = work;
#pragma omp target teams distribute parallel for simd firstprivate(w, lr)
  for (int64_t p = 0; p < w.layout.size(); ++p) {
    double sum = 0;
    for (int64_t team = 0; team < w.teams; ++team) sum += w.gradients[team * w.layout.size() + p];
    w.weights[p] -= lr * sum;
    const int64_t H = w.layout.hidden, i = p - w.layout.recurrent();
    if (i >= 0 && i < 4 * H * H) w.transposed[i % (4 * H) * H + i / (4 * H)] = w.weights[p];
  }
}

std::vector<double> transposed_weights(const ScalarLayout& layout,
                                       std::span<const double> weights) {
  const int64_t H = layout.hidden;
  std::vector<double> out(static_cast<size_t>(4 * H * H));
  for (int64_t k = 0; k < H; ++k)
    for (int64_t j = 0; j < 4 * H; ++j)
      out[static_cast<size_t>(j * H + k)] =
          weights[static_cast<size_t>(layout.recurrent() + k * 4 * H + j)];
  return out;
}

}  // namespace tapestry::airline
