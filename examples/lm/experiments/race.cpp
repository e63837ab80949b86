#include <fmt/format.h>
#include <omp.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/experiments/race.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/tensor/threads.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <optional>

namespace tapestry::lm {
namespace {

/// What a contestant reached: the loss on the probe after so many sentences and seconds of
/// training.
struct Course {
  std::string name;
  std::vector<double> sentences = {}, seconds = {}, loss = {};

  /// The evaluation at which the loss has been below `target` twice in a row.
  std::optional<size_t> reached(double target) const {
    for (size_t i = 1; i < loss.size(); ++i)
      if (loss[i] < target && loss[i - 1] < target) return i;
    return {};
  }
};

Course run(const RaceSettings& s, const Data& data, const EncodedCorpus& probe, int64_t workers,
           int64_t threads, Course course) {
  TrainSettings settings = s.train;
  settings.parallel.workers = workers;
  Experiment experiment(settings, data.train);
  app::Progress progress(static_cast<double>(s.most), s.train.common.progress_settings("sent"));
  double seconds = 0;
  const auto evaluate_now = [&] {
    const auto pause = progress.pause();
    course.sentences.push_back(static_cast<double>(experiment.sentences()));
    course.seconds.push_back(seconds);
    course.loss.push_back(evaluate(experiment.model, probe).loss());
  };
  evaluate_now();
  const double last_target = *std::min_element(s.targets.begin(), s.targets.end());
  while (experiment.sentences() < s.most && !course.reached(last_target)) {
    {
      const KernelThreads scope(static_cast<int>(threads));
      seconds += experiment.run(s.every).seconds;
    }
    evaluate_now();
    progress.update(course.sentences.back(), [&] {
      return app::Status{.prefix = course.name,
                         .fraction = {},
                         .position = "",
                         .fields = {fmt::format("loss {:.3f}", course.loss.back())}};
    });
  }
  progress.finish(course.sentences.back(),
                  {.prefix = course.name,
                   .fraction = {},
                   .position = "",
                   .fields = {fmt::format("loss {:.3f}", course.loss.back())}});
  return course;
}

/// What the last column says of a contestant that reached the target.
std::string verdict(const Course& c, double target, const std::vector<Course>& courses) {
  const size_t mine = *c.reached(target);
  const double seconds = c.seconds[mine];
  double best = seconds;
  bool clear = true;
  for (const Course& other : courses) {
    const auto at = other.reached(target);
    if (!at || &other == &c) continue;
    // A time is known to a stretch between two evaluations, and repeats to a tenth at best.
    const double slack =
        std::max({seconds - c.seconds[mine - 1], other.seconds[*at] - other.seconds[*at - 1],
                  0.1 * std::max(seconds, other.seconds[*at])});
    clear = clear && std::abs(other.seconds[*at] - seconds) > slack;
    best = std::min(best, other.seconds[*at]);
  }
  if (!clear) return "no clear winner";
  return seconds == best ? "wins" : fmt::format("{:.2f}x", seconds / best);
}

void print_table(const RaceSettings& s, const std::vector<Course>& courses) {
  fmt::print("{:>7}  {:<24} {:>9} {:>10} {:>9}\n", "target", "", "seconds", "sentences", "");
  for (const double target : s.targets) {
    for (const Course& c : courses) {
      fmt::print("{:>7g}  {:<24} ", target, c.name);
      if (const auto at = c.reached(target))
        fmt::print("{:>9.2f} {:>10.0f} {:>9}\n", c.seconds[*at], c.sentences[*at],
                   verdict(c, target, courses));
      else
        fmt::print("not within {} sentences (loss {:.3f})\n", s.most, c.loss.back());
    }
  }
}

std::string csv(const std::vector<Course>& courses) {
  std::string out = "contestant,sentences,seconds,loss\n";
  for (const Course& c : courses)
    for (size_t i = 0; i < c.loss.size(); ++i)
      out +=
          fmt::format("{},{:.0f},{:.6g},{:.6g}\n", c.name, c.sentences[i], c.seconds[i], c.loss[i]);
  return out;
}

app::Plot picture(const RaceSettings& s, const std::vector<Course>& courses) {
  app::Plot plot{.title = "Race: loss on the probe against time of training",
                 .x_label = "seconds",
                 .y_label = "loss, nats per token",
                 .series = {}};
  double end = 0;
  for (const Course& c : courses) {  // the fall from ln V would flatten the rest
    const auto skip = std::min<std::ptrdiff_t>(1, std::ssize(c.loss) - 1);
    plot.series.push_back({.name = c.name,
                           .x = {c.seconds.begin() + skip, c.seconds.end()},
                           .y = {c.loss.begin() + skip, c.loss.end()}});
    end = std::max(end, c.seconds.back());
  }
  for (const double target : s.targets)
    plot.series.push_back(
        {.name = fmt::format("{:g}", target), .x = {0, end}, .y = {target, target}});
  return plot;
}

}  // namespace

void add_options(app::Command& command, RaceSettings& s) {
  using app::whole_number;
  command.add_option("--workers", s.workers, "asynchronous workers (0: the cores)")
      ->check(whole_number(0, 1024));
  command.add_option("--threads", s.threads, "threads of the other's update (0: the cores)")
      ->check(whole_number(0, 256));
  command.add_option("--batch", s.train.batch, "sentences per update of both")
      ->check(whole_number(1, 1'000'000));
  command.add_option("--every", s.every, "sentences between evaluations")->check(whole_number(1));
  command.add_option("--probe", s.probe, "held-out sentences evaluated")->check(whole_number(1));
  command.add_option("--max-sentences-read", s.most, "give up after these")->check(whole_number(1));
  command.add_option("--targets", s.targets, "losses to stay below, twice in a row")
      ->delimiter(',')
      ->check(app::number(0, std::numeric_limits<double>::infinity(), app::Ends::open_low));
  add_experiment_options(command, s.train);
  command.footer("Example: lm race --targets 6.5,5.9 --split-sentences --lower TEXT.txt");
}

app::ExitCode race(RaceSettings s) {
  app::catch_interrupts();
  s.train.input.valid_split = 0.05;
  const Data data = read_experiment_data(s.train);
  if (data.valid.sentences() == 0)
    throw app::UserError(app::ExitCode::bad_data, "the text has no sentence to hold out",
                         "a race needs a longer text");
  const EncodedCorpus probe = first_of(data.valid, s.probe);
  const int64_t cores = omp_get_num_procs();
  if (s.workers == 0) s.workers = cores;
  if (s.threads == 0) s.threads = cores;
  if (s.train.output.empty())
    s.train.output = app::create_default_run("race", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.train.output, {"race.csv", "loss.*"},
      s.train.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);

  const auto count = [](int64_t n, const char* what) {
    return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
  };
  const std::vector<Course> courses{
      run(s, data, probe, s.workers, 1, {count(s.workers, "asynchronous worker")}),
      run(s, data, probe, 1, s.threads, {"one update by " + count(s.threads, "thread")})};
  print_table(s, courses);
  app::write_atomically(directory / "race.csv", csv(courses));
  app::draw(picture(s, courses), directory / "loss", "lm", s.train.common.quiet);
  fmt::print("table and picture: {}\n", s.train.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
