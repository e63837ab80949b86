// airline compare: one LSTM trained in several ways, what they cost, and that they do the same.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/device/buffer.h>
#include <tapestry/examples/airline/device/gpu_versions.h>
#include <tapestry/examples/airline/versions/timing.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/tensor/blas.h>

#include <cmath>
#include <ctime>
#include <numbers>

namespace tapestry::airline {
namespace {

constexpr double kTolerance = 1e-9;
constexpr int64_t kWindow = 12;

/// Logarithms around 0.
std::vector<double> airline_values() {
  std::vector<double> out;
  for (const double y : airline_passengers().values) out.push_back(std::log(y) - 5.5);
  return out;
}

/// A wave of 12 values, a slower one, and noise.
std::vector<double> synthetic_values(int64_t n) {
  Rng rng(1);
  std::vector<double> out;
  for (int64_t t = 0; t < n; ++t) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(t) / 12;
    out.push_back(0.5 * std::sin(angle) + 0.3 * std::sin(angle / 7.3) + 0.1 * rng.normal());
  }
  return out;
}

Task task_on(std::span<const double> values, const CompareSettings& s) {
  const size_t split = values.size() * 4 / 5;
  Task task{.train = {values.first(split), kWindow},
            .valid = {values.subspan(split - kWindow), kWindow}};
  task.threads = s.threads;
  task.hidden = s.hidden;
  if (s.synthetic) task.batch = s.batch;
  return task;
}

void print_losses(std::span<const Timing> timings) {
  fmt::print("{:<23}", "mean squared error");
  for (size_t e = 0; e < timings[0].losses.size(); ++e)
    fmt::print("{:>11}", fmt::format("epoch {}", e + 1));
  for (const Timing& t : timings) {
    fmt::print("\n{:<18}train", t.version->name);
    for (const EpochLoss& l : t.losses) fmt::print("{:>11.8f}", l.train);
    fmt::print("\n{:<18}valid", "");
    for (const EpochLoss& l : t.losses) fmt::print("{:>11.8f}", l.valid);
  }
  fmt::print("\nlargest difference from the first: {:.1e} (at most {:g})\n\n",
             largest_difference(timings), kTolerance);
}

/// Efficiency: what is gained for each thread that is used.
void print_times(std::span<const Timing> timings, const Task& task, double peak) {
  const auto line = [](const auto&... cells) {
    fmt::print("{:<17}{:>8}{:>11}{:>11}{:>8}{:>11}{:>8}{:>6}\n", cells...);
  };
  line("", "", "", "over", "per", "over", "per", "of");
  line("version", "threads", "time", "sequential", "thread", "vectorised", "thread", "peak");
  for (const Timing& t : timings) {
    const int threads = t.version->threaded ? task.threads : 1;
    const double first = timings[0].seconds / t.seconds, second = timings[1].seconds / t.seconds;
    const double share = useful_flop(task) / t.seconds / peak;
    const auto number = [](double x) { return fmt::format("{:.2f}", x); };
    line(t.version->name, threads,
         t.seconds < 1 ? fmt::format("{:.2f} ms", 1e3 * t.seconds)
                       : fmt::format("{:.2f} s", t.seconds),
         number(first) + "x", number(first / threads), number(second) + "x",
         number(second / threads), fmt::format("{:.3f}", share));
  }
  fmt::print("peak: {:.1f} GFLOP/s, f64 matrix products on {} threads\n({})\n\n", peak / 1e9,
             task.threads, blas_description());
}

/// Of versions on a device: what moved, and, where there is one, what that took.
void print_traffic(std::span<const Timing> timings) {
  const auto line = [](const auto&... cells) {
    fmt::print("{:<11}{:>14}{:>11}{:>7}{:>8}{:>8}{:>10}{:>11}\n", cells...);
  };
  line("version", "time", "sequential", "copies", "MB", "kernels", "copying", "computing");
  const bool device = has_device();
  const auto ms = [](double s) { return fmt::format("{:.2f} ms", 1e3 * s); };
  for (const Timing& t : timings) {
    const bool timed = device || t.version == timings[0].version;
    const Traffic& m = t.traffic;
    line(t.version->name, timed ? ms(t.seconds) : "host fallback",
         timed ? fmt::format("{:.2f}x", timings[0].seconds / t.seconds) : "", m.copies,
         fmt::format("{:.3f}", m.bytes / 1e6), m.kernels, device ? ms(m.copying) : "",
         device ? ms(m.computing) : "");
  }
  if (device)
    fmt::print("a kernel that does nothing takes {:.1f} us\n", 1e6 * launch_seconds());
  else
    fmt::print("no device: the kernels ran on the host, whose speed says nothing of a GPU's\n");
}

std::string json_of(std::span<const Timing> timings, const Task& task, double peak) {
  app::Json out;
  out["peak"] = peak;
  out["hidden"] = task.hidden;
  out["windows"] = task.train.count();
  for (const Timing& t : timings) {
    auto& version = out["versions"][t.version->name];
    if (t.traffic.kernels == 0) {
      version["seconds"] = t.seconds;
      version["threads"] = t.version->threaded ? task.threads : 1;
      version["share_of_peak"] = useful_flop(task) / t.seconds / peak;
    } else {
      version["host_fallback"] = !has_device();
      if (has_device()) version["seconds"] = t.seconds;
      version["copies"] = t.traffic.copies;
      version["bytes"] = t.traffic.bytes;
      version["kernels"] = t.traffic.kernels;
    }
    for (const EpochLoss& l : t.losses) {
      version["train"].push_back(l.train);
      version["valid"].push_back(l.valid);
    }
  }
  return out.dump(2) + "\n";
}

/// Seconds of every version on the first eighth, quarter, half and all of the series.
struct Growth {
  std::vector<double> windows;
  std::vector<std::vector<double>> seconds;  // [version][length]
};

/// The exponent in time ~ length^exponent, by least squares on logarithms.
double exponent(std::span<const double> x, std::span<const double> y) {
  double mx = 0, my = 0, sxy = 0, sxx = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mx += std::log(x[i]) / static_cast<double>(x.size());
    my += std::log(y[i]) / static_cast<double>(x.size());
  }
  for (size_t i = 0; i < x.size(); ++i) {
    sxy += (std::log(x[i]) - mx) * (std::log(y[i]) - my);
    sxx += (std::log(x[i]) - mx) * (std::log(x[i]) - mx);
  }
  return sxy / sxx;
}

