// lm plot: learning curves of runs, laid over each other; staleness; the credit horizon.

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/credit.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/training/curves.h>

#include <algorithm>

namespace tapestry::lm {
namespace {

namespace fs = std::filesystem;

/// What the runs are called in a picture: the last part of their paths.
std::string name_of(const fs::path& run) {
  return run.filename().empty() ? run.parent_path().filename().string() : run.filename().string();
}

/// Of a picture of several runs the key names them, of one the title.
std::string title(const char* what, const PlotSettings& s) {
  return s.runs.size() == 1 ? fmt::format("{} of {}", what, name_of(s.runs[0])) : what;
}

void draw(const app::Plot& plot, const fs::path& stem, const PlotSettings& s) {
  app::draw(plot, stem, "lm", s.quiet);
  app::print_files(stem);
}

void learning_curves(const PlotSettings& s, const fs::path& out) {
  app::Plot tokens{.title = title("Learning curves", s),
                   .x_label = "tokens read",
                   .y_label = "loss, nats per token",
                   .series = {}};
  app::Plot time = tokens;
  time.x_label = "seconds of training";
  for (const std::string& run : s.runs) {
    const Curves curves = read_curves(run);
    const std::string name = s.runs.size() > 1 ? name_of(run) : "";
    add_curves(tokens, curves, Against::tokens, name);
    add_curves(time, curves, Against::seconds, name);
  }
  if (tokens.series.empty()) {
    app::warn("lm", "no metrics yet: the runs have just begun");
    return;
  }
  draw(tokens, out / "learning_curve", s);
  draw(time, out / "learning_curve_time", s);
}

/// From server.json, which a run with several workers leaves when it has ended.
void staleness(const PlotSettings& s, const fs::path& out) {
  app::Plot plot{.title = title("Staleness of the updates", s),
                 .x_label = "updates by others between pull and push",
                 .y_label = "share of the updates",
                 .series = {},
                 .y_from_zero = true};
  for (const std::string& run : s.runs) {
    const fs::path path = fs::path(run) / "server.json";
    if (!fs::exists(path)) continue;
    app::Series series{.name = name_of(run), .x = {}, .y = {}};
    try {
      const auto json = app::Json::parse(read_text(path.string()));
      const auto counts = json.at("staleness").get<std::vector<double>>();
      double total = 0;
      for (const double n : counts) total += n;
      for (size_t i = 0; i < counts.size(); ++i) {
        series.x.push_back(static_cast<double>(i));
        series.y.push_back(total > 0 ? counts[i] / total : 0);
      }
    } catch (const app::JsonError&) {
      fail<FormatError>(path.string(), ": not what a run with several workers has left");
    }
    if (series.x.size() > 1) plot.series.push_back(std::move(series));
  }
  if (!plot.series.empty()) draw(plot, out / "staleness", s);
}

/// The sentences that a run was judged by, else those it was trained on.
std::optional<EncodedCorpus> text_of(const Run& run) {
  const InputSettings& input = run.settings.input;
  for (const auto* files : {&input.files, &input.valid})
    if (std::find(files->begin(), files->end(), "-") != files->end()) return std::nullopt;
  try {
    Data data = read_data(run.settings.input);
    const bool held_out = data.valid.sentences() >= 20;
    return run.vocabulary.size() == data.vocabulary.size()
               ? std::optional(std::move(held_out ? data.valid : data.train))
               : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void horizon(const PlotSettings& s, const fs::path& out) {
  app::Plot plot{.title = title("Credit horizon", s),
                 .x_label = "steps back",
                 .y_label = "share of the error",
                 .series = {},
                 .y_from_zero = true};
  for (const std::string& path : s.runs) {
    const Run run = Run::open(path);
    const auto text = text_of(run);
    if (!text) {
      app::warn("lm",
                path + ": no credit horizon: the text it was trained on cannot be read again");
      continue;
    }
    const auto share = credit_horizon(run.model(f64), *text, std::min(s.steps, text->longest - 1));
    if (share.size() < 2) continue;
    app::Series series{.name = name_of(path), .x = {}, .y = share};
    for (size_t k = 0; k < share.size(); ++k) series.x.push_back(static_cast<double>(k));
    plot.series.push_back(std::move(series));

    constexpr double kFaded = 0.05;
    size_t reach = 0;  // the last step at which the error has not faded
    for (size_t k = 0; k < share.size(); ++k)
      if (share[k] >= kFaded) reach = k;
    fmt::print("{}: the error of an output reaches the state", path);
    for (const size_t k : {size_t{1}, size_t{2}, size_t{4}, size_t{8}, size_t{16}})
      if (k < share.size()) fmt::print("{} {:.0f}% {} back", k > 1 ? "," : "", 100 * share[k], k);
    const Bptt& bptt = run.settings.bptt;
    fmt::print("\n{}: ", path);
    if (reach + 1 >= share.size())
      fmt::print("more than 5% go further than the {} steps looked at; ", reach);
    else
      fmt::print("it fades below 5% after {} step{}; ", reach, reach == 1 ? "" : "s");
    const auto wanted = static_cast<int64_t>(std::max<size_t>(reach, 1));
    if (bptt.mode == BpttMode::full)
      fmt::print("trained with bptt full, --bptt-mode exact --bptt {} would lose little\n", wanted);
    else if (bptt.steps < wanted)
      fmt::print("trained with {}, --bptt {} may learn more\n", describe_bptt(bptt), wanted);
    else
      fmt::print("trained with {}, which is enough\n", describe_bptt(bptt));
  }
  if (!plot.series.empty()) draw(plot, out / "credit_horizon", s);
}

}  // namespace

void add_options(app::Command& command, PlotSettings& s) {
  command.add_option("RUN", s.runs, "run directories, laid over each other")->required();
  command.add_option("-o,--output", s.output, "directory of the pictures (default: the first run)");
  command.add_option("--steps", s.steps, "how far back the credit horizon looks, in time steps")
      ->check(app::whole_number(1, 1000));
  command.add_flag("-q,--quiet", s.quiet, "no pictures in characters");
  command.footer(
      "Writes learning_curve, learning_curve_time, staleness and credit_horizon as csv and gp and, "
      "where\ngnuplot is installed, svg and png. Example: lm plot runs/a runs/b -o pictures");
}

app::ExitCode plot(const PlotSettings& s) {
  for (const std::string& run : s.runs)
    if (!fs::exists(fs::path(run) / "metrics.csv"))
      throw app::UserError(app::ExitCode::no_input, run + " holds no metrics.csv",
                           "name the directory of a run that lm train has written");
  const fs::path out = s.output.empty() ? fs::path(s.runs.front()) : fs::path(s.output);
  std::error_code error;
  fs::create_directories(out, error);
  if (error)
    throw app::UserError(app::ExitCode::cannot_create,
                         "cannot create directory: " + error.message(), "name another with -o",
                         out.string());
  learning_curves(s, out);
  staleness(s, out);
  horizon(s, out);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
