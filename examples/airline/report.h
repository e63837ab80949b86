#pragma once
// The measures of error for people (tables on stdout) and for programs (JSON).

#include <tapestry/examples/airline/scores/evaluation.h>
#include <tapestry/examples/airline/scores/intervals.h>

namespace tapestry::airline {

/// A table with a row for each method, and how much of each method's error the LSTM saves (skill).
void print_table(const std::string& heading, std::span<const Row> rows);
/// How many digits after the point a measure of this size deserves.
int decimals(double largest);

/// The RMSE of each method, and at some distances of its forecasts: [distance - 1].
struct DistanceRow {
  std::string title;
  std::vector<double> rmse;
};
void print_distances(std::span<const DistanceRow> rows);

/// {method: {rmse, mae, smape, mape, mase}, ..., "one_step": {...}, "train": {...}, "intervals":
/// {method, coverage}}; null where a method does not apply or a number is not defined.
std::string json_text(const Evaluation& evaluation, const Intervals& intervals,
                      std::span<const double> coverage);

}  // namespace tapestry::airline
