#pragma once
// Averages of the weights along training, which often evaluate better than the last ones. A wrapper
// of any rule keeps one beside the rule's own slots; the weights themselves move as without it.
//
//   Optimizer optimizer(model, Ema<Adam>{.rule = {.lr = 1e-3}, .decay = 0.999});
//   ... train ...
//   { const AveragedValues averaged(optimizer);  evaluate(model); }
//
//   Ema<R>        decaying mean; over the first 1 / (1 - decay) updates the plain one, so that it
//                 never leans on the weights that training began with
//   Averaged<R>   the mean over all updates after `start` (Polyak & Juditsky, 1992)
//
// Each element counts its own updates. So a row-sparse parameter's row has the average over the
// updates that touched it, and an element that none did has itself for an average.

#include <tapestry/optim/optimizer.h>

namespace tapestry {

namespace detail {

/// average += max(least, 1 / n) (w - average), with n the updates of the element.
template <class T>
void add_to_average(std::span<const T> w, T* average, T* count, double least) {
  const T smallest = static_cast<T>(least);
  for (size_t i = 0; i < w.size(); ++i) {
    count[i] += 1;
    average[i] += std::max(smallest, 1 / count[i]) * (w[i] - average[i]);
  }
}

/// "prefix name" as a constant.
template <class R>
constexpr std::array<char, 64> name_with(std::string_view prefix) {
  std::array<char, 64> out{};
  auto end = std::copy(prefix.begin(), prefix.end(), out.begin());
  for (const char* c = R::name; *c; ++c) *end++ = *c;
  return out;
}

}  // namespace detail

template <class R>
struct Ema {
  R rule;
  double decay = 0.999;

  static constexpr std::array<char, 64> kName = detail::name_with<R>("Ema of ");
  static constexpr const char* name = kName.data();
  int slots() const { return rule.slots() + 2; }
  int average() const { return rule.slots(); }
  /// Throws ValueError.
  void check() const {
    rule.check();
    require<ValueError>(decay >= 0 && decay < 1, name, ": decay is ", decay,
                        ", expected 0 <= decay < 1");
  }
  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t step) const {
    const auto own = static_cast<size_t>(rule.slots());
    rule.update(w, g, slot.first(own), step);
    detail::add_to_average(std::span<const T>(w), slot[own], slot[own + 1], 1 - decay);
  }
};

template <class R>
struct Averaged {
  R rule;
  int64_t start = 0;  // updates of the parameter before the first that counts

  static constexpr std::array<char, 64> kName = detail::name_with<R>("Averaged ");
  static constexpr const char* name = kName.data();
  int slots() const { return rule.slots() + 2; }
  int average() const { return rule.slots(); }
  /// Throws ValueError.
  void check() const {
    rule.check();
    require<ValueError>(start >= 0, name, ": start is ", start, ", expected at least 0");
  }
  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t step) const {
    const auto own = static_cast<size_t>(rule.slots());
    rule.update(w, g, slot.first(own), step);
    if (step > start) detail::add_to_average(std::span<const T>(w), slot[own], slot[own + 1], 0);
  }
};

/// Forgets the averages: what comes begins new ones.
void restart_averages(Optimizer& optimizer);

/// While one is alive, the parameters hold their averages and are frozen: for evaluation, or to
/// save a model. Its end brings the weights in training back.
class AveragedValues {
 public:
  /// Throws ValueError when no rule of the optimizer keeps an average.
  explicit AveragedValues(Optimizer& optimizer);
  ~AveragedValues();
  AveragedValues(const AveragedValues&) = delete;
  AveragedValues& operator=(const AveragedValues&) = delete;

 private:
  struct Kept {
    LeafRef leaf;
    Tensor value;
    bool frozen;
  };
  std::vector<Kept> kept_;
};

}  // namespace tapestry