app::Plot growth_picture(const Growth& growth, const Task& task,
                         std::span<const Version* const> versions) {
  app::Plot plot{.title = fmt::format("{} epochs of an LSTM of {} units, mini-batches of {}",
                                      task.epochs, task.hidden, task.batch),
                 .x_label = "windows",
                 .y_label = "seconds",
                 .series = {}};
  for (size_t v = 0; v < versions.size(); ++v)
    plot.series.push_back({versions[v]->name, growth.windows, growth.seconds[v]});
  return plot;
}

std::vector<const Version*> versions_of(const CompareSettings& s) {
  std::vector<const Version*> out = {&versions()[0]};
  for (const Version& v : s.gpu ? gpu_versions() : versions().subspan(1)) out.push_back(&v);
  return out;
}

void print_all(const CompareSettings& s, const Task& task, std::span<const Timing> timings,
               double peak, const Growth& growth) {
  fmt::print(
      "{} series, {} windows of {} to learn from, {} held out;\n{} units, mini-batches of "
      "{}, {} epochs\n\n",
      s.synthetic ? "synthetic" : "airline", task.train.count(), kWindow, task.valid.count(),
      task.hidden, task.batch, task.epochs);
  print_losses(timings);
  if (s.gpu)
    print_traffic(timings);
  else
    print_times(timings, task, peak);
  for (size_t v = 0; growth.windows.size() > 1 && v < timings.size(); ++v)
    fmt::print("{:<18}time ~ length^{:.2f}\n", timings[v].version->name,
               exponent(growth.windows, growth.seconds[v]));
  fmt::print("run {}\n", s.output);
}

}  // namespace

void add_options(app::Command& command, CompareSettings& s) {
  using app::whole_number;
  command.add_flag("--synthetic", s.synthetic,
                   "on a long seeded series; takes minutes with the defaults");
  command.add_option("--hidden", s.hidden, "units")->check(whole_number(1, 4096));
  command.add_option("--length", s.length, "values, with --synthetic")
      ->check(whole_number(500, 100'000'000));
  command.add_option("--batch", s.batch, "windows in a mini-batch, with --synthetic")
      ->check(whole_number(1, 1'000'000));
  command.add_option("--threads", s.threads, "of the versions that use several")
      ->check(whole_number(1, 1024));
  app::add_choice<bool>(command, "--device", s.gpu, {{"cpu", false}, {"gpu", true}},
                        "gpu: versions as OpenMP offloads them, on the host where there is none");
  add_output_options(command, s.output, s.overwrite);
  command.add_flag("--json", s.json, "print times and losses as one JSON object");
  command.add_flag("-q,--quiet", s.quiet, "no chart on a terminal");
  command.footer("Example: airline compare --synthetic --hidden 256 --length 1500");
}

app::ExitCode compare(const CompareSettings& settings) {
  CompareSettings s = settings;
  const CompareSettings defaults;
  if (!s.synthetic && (s.length != defaults.length || s.batch != defaults.batch))
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("--{}: is of the synthetic series",
                                     s.length != defaults.length ? "length" : "batch"),
                         "say --synthetic as well");
  if (s.output.empty()) s.output = app::create_default_run("airline", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, {"compare.json", "growth.*"},
      s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  const std::vector<double> values = s.synthetic ? synthetic_values(s.length) : airline_values();
  const Task task = task_on(values, s);
  const std::vector<const Version*> compared = versions_of(s);
  const double before = gemm_peak(task.threads);
  Growth growth;
  growth.seconds.resize(compared.size());
  const bool grows = s.synthetic && (!s.gpu || has_device());  // the host's times say nothing
  for (const size_t part : {8, 4, 2}) {
    if (!grows) break;
    const Task shorter = task_on(std::span(values).first(values.size() / part), s);
    growth.windows.push_back(static_cast<double>(shorter.train.count()));
    for (size_t v = 0; const Timing& t : time_versions(compared, shorter, 1))
      growth.seconds[v++].push_back(t.seconds);
  }
  constexpr int kTurns = 7;  // of the short series
  const std::vector<Timing> timings = time_versions(compared, task, s.synthetic ? 1 : kTurns);
  const double peak = std::max(before, gemm_peak(task.threads));
  growth.windows.push_back(static_cast<double>(task.train.count()));
  for (size_t v = 0; v < timings.size(); ++v) growth.seconds[v].push_back(timings[v].seconds);

  const std::string json = json_of(timings, task, peak);
  app::write_atomically(directory / "compare.json", json);
  if (grows)
    app::draw(growth_picture(growth, task, compared), directory / "growth", "airline", s.quiet);
  if (s.json)
    fmt::print("{}", json);
  else
    print_all(s, task, timings, peak, growth);
  return largest_difference(timings) <= kTolerance ? app::ExitCode::ok
                                                   : app::ExitCode::check_failed;
}

}  // namespace tapestry::airline
