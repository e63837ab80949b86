#include <fmt/format.h>
#include <tapestry/examples/airline/config.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/nn/checkpoint.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

namespace fs = std::filesystem;

Tensor row_of(const std::vector<double>& values) {
  return Tensor::from<double>({static_cast<int64_t>(values.size())}, values);
}

std::vector<Prepared> prepare_all(const std::vector<std::string>& ids,
                                  const std::vector<std::vector<double>>& values,
                                  const SmoothingShape& shape) {
  std::vector<Prepared> out;
  for (size_t i = 0; i < values.size(); ++i) try {
      out.push_back(prepare(values[i], shape));
    } catch (const ValueError& error) {
      fail<FormatError>("series ", ids[i], ": ", error.what());
    }
  return out;
}

/// id,field,field,...
template <class T>
std::string rows_text(const std::vector<std::string>& ids, const std::vector<std::vector<T>>& rows,
                      const std::vector<std::vector<T>>& more = {}) {
  std::string out;
  for (size_t i = 0; i < ids.size(); ++i) {
    out += app::csv_field(ids[i]);
    for (const auto* part : {&rows, &more})
      if (i < part->size())
        for (const T& value : (*part)[i]) {
          if constexpr (std::is_same_v<T, std::string>)
            out += ',' + app::csv_field(value);
          else
            out += fmt::format(",{}", value);
        }
    out += '\n';
  }
  return out;
}

}  // namespace

HybridSettings panel_settings(const FitSettings& s, Frequency frequency, size_t season) {
  HybridSettings h;
  const size_t second = s.input.season2 > 0                 ? s.input.season2
                        : frequency == Frequency::hourly    ? 168
                        : frequency == Frequency::half_hour ? 336
                                                            : 0;
  h.shape = {.season1 = season > 1 ? season : 0,
             .season2 = second > season ? second : 0,
             .horizon = s.horizon,
             .log = s.training.lstm.preprocessing.log,
             .smooth = s.training.model.value_or(Model::hybrid) == Model::hybrid};
  h.seed = s.training.lstm.seed;
  return h;
}

PanelRun cut(const Panel& panel, const FitSettings& settings, size_t test) {
  PanelRun run;
  run.settings = settings;
  run.frequency = panel.frequency();
  run.season = scoring_season(panel.frequency(), panel.season());
  run.hybrid = panel_settings(settings, panel.frequency(), panel.season());
  run.ids = panel.ids;
  run.left_out = panel.left_out.size();
  for (const Series& s : panel.series) {
    const auto split = s.values.end() - static_cast<ptrdiff_t>(test);
    run.train.emplace_back(s.values.begin(), split);
    run.actual.emplace_back(split, s.values.end());
    run.actual.back().resize(std::min(test, settings.horizon));
    std::vector<std::string> times;
    for (size_t t = s.size() - test; t < s.size() && times.size() < settings.horizon; ++t)
      times.push_back(s.time.empty() ? std::to_string(t + 1) : s.time[t]);
    for (std::string& label : s.future(settings.horizon - times.size()))
      times.push_back(std::move(label));
    run.times.push_back(std::move(times));
  }
  run.settings.input.read.season = panel.season();
  run.settings.input.season2 = run.hybrid.shape.season2;
  run.prepared = prepare_all(run.ids, run.train, run.hybrid.shape);
  return run;
}

namespace {

constexpr size_t kOrigins = 3;  // of a series, to calibrate from

/// The training parts without their ends, and with them; from how many origins, a stride apart,
/// each end is forecast.
struct Ends {
  std::vector<Prepared> part, whole;
  std::vector<size_t> origins;
};

/// Of each series as many origins as leave what smoothing needs: short ones are to be in it, too.
Ends ends_of(const PanelRun& run) {
  const size_t horizon = run.hybrid.shape.horizon, least = least_values(run.hybrid.shape),
               stride = static_cast<size_t>(run.hybrid.stride_size());
  Ends out;
  for (const std::vector<double>& y : run.train) {
    const auto kept = [&](size_t origins) { return horizon + (origins - 1) * stride; };
    size_t origins = kOrigins;
    while (origins > 0 && y.size() < kept(origins) + least) --origins;
    if (origins == 0) continue;
    const auto known = std::span<const double>(y).first(y.size() - kept(origins));
    out.part.push_back(prepare(known, run.hybrid.shape));
    out.whole.push_back(extended(out.part.back(), std::span<const double>(y).last(kept(origins))));
    out.origins.push_back(origins);
  }
  return out;
}

/// The conformal rank's value at each distance.
Intervals quantiles(std::vector<std::vector<double>> errors) {
  Intervals out;
  for (size_t i = 0; i < Intervals::levels.size(); ++i)
    for (std::vector<double>& e : errors) {
      std::sort(e.begin(), e.end());
      const auto rank = std::ceil(
          static_cast<double>((e.size() + 1) * static_cast<size_t>(Intervals::levels[i])) / 100);
      out.half_widths[i].push_back(e[std::min(static_cast<size_t>(rank), e.size()) - 1]);
    }
  return out;
}

}  // namespace

