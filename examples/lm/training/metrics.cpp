#include <fmt/format.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/training/metrics.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

namespace tapestry::lm {
namespace {

/// What is good of the first `rows` rows; says what is not.
std::vector<MetricsRow> good_rows(const std::filesystem::path& path, int64_t rows, bool sampled) {
  std::vector<MetricsRow> out;
  std::ifstream in(path, std::ios::binary);
  std::string line;
  int64_t first_bad = 0, read = 0;
  if (std::getline(in, line) && line == app::join(metrics_columns(sampled), ","))
    for (; read < rows && std::getline(in, line); ++read) {
      const auto row = in.eof() ? std::nullopt : parse_metrics_row(line);
      if (row)
        out.push_back(*row);
      else if (first_bad == 0)
        first_bad = read + 2;
    }
  const int64_t missing = rows - static_cast<int64_t>(out.size());
  if (missing > 0)
    app::warn("lm", fmt::format("{}{}: {} of {} rows are missing or garbled; the checkpoint is "
                                "sound, so training goes on, and the learning curve has a gap",
                                path.string(), first_bad > 0 ? ":" + std::to_string(first_bad) : "",
                                missing, rows));
  return out;
}

app::MetricsWriter::Row values(const MetricsRow& r) {
  return {r.epoch, r.step, r.tokens, r.seconds, r.train_loss, r.valid_loss, r.lr, r.grad_norm};
}

/// Only the good rows of a resumed run stay.
app::MetricsWriter open(const app::RunDirectory& directory, int64_t rows, bool sampled) {
  std::vector<app::MetricsWriter::Row> kept;
  if (rows > 0)
    for (const MetricsRow& row : good_rows(directory / "metrics.csv", rows, sampled))
      kept.push_back(values(row));
  return {directory.path(), metrics_columns(sampled), kept};
}

}  // namespace

std::vector<std::string> metrics_columns(bool sampled) {
  return {
      "epoch",      "step", "tokens",   "seconds", sampled ? "sampled_train_loss" : "train_loss",
      "valid_loss", "lr",   "grad_norm"};
}

std::optional<MetricsRow> parse_metrics_row(const std::string& line) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> numbers;
  std::istringstream fields(line + ",");
  for (std::string field; std::getline(fields, field, ',');) {
    double x = kNone;
    const char* end = field.data() + field.size();
    if (!field.empty() && std::from_chars(field.data(), end, x).ptr != end) return {};
    numbers.push_back(x);
  }
  if (numbers.size() != metrics_columns(false).size()) return {};
  for (size_t i = 0; i < 4; ++i)
    if (!std::isfinite(numbers[i])) return {};
  const auto maybe = [&](size_t i) {
    return std::isfinite(numbers[i]) ? std::optional(numbers[i]) : std::nullopt;
  };
  return MetricsRow{numbers[0], numbers[1], numbers[2], numbers[3],
                    numbers[4], maybe(5),   numbers[6], maybe(7)};
}

Metrics::Metrics(const app::RunDirectory& directory, int64_t rows, bool sampled)
    : writer_(open(directory, rows, sampled)) {}

void Metrics::add(const MetricsRow& row) { writer_.row(values(row)); }

}  // namespace tapestry::lm
