#pragma once
// Training of the hybrid by the workers of a parameter server: an update is the mean gradient over
// a batch of series of about the same length, of which each worker takes a part (sync), so that a
// number of workers always gives the same bits, and another number the same but for rounding and
// dropout.

#include <tapestry/examples/airline/panel/hybrid.h>

#include <functional>

namespace tapestry::airline {

struct HybridTraining {
  Hybrid::Network network;
  std::vector<double> losses;  // mean of each epoch
};

/// `workers`: 0 for one per processor. `on_item` is called from any thread with the items done and
/// the loss of the last one, of items() in all. Throws NonFiniteError when the training diverges.
HybridTraining train(const Hybrid& hybrid, int64_t workers,
                     const std::function<void(int64_t done, double loss)>& on_item = {});
int64_t items(const Hybrid& hybrid, int64_t workers);

/// Medians over the networks of the forecasts of all series, as values: [series][distance - 1].
std::vector<std::vector<double>> forecast_all(const Hybrid& hybrid,
                                              std::span<const Hybrid::Network> networks,
                                              int64_t workers);

}  // namespace tapestry::airline
