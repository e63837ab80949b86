#pragma once
// How well a series was forecast: the measures of error of every method, multi-step (all held-out
// values forecast at once), one step ahead (each when all before it are known) and on the training
// part (one step ahead), kept apart.

#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/panel/hybrid_forecaster.h>
#include <tapestry/examples/airline/scores/metrics.h>

#include <optional>
#include <string>

namespace tapestry::airline {

/// A series cut in two: what is learnt from, and what is held out.
struct Split {
  std::span<const double> values;
  size_t train_size;
  size_t season;

  std::span<const double> train() const { return values.first(train_size); }
  std::span<const double> test() const { return values.subspan(train_size); }
};

/// What a method was off by, or why it has no forecast.
struct Row {
  std::string name, title;  // key in machine-readable output, heading for people
  std::optional<Scores> scores;
  double rmse_sd = 0;        // of the LSTM: standard deviation of the RMSE over the runs
  std::string problem = {};  // empty where there are scores
};

/// Rows for the LSTM, the median forecast of its runs, the hybrid, the combination of LSTM, ARIMA
/// and Holt-Winters, and each baseline.
struct Evaluation {
  std::vector<Row> multi_step, one_step, train;  // the first two are empty without held-out values
  size_t ahead = 0;                              // held-out values that the first is about
};

/// `most` is how many values the ensemble can forecast at once, 0 being any number. `hybrid` may be
/// null: then it has no row.
Evaluation evaluate(const Ensemble& ensemble, const HybridForecaster* hybrid, const Split& split,
                    size_t most = 0);

/// A sentence about the classical method that is more than 1 % ahead of the LSTM (or of the median
/// of its runs, whichever is better); empty where none is.
std::string better_classic(std::span<const Row> rows);

/// The median over the runs of each measure, and the deviation of the RMSE.
Row median_row(std::span<const Scores> runs);

}  // namespace tapestry::airline
