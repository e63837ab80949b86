#include <tapestry/autograd/ops.h>
#include <tapestry/examples/airline/panel/hybrid.h>
#include <tapestry/examples/airline/panel/smoothing.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapestry::airline {
namespace {

constexpr double kRatesPace = 10;   // logits move so much faster than Adam's steps
constexpr double kLossPower = 0.5;  // of the scale in the loss; see hybrid.h

Tensor tensor(const Shape& shape, const std::vector<double>& values, DType dtype) {
  return Tensor::from<double>(shape, values).cast(dtype);
}

/// Errors are in units of the scale, so this is what is left of it in the loss.
double weight_of(double scale) { return std::pow(0.15 / scale, kLossPower - 1); }

}  // namespace

int64_t HybridSettings::window_size() const {
  if (window > 0) return window;
  const size_t longest = std::max(shape.season1, shape.season2);
  return static_cast<int64_t>(
      std::clamp<size_t>(longest, std::min<size_t>(2 * shape.horizon, 26), 336));
}

int64_t HybridSettings::stride_size() const {
  if (stride > 0) return stride;
  const size_t season = shape.season1 > 1 && shape.season1 <= 24 ? shape.season1 : shape.horizon;
  return static_cast<int64_t>(std::clamp<size_t>(season, 1, 48));
}

/// Series side by side, each from the first column and the first step on, and the columns that
/// forecasts start from: `origins` holds those of one series after the other.
struct Hybrid::Batch {
  std::span<const int32_t> ids;
  int64_t columns = 0, steps = 0;  // of the longest series
  std::vector<int32_t> lengths, origins;
  std::vector<int64_t> counts;    // of each series' origins, at least 1
  std::vector<double> x, scales;  // (B, T), (B)
  SmoothingBatch smoothing;
  Tensor start, inverse, features;  // (B, 3), (B, 1, 1), (P, B, 2)

  /// The column of an origin; -1 where a series has none.
  int64_t origin(size_t row, size_t step) const {
    return origins[row * static_cast<size_t>(steps) + step];
  }
};

/// (P, B, horizon), in x: smoothed forecasts, and what the network adds in units of the scale.
struct Hybrid::Output {
  Var smoothed, correction;
};

Hybrid::Hybrid(std::span<const Prepared> series, const HybridSettings& settings)
    : series_(series), settings_(settings) {}

Hybrid::Network Hybrid::initial_network() const {
  const HybridSettings& s = settings_;
  Rng rng(s.seed);
  const auto n = static_cast<int64_t>(series_.size());
  RNN<LSTMCell> lstm(s.window_size() + 2, s.hidden, rng,
                     {.layers = s.layers, .cell = {.dtype = s.dtype}});
  Linear readout(s.hidden, static_cast<int64_t>(s.shape.horizon), rng, {.dtype = s.dtype});
  for (Parameter* p : {&readout.w, &readout.bias}) p->value().fill_(0);
  return {Parameter(Tensor::zeros({n, 3}, s.dtype)), std::move(lstm), std::move(readout)};
}

/// The batch but for its tensors.
Hybrid::Batch Hybrid::columns_of(std::span<const int32_t> ids, size_t cut) const {
  Batch b;
  b.ids = ids;
  const int64_t stride = settings_.stride_size();
  for (const int32_t id : ids) {
    const Prepared& p = series_[static_cast<size_t>(id)];
    const auto length = static_cast<int64_t>(p.x.size()), left = length - static_cast<int64_t>(cut);
    b.lengths.push_back(static_cast<int32_t>(length));
    b.counts.push_back(std::max<int64_t>(1, (left + stride - 1) / stride));
    b.scales.push_back(p.scale);
    b.columns = std::max(b.columns, length);
    b.steps = std::max(b.steps, b.counts.back());
  }
  b.origins.assign(ids.size() * static_cast<size_t>(b.steps), -1);
  for (size_t row = 0; row < ids.size(); ++row) {
    int64_t t = b.lengths[row] - 1 - static_cast<int64_t>(cut);
    for (int64_t step = b.counts[row]; step-- > 0 && t >= 0; t -= stride)
      b.origins[row * static_cast<size_t>(b.steps) + static_cast<size_t>(step)] =
          static_cast<int32_t>(t);
  }
  return b;
}

Hybrid::Batch Hybrid::batch_of(std::span<const int32_t> ids, size_t cut) const {
  const HybridSettings& s = settings_;
  Batch b = columns_of(ids, cut);
  const auto rows = static_cast<int64_t>(ids.size());
  b.x.assign(static_cast<size_t>(rows * b.columns), 0);
  std::vector<double> initial, start, inverse, features;
  for (size_t row = 0; row < ids.size(); ++row) {
    const Prepared& p = series_[static_cast<size_t>(ids[row])];
    std::copy(p.x.begin(), p.x.end(), b.x.begin() + static_cast<ptrdiff_t>(row) * b.columns);
    inverse.push_back(1 / p.scale);
    initial.insert(initial.end(), p.initial.begin(), p.initial.end());
    start.insert(start.end(), p.rates.begin(), p.rates.end());
  }
  for (size_t step = 0; step < static_cast<size_t>(b.steps); ++step)
    for (size_t row = 0; row < ids.size(); ++row) {
      features.push_back(std::log(b.scales[row]) / 3 + 1);
      features.push_back(b.origin(row, step) < s.window_size() ? 1 : 0);  // the window is not full
    }
  const auto m1 = static_cast<int64_t>(s.shape.season1), m2 = static_cast<int64_t>(s.shape.season2);
  b.smoothing = {tensor({rows, b.columns}, b.x, s.dtype),
                 tensor({rows, 1 + m1 + m2}, initial, s.dtype),
                 Tensor::indices(b.lengths),
                 Tensor::indices(b.origins).reshape({rows, b.steps}),
                 m1,
                 m2,
                 s.window_size(),
                 static_cast<int64_t>(s.shape.horizon)};
  b.start = tensor({rows, 3}, start, s.dtype);
  b.inverse = tensor({rows, 1, 1}, inverse, s.dtype);
  b.features = tensor({b.steps, rows, 2}, features, s.dtype);
  return b;
}

