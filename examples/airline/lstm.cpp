#include <tapestry/examples/airline/lstm.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Column b holds the `length` values from starts[b] on: (length, B, 1).
Tensor windows(std::span<const double> z, std::span<const int32_t> starts, size_t length) {
  std::vector<double> rows;
  for (size_t t = 0; t < length; ++t)
    for (const int32_t start : starts) rows.push_back(z[static_cast<size_t>(start) + t]);
  return Tensor::from<double>(
      {static_cast<int64_t>(length), static_cast<int64_t>(starts.size()), 1}, rows);
}

/// What follows each window: (B, 1).
Tensor targets(std::span<const double> z, std::span<const int32_t> starts, size_t length) {
  const Tensor next = windows(z.subspan(length), starts, 1);
  return next.reshape({static_cast<int64_t>(starts.size()), 1});
}

/// 0, 1, ..., n-1
std::vector<int32_t> numbers(size_t n) {
  std::vector<int32_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

Network make_network(const LstmSettings& s) {
  Rng rng(s.seed);
  return Network(s.lookback, s.hidden, rng);
}

}  // namespace

size_t LstmForecaster::minimum(size_t season, const LstmSettings& s) {
  return season + static_cast<size_t>(s.lookback) + std::max<size_t>(season, 2);
}

LstmForecaster::LstmForecaster(std::span<const double> train_part, size_t season,
                               const LstmSettings& settings, const OnEpoch& on_epoch)
    : lookback_(static_cast<size_t>(settings.lookback)),
      growth_(train_part, season, settings.log),
      values_(train_part.begin(), train_part.end()),
      z_(growth_.growth(train_part)),
      network_(make_network(settings)) {
  require<ValueError>(train_part.size() >= minimum(season, settings), "lstm: ", train_part.size(),
                      " training values, expected at least ", minimum(season, settings));
  train(settings, on_epoch);

  fitted_.assign(season + lookback_, std::numeric_limits<double>::quiet_NaN());
  const Tensor predicted = network_(windows(z_, numbers(z_.size() - lookback_), lookback_)).value();
  for (const double z : predicted.to_vector<double>())
    fitted_.push_back(growth_.value(values_[fitted_.size() - season], z));
}

void LstmForecaster::train(const LstmSettings& s, const OnEpoch& on_epoch) {
  std::vector<int32_t> order = numbers(z_.size() - lookback_);
  const size_t batch = static_cast<size_t>(s.batch);
  const auto updates = static_cast<int64_t>((order.size() + batch - 1) / batch) * s.epochs;
  Optimizer optimizer(network_, Adam{.lr = s.lr});
  const Schedule schedule = Schedule::cosine(s.lr, updates);
  Rng rng(s.seed, 1);

  for (int64_t epoch = 1; epoch <= s.epochs; ++epoch) {
    rng.shuffle(std::span(order));
    double total = 0;
    for (size_t first = 0; first < order.size(); first += batch) {
      const auto starts =
          std::span<const int32_t>(order).subspan(first, std::min(batch, order.size() - first));
      optimizer.set_lr(schedule.lr(optimizer.steps()));
      Tape tape;
      const Var loss =
          huber(network_(windows(z_, starts, lookback_)), targets(z_, starts, lookback_));
      const double value = loss.value().item();
      require<NonFiniteError>(std::isfinite(value), "lstm: the loss of update ",
                              optimizer.steps() + 1, " is not finite");
      tape.backward(loss);
      optimizer.step();
      total += value * static_cast<double>(starts.size());
    }
    if (on_epoch) on_epoch(epoch, total / static_cast<double>(order.size()));
  }
}

std::vector<double> LstmForecaster::forecast(size_t horizon) const {
  std::vector<double> values = values_, z = z_;
  const std::vector<int32_t> start = {0};
  for (size_t h = 0; h < horizon; ++h) {
    z.push_back(network_(windows(std::span(z).last(lookback_), start, lookback_)).value().item());
    values.push_back(growth_.value(values[values.size() - growth_.season()], z.back()));
    require<NonFiniteError>(std::isfinite(values.back()), "lstm: forecast ", h + 1,
                            " is not finite");
  }
  return {values.end() - static_cast<ptrdiff_t>(horizon), values.end()};
}

void LstmForecaster::update(double actual) {
  z_.push_back(growth_.growth(values_[values_.size() - growth_.season()], actual));
  values_.push_back(actual);
}

}  // namespace tapestry::airline
