#include <tapestry/examples/airline/methods/lstm.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// 0, 1, ..., n-1
std::vector<int32_t> numbers(size_t n) {
  std::vector<int32_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

int64_t features(size_t season, const LstmSettings& s) {
  return s.month_features && season > 1 ? 2 : 0;
}

}  // namespace

size_t LstmForecaster::minimum(size_t season, const LstmSettings& s) {
  return Preprocessing::lost(season, s.preprocessing) + static_cast<size_t>(s.lookback) +
         s.outputs() - 1 + std::max<size_t>(season, 2);
}

Network LstmForecaster::initial_network(size_t season, const LstmSettings& s) {
  Rng rng(s.seed);
  return Network(s.lookback, features(season, s), s.hidden, s.layers,
                 static_cast<int64_t>(s.outputs()), rng);
}

LstmForecaster::LstmForecaster(std::span<const double> train_part, size_t season,
                               const LstmSettings& settings, const OnEpoch& on_epoch)
    : settings_(settings),
      season_(season),
      seen_(train_part, season, settings.preprocessing),
      network_(initial_network(season, settings)) {
  require<ValueError>(train_part.size() >= minimum(season, settings), "lstm: ", train_part.size(),
                      " training values, expected at least ", minimum(season, settings));
  train(on_epoch);
  fit_values();
}

LstmForecaster::LstmForecaster(std::span<const double> train_part, size_t season,
                               const LstmSettings& settings, Network network)
    : settings_(settings),
      season_(season),
      seen_(train_part, season, settings.preprocessing),
      network_(std::move(network)) {
  fit_values();
}

/// Column b holds the window that begins at z number starts[b]: (lookback, B, 1 + features).
Tensor LstmForecaster::windows(const Preprocessing& seen, std::span<const int32_t> starts) const {
  const bool with_features = features(season_, settings_) > 0;
  std::vector<double> rows;
  for (int64_t t = 0; t < settings_.lookback; ++t)
    for (const int32_t start : starts) {
      const size_t at = static_cast<size_t>(start + t);
      rows.push_back(seen.z()[at]);
      if (!with_features) continue;
      const double angle = 2 * std::numbers::pi *
                           static_cast<double>(at + seen.size() - seen.z().size()) /
                           static_cast<double>(season_);
      rows.insert(rows.end(), {std::sin(angle), std::cos(angle)});
    }
  return Tensor::from<double>(
      {settings_.lookback, static_cast<int64_t>(starts.size()), with_features ? 3 : 1}, rows);
}

/// What follows each window: (B, outputs).
Tensor LstmForecaster::targets(std::span<const int32_t> starts) const {
  const size_t outputs = settings_.outputs();
  std::vector<double> rows;
  for (const int32_t start : starts) {
    const auto next = seen_.z().subspan(static_cast<size_t>(start + settings_.lookback), outputs);
    rows.insert(rows.end(), next.begin(), next.end());
  }
  return Tensor::from<double>({static_cast<int64_t>(starts.size()), static_cast<int64_t>(outputs)},
                              rows);
}

void LstmForecaster::train(const OnEpoch& on_epoch) {
  const LstmSettings& s = settings_;
  std::vector<int32_t> order =
      numbers(seen_.z().size() - static_cast<size_t>(s.lookback) - s.outputs() + 1);
  const size_t batch = static_cast<size_t>(s.batch);
  const size_t windows_seen = std::min(order.size(), static_cast<size_t>(s.most_windows));
  const auto updates = static_cast<int64_t>((windows_seen + batch - 1) / batch) * s.epochs;
  Optimizer optimizer(network_, Adam{.lr = s.lr});
  const Schedule schedule = Schedule::cosine(s.lr, updates);
  Rng rng(s.seed, 1);

  for (int64_t epoch = 1; epoch <= s.epochs; ++epoch) {
    rng.shuffle(std::span(order));
    double total = 0;
    for (size_t first = 0; first < windows_seen; first += batch) {
      const auto starts =
          std::span<const int32_t>(order).subspan(first, std::min(batch, windows_seen - first));
      optimizer.set_lr(schedule.lr(optimizer.steps()));
      Tape tape;
      const Var loss = huber(network_(windows(seen_, starts)), targets(starts));
      const double value = loss.value().item();
      require<NonFiniteError>(std::isfinite(value), "lstm: the loss of update ",
                              optimizer.steps() + 1, " is not finite");
      tape.backward(loss);
      optimizer.step();
      total += value * static_cast<double>(starts.size());
    }
    losses_.push_back(total / static_cast<double>(windows_seen));
    if (on_epoch) on_epoch(epoch, losses_.back());
  }
}

void LstmForecaster::fit_values() {
  const size_t lookback = static_cast<size_t>(settings_.lookback);
  const size_t first = seen_.lost() + lookback;  // value with a window before it
  fitted_.assign(first, std::numeric_limits<double>::quiet_NaN());
  const std::vector<int32_t> all = numbers(seen_.size() - first);
  constexpr size_t most = 2048;  // windows at once, so that long series take little memory
  for (size_t i = 0; i < all.size(); i += most) {
    const auto starts = std::span(all).subspan(i, std::min(most, all.size() - i));
    const Tensor next = network_(windows(seen_, starts)).value().select(1, 0);
    for (const double z : next.to_vector<double>())
      fitted_.push_back(seen_.value(z, fitted_.size()));
  }
}

std::vector<double> LstmForecaster::forecast(size_t horizon) const {
  const size_t at_once = settings_.outputs();
  require<ValueError>(settings_.direct == 0 || horizon <= at_once, "lstm: a horizon of ", horizon,
                      " for a network that predicts ", at_once, " values at once");
  Preprocessing path = seen_.recent(static_cast<size_t>(settings_.lookback));
  std::vector<double> values;
  while (values.size() < horizon) {
    const std::vector<int32_t> last = {
        static_cast<int32_t>(path.z().size() - static_cast<size_t>(settings_.lookback))};
    for (const double z : network_(windows(path, last)).value().to_vector<double>()) {
      if (values.size() == horizon) break;
      values.push_back(path.value(z));
      const bool usable =
          std::isfinite(values.back()) && (values.back() > 0 || !settings_.preprocessing.log);
      require<NonFiniteError>(usable, "lstm: forecast ", values.size(), " is not finite");
      path.push(values.back());
    }
  }
  return values;
}

}  // namespace tapestry::airline