double spread(const Prepared& series, const SmoothingShape& shape, size_t known) {
  const size_t lag = scale_lag(series.x.size(), shape);
  const size_t from = std::max(lag, known - std::min(known, 4 * shape.horizon));
  double sum = 0;
  for (size_t t = from; t < known; ++t) sum += std::abs(series.x[t] - series.x[t - lag]);
  const double recent = from < known ? sum / static_cast<double>(known - from) : series.scale;
  return std::max(recent, series.scale / 10);
}

Intervals calibrate(const PanelRun& run, int64_t workers,
                    const std::function<void(int64_t, double)>& on_item) {
  const size_t horizon = run.hybrid.shape.horizon,
               stride = static_cast<size_t>(run.hybrid.stride_size());
  const Ends ends = ends_of(run);
  if (std::accumulate(ends.origins.begin(), ends.origins.end(), size_t{0}) < 40) return {};
  const HybridTraining trained = train(Hybrid(ends.part, run.hybrid), workers, on_item);
  const Hybrid hybrid(ends.whole, run.hybrid);
  std::vector<std::vector<double>> errors(horizon);
  for (size_t first = 0; first < ends.whole.size(); first += 32) {
    std::vector<int32_t> ids(std::min<size_t>(32, ends.whole.size() - first));
    std::iota(ids.begin(), ids.end(), static_cast<int32_t>(first));
    const Hybrid::Paths paths = hybrid.forecast(trained.network, ids, horizon, kOrigins);
    for (size_t row = 0; row < ids.size(); ++row) {
      const Prepared& p = ends.whole[first + row];
      for (size_t k = kOrigins - ends.origins[first + row]; k < kOrigins; ++k) {
        const size_t at = p.x.size() - horizon - (kOrigins - 1 - k) * stride;
        const double unit = spread(p, run.hybrid.shape, at);
        for (size_t h = 0; h < horizon; ++h)
          errors[h].push_back(std::abs(p.x[at + h] - paths[row][k][h]) / unit);
      }
    }
  }
  return quantiles(std::move(errors));
}

const std::vector<std::string>& panel_files() {
  static const std::vector<std::string> files = {
      "config.json",  "panel.csv",         "times.csv",    "model.safetensors",
      "forecast.csv", "forecast_wide.csv", "metrics.json", "page.*",
      "mase.*",       "left_out.txt"};
  return files;
}

void save(const PanelRun& run, const fs::path& directory) {
  NamedTensors tensors;
  for (size_t i = 0; i < run.networks.size(); ++i) {
    to_tensors(run.networks[i], tensors, fmt::format("run{}.", i));
    tensors.tensors[fmt::format("loss{}", i)] = row_of(run.losses[i]);
  }
  for (size_t i = 0; run.intervals.known() && i < Intervals::levels.size(); ++i)
    tensors.tensors[fmt::format("interval{}", Intervals::levels[i])] =
        row_of(run.intervals.half_widths[i]);
  const size_t test = run.actual.front().size();
  app::write_atomically(
      directory / "config.json",
      panel_config_text(run.settings, {run.frequency, run.season, test, run.left_out}));
  app::write_atomically(directory / "panel.csv", rows_text(run.ids, run.train, run.actual));
  app::write_atomically(directory / "times.csv", rows_text(run.ids, run.times));
  write_safetensors(directory / "model.safetensors", tensors);
}

bool is_panel_run(const std::string& directory) {
  return fs::exists(fs::path(directory) / "panel.csv");
}

PanelRun open_panel_run(const std::string& directory) {
  const fs::path path(directory);
  const std::string config_path = (path / "config.json").string();
  auto [settings, facts] = read_panel_config(read_text(config_path), config_path);
  PanelOptions options;
  options.read.frequency = facts.frequency;
  options.read.season = settings.input.read.season;
  options.positive = settings.training.lstm.preprocessing.log;
  options.least = least_values({.horizon = settings.horizon}) + facts.test;
  PanelRun run = cut(read_panel((path / "panel.csv").string(), options), settings, facts.test);
  run.season = facts.season;
  run.left_out = facts.left_out;
  run.times.clear();
  for (const auto& row : wide_fields(read_text((path / "times.csv").string()))) {
    run.times.emplace_back(row.begin() + 1, row.end());
    require<FormatError>(run.times.back().size() == settings.horizon, (path / "times.csv").string(),
                         ": series ", row[0], ": expected ", counted(settings.horizon, "time"));
  }
  require<FormatError>(run.times.size() == run.ids.size(), (path / "times.csv").string(),
                       ": expected a row for each of ", run.ids.size(), " series");
  const NamedTensors tensors = read_safetensors(path / "model.safetensors");
  const auto numbers = [&](const std::string& name) {
    const auto found = tensors.tensors.find(name);
    return found == tensors.tensors.end() ? std::vector<double>{}
                                          : found->second.to_vector<double>();
  };
  const Hybrid hybrid(run.prepared, run.hybrid);
  for (size_t i = 0; i < settings.training.runs; ++i) {
    run.networks.push_back(hybrid.initial_network());
    from_tensors(run.networks.back(), tensors, fmt::format("run{}.", i));
    run.losses.push_back(numbers(fmt::format("loss{}", i)));
  }
  for (size_t i = 0; i < Intervals::levels.size(); ++i)
    run.intervals.half_widths[i] = numbers(fmt::format("interval{}", Intervals::levels[i]));
  return run;
}

}  // namespace tapestry::airline