Hybrid::Output Hybrid::run(const Network& network, const Batch& b, Rng* rng) const {
  const Tensor ids = Tensor::indices(b.ids);
  const Var rates = sigmoid(embedding(network.rates, ids) * kRatesPace + b.start);
  const Var smoothed = smooth(rates, b.smoothing);  // (B, P, window + horizon)
  const int64_t window = settings_.window_size();
  const Var windows = clamp(narrow(smoothed, 2, 0, window) * b.inverse, -10, 10);
  const Var input = concat({transpose(windows, 0, 1), Var(b.features)}, 2);
  const Var y = dropout(network.lstm(input, b.counts).y, settings_.dropout, rng);
  return {
      transpose(narrow(smoothed, 2, window, static_cast<int64_t>(settings_.shape.horizon)), 0, 1),
      network.readout(y)};
}

/// Enough behind the origin to have settled, all of the horizon before the end.
bool Hybrid::learnable(const Batch& b, size_t row, size_t step) const {
  const auto horizon = static_cast<int64_t>(settings_.shape.horizon);
  const auto longest =
      static_cast<int64_t>(std::max(settings_.shape.season1, settings_.shape.season2));
  const int64_t length = b.lengths[row], origin = b.origin(row, step);
  const int64_t settled = std::clamp<int64_t>(2 * longest, 4, std::max<int64_t>(4, length / 2));
  return origin >= settled && origin + horizon < length;
}

double Hybrid::weight(std::span<const int32_t> ids, size_t cut) const {
  const Batch b = columns_of(ids, cut);
  double sum = 0;
  for (size_t row = 0; row < ids.size(); ++row)
    for (size_t step = 0; step < static_cast<size_t>(b.steps); ++step)
      sum += learnable(b, row, step) ? weight_of(b.scales[row]) : 0;
  return sum;
}

Var Hybrid::loss(const Network& network, std::span<const int32_t> ids, size_t cut, Rng* rng) const {
  const Batch b = batch_of(ids, cut);
  const size_t horizon = settings_.shape.horizon, rows = ids.size();
  std::vector<double> targets(b.origins.size() * horizon, 0), weights;
  double weight = 0;
  for (size_t step = 0; step < static_cast<size_t>(b.steps); ++step)
    for (size_t row = 0; row < rows; ++row) {
      const bool known = learnable(b, row, step);
      weights.push_back(known ? weight_of(b.scales[row]) : 0);
      weight += weights.back();
      if (known)
        std::copy_n(series_[static_cast<size_t>(ids[row])].x.begin() + b.origin(row, step) + 1,
                    horizon,
                    targets.begin() + static_cast<ptrdiff_t>((step * rows + row) * horizon));
    }
  const Output out = run(network, b, rng);
  const auto width = static_cast<int64_t>(rows);
  const Tensor target =
      tensor({b.steps, width, static_cast<int64_t>(horizon)}, targets, settings_.dtype);
  const Tensor inverse = b.inverse.transpose(0, 1).to_contiguous();
  const Var errors = (Var(target) - out.smoothed) * inverse - out.correction;
  const double total = std::max(weight, 1e-12) * static_cast<double>(horizon);
  return sum(abs(errors) * tensor({b.steps, width, 1}, weights, settings_.dtype)) / total;
}

Hybrid::Paths Hybrid::forecast(const Network& network, std::span<const int32_t> ids, size_t cut,
                               size_t origins) const {
  const Batch b = batch_of(ids, cut);
  const Output out = run(network, b, nullptr);
  const std::vector<double> smoothed = out.smoothed.value().cast(f64).to_vector<double>();
  const std::vector<double> correction = out.correction.value().cast(f64).to_vector<double>();
  const size_t horizon = settings_.shape.horizon, rows = ids.size();
  Paths paths(rows);
  for (size_t row = 0; row < rows; ++row)
    for (size_t k = 0; k < origins; ++k) {
      paths[row].emplace_back(horizon, std::numeric_limits<double>::quiet_NaN());
      const auto count = static_cast<size_t>(b.counts[row]);
      if (count + k < origins) continue;  // before the series begins
      const size_t step = count - origins + k;
      if (b.origin(row, step) < 2) continue;
      for (size_t h = 0; h < horizon; ++h) {
        const size_t i = (step * rows + row) * horizon + h;
        paths[row].back()[h] = smoothed[i] + b.scales[row] * correction[i];
      }
    }
  return paths;
}

}  // namespace tapestry::airline
