#pragma once
// How well a series was forecast: the measures of error of every method, multi-step (all held-out
// values forecast at once), one step ahead (each when all before it are known) and on the training
// part (one step ahead), kept apart.

#include <tapestry/examples/airline/methods/ensemble.h>
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

/// What a method was off by; no scores where it does not apply to the series.
struct Row {
  std::string name, title;  // key in machine-readable output, heading for people
  std::optional<Scores> scores;
  double rmse_sd = 0;  // of the LSTM: standard deviation of the RMSE over the runs
};

/// A row for the LSTM, one for the median forecast of its runs, one for each baseline.
struct Evaluation {
  std::vector<Row> multi_step, one_step, train;  // the first two are empty without held-out values
  std::vector<std::string> notes;                // why a baseline does not apply
};

Evaluation evaluate(const Ensemble& ensemble, const Split& split);

/// The median over the runs of each measure, and the deviation of the RMSE.
Row median_row(std::span<const Scores> runs);

}  // namespace tapestry::airline
