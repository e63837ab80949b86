#pragma once
// Position: where a training run stands. With parameters, optimizer and schedule it is all that a
// resumed run needs: orders and dropout masks follow from the seed and the place.

#include <tapestry/tensor/safetensors.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace tapestry::lm {

/// Sums of losses in fixed point, so that they do not depend on the order in which workers add.
struct LossSum {
  int64_t units = 0, tokens = 0;

  void add(double nats, int64_t count) {
    const int64_t more = std::llround(std::min(nats, 1e9) * kUnit);
    units = units > std::numeric_limits<int64_t>::max() - more
                ? std::numeric_limits<int64_t>::max()  // of losses that are hopeless anyhow
                : units + more;
    tokens += count;
  }
  /// Nats per token; 0 for no tokens.
  double mean() const {
    return tokens ? static_cast<double>(units) / kUnit / static_cast<double>(tokens) : 0;
  }

 private:
  static constexpr double kUnit = 1 << 24;
};

struct Position {
  int64_t epoch = 0, item = 0;       // whole epochs, and the items (batches) done of the next
  int64_t piece = 0;                 // pieces done of the next item, where one worker trains
  int64_t updates = 0, tokens = 0;   // since the beginning
  LossSum of_epoch, of_row;          // of this epoch, and since the last row of metrics
  int64_t rows = 0;                  // of metrics
  double seconds = 0;                // of training, evaluation excluded
  double train_loss = 0;             // of the last whole epoch, while the model changed
  std::optional<double> valid_loss;  // as last evaluated
  double best_loss = std::numeric_limits<double>::infinity();  // held-out, else of training
  int64_t best_epoch = 0, best_updates = 0;
  int64_t averaged = 0;  // whole epochs after which averages of the weights began; 0: they did not

  /// What the run is judged by.
  double loss() const { return valid_loss.value_or(epoch ? train_loss : of_epoch.mean()); }

  void save(NamedTensors& out) const;
  /// Throws FormatError.
  void load(const NamedTensors& in);
};

}  // namespace tapestry::lm
