#pragma once
// The rows of metrics.csv and metrics.jsonl: loss and learning rate over time.

#include <optional>
#include <string>
#include <vector>

#include <tapestry/examples/common/run_directory.h>

namespace tapestry::lm {

struct MetricsRow {
  double epoch = 0, step = 0, tokens = 0, seconds = 0, train_loss = 0;
  std::optional<double> valid_loss;
  double lr = 0;
  std::optional<double> grad_norm;
};

/// The loss of training is called sampled_train_loss where it is one over samples.
std::vector<std::string> metrics_columns(bool sampled);

/// A row as it stands in metrics.csv; nothing where it is none.
std::optional<MetricsRow> parse_metrics_row(const std::string& line);

class Metrics {
 public:
  /// Goes on after the first `rows` rows of a resumed run, 0: begins. Where some of these are
  /// missing or garbled it says so and goes on without them: a picture is poorer, no more.
  Metrics(const app::RunDirectory& directory, int64_t rows, bool sampled);

  void add(const MetricsRow& row);
  void sync() { writer_.sync(); }

 private:
  app::MetricsWriter writer_;
};

}  // namespace tapestry::lm
