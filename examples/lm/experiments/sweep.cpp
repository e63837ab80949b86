#include <fmt/format.h>
#include <fmt/ranges.h>
#include <omp.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/experiments/node_sweep.h>
#include <tapestry/examples/lm/experiments/sweep.h>
#include <tapestry/examples/lm/train_options.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>

namespace tapestry::lm {
namespace {

const std::vector<int64_t> kWorkers = {1, 2, 4, 8, 12, 16}, kBatch = {1, 2, 5, 10};

struct Row {
  int64_t workers, batch;
  bool simulated = false, diverged = false;
  ServerStats stats = {};
  double loss = std::numeric_limits<double>::quiet_NaN();
};

Row train(const TrainSettings& s, const EncodedCorpus& corpus, int64_t sentences,
          const DelayLaw* law) {
  Row row{s.parallel.workers, s.batch, law != nullptr};
  Experiment experiment(s, corpus);
  try {
    row.stats = experiment.run(sentences, law);
    row.loss = experiment.online_loss();
  } catch (const NonFiniteError&) {
    row.diverged = true;
  }
  return row;
}

std::vector<Row> train_all(SweepSettings& s, const EncodedCorpus& corpus) {
  const int cores = omp_get_num_procs();
  std::vector<Row> rows;
  const auto total = static_cast<double>(s.workers.size() * s.batch.size());
  app::Progress progress(total, s.train.common.progress_settings("runs"));
  for (const int64_t batch : s.batch) {
    DelayLaw law;  // of as many workers as there are cores, or nearly
    for (const int64_t workers : s.workers) {
      TrainSettings one = s.train;
      one.batch = batch;
      one.parallel.workers = workers;
      const bool simulated = workers > cores;
      rows.push_back(train(one, corpus, s.sentences, simulated ? &law : nullptr));
      if (!simulated) law = rows.back().stats.delay_law();
      const Row& row = rows.back();
      progress.update(static_cast<double>(rows.size()), [&] {
        return app::Status{
            .prefix = fmt::format("workers {} batch {}", row.workers, row.batch),
            .fraction = {},
            .position = "",
            .fields = {row.diverged ? "diverged" : fmt::format("loss {:.3f}", row.loss)}};
      });
    }
  }
  progress.finish(total, {.prefix = "sweep", .fraction = {}, .position = "", .fields = {}});
  return rows;
}

double speedup(const Row& row, const std::vector<Row>& rows) {
  for (const Row& r : rows)
    if (r.workers == 1 && r.batch == row.batch) return r.stats.seconds / row.stats.seconds;
  return std::numeric_limits<double>::quiet_NaN();
}

constexpr double kShortest = 1;  // seconds of a run whose times say something

/// Whether the times behind a speedup were noise: no number of workers is faster than its number.
bool is_doubtful(const Row& row, const std::vector<Row>& rows) {
  const bool short_run = std::any_of(rows.begin(), rows.end(), [&](const Row& r) {
    return r.workers == 1 && r.batch == row.batch && r.stats.seconds < kShortest;
  });
  return row.workers > 1 && (short_run || speedup(row, rows) > static_cast<double>(row.workers));
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:>7} {:>5}  {:<9} {:>9} {:>9} {:>8} {:>9} {:>10} {:>9}\n", "workers", "batch", "how",
             "seconds", "tokens/s", "speedup", "loss", "staleness", "lock wait");
  for (const Row& row : rows) {
    fmt::print("{:>7} {:>5}  {:<9} ", row.workers, row.batch,
               row.simulated ? "simulated" : "measured");
    if (row.diverged) {
      fmt::print("{:>9}\n", "diverged");
      continue;
    }
    fmt::print("{:>9.2f} {:>9.0f} {:>7.2f}{} {:>9.4f} {:>10.2f} {:>9}\n", row.stats.seconds,
               row.stats.tokens_per_second(), speedup(row, rows),
               is_doubtful(row, rows) ? '?' : 'x', row.loss, row.stats.mean_staleness(),
               row.simulated ? "" : fmt::format("{:.2f}%", 100 * row.stats.lock_wait_share()));
  }
  if (std::any_of(rows.begin(), rows.end(), [](const Row& r) { return r.simulated; }))
    fmt::print(
        "simulated: on as many cores, with the times that updates took here in the run before "
        "with\n"
        "the most workers, and free locks; the loss is what that many workers reach\n");
  if (std::any_of(rows.begin(), rows.end(), [&](const Row& r) { return is_doubtful(r, rows); }))
    fmt::print(
        "?: not to be trusted: one worker took less than {:g} s, or the speedup is beyond the "
        "number\n"
        "of workers; --sentences or --size makes the runs longer\n",
        kShortest);
}

std::string csv(const std::vector<Row>& rows) {
  std::string out =
      "workers,batch,how,seconds,tokens_per_second,speedup,loss,mean_staleness,lock_wait_share\n";
  for (const Row& r : rows) {
    out += fmt::format("{},{},{},", r.workers, r.batch, r.simulated ? "simulated" : "measured");
    out += r.diverged ? ",,,,,\n"
                      : fmt::format("{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\n", r.stats.seconds,
                                    r.stats.tokens_per_second(), speedup(r, rows), r.loss,
                                    r.stats.mean_staleness(), r.stats.lock_wait_share());
  }
  return out;
}

app::Plot scatter(const std::vector<Row>& rows, int64_t sentences) {
  app::Plot plot{.title = fmt::format("{} sentences by WORKERS/BATCH", sentences),
                 .x_label = "seconds (simulated: of as many cores)",
                 .y_label = "online loss, nats per token",
                 .series = {},
                 .x_axis = app::Plot::Axis::logarithmic};
  for (const bool simulated : {false, true}) {
    app::Series series{.name = simulated ? "simulated" : "measured",
                       .x = {},
                       .y = {},
                       .style = app::Series::Style::points};
    for (const Row& r : rows) {
      if (r.diverged || r.simulated != simulated) continue;
      series.x.push_back(r.stats.seconds);
      series.y.push_back(r.loss);
      plot.labels.push_back({r.stats.seconds, r.loss, fmt::format("{}/{}", r.workers, r.batch)});
    }
    if (!series.x.empty()) plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace

void add_options(app::Command& command, SweepSettings& s) {
  command.add_option("--workers", s.workers, "numbers of workers, simulated beyond the cores here")
      ->delimiter(',')
      ->check(app::whole_number(1, 1024))
      ->default_str(fmt::format("{}", fmt::join(kWorkers, ",")));
  command.add_option("--batch", s.batch, "sentences per update")
      ->delimiter(',')
      ->check(app::whole_number(1, 1'000'000))
      ->default_str(fmt::format("{}, of nodes {}", fmt::join(kBatch, ","), kBatchOfNodes));
  command.add_option("--sentences", s.sentences, "sentences per training (0: one pass)")
      ->check(app::whole_number(0));
  const std::string nodes = "Nodes (virtual machines of one worker each; docs/cluster.md)";
  command.add_option("--nodes", s.nodes, "numbers of them, instead of --workers")
      ->delimiter(',')
      ->check(app::whole_number(1, 1024))
      ->group(nodes);
  command.add_option("--probe", s.probe, "held-out sentences evaluated")
      ->check(app::whole_number(1))
      ->group(nodes);
  add_exchange_options(command, s.train.parallel, nodes);
  add_experiment_options(command, s.train);
  command.footer(
      "Examples: lm sweep --workers 1,2,4,8 --batch 1,10 --clip-norm 40\n"
      "          lm sweep --nodes 1,2,4,8,64 --network 10g --sentences 20000");
}

app::ExitCode sweep(SweepSettings s) {
  app::catch_interrupts();
  if (!s.nodes.empty()) return sweep_nodes(std::move(s));
  if (s.workers.empty()) s.workers = kWorkers;
  if (s.batch.empty()) s.batch = kBatch;
  const Data data = read_experiment_data(s.train);
  if (s.sentences == 0) s.sentences = data.train.sentences();
  with_one(s.workers);  // speedups and simulations need its time
  if (s.train.output.empty())
    s.train.output = app::create_default_run("sweep", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.train.output, {"sweep.csv", "scatter.*"},
      s.train.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);

  const std::vector<Row> rows = train_all(s, data.train);
  print_table(rows);
  app::write_atomically(directory / "sweep.csv", csv(rows));
  const app::Plot picture = scatter(rows, s.sentences);  // empty where all diverged
  if (!picture.series.empty())
    app::draw(picture, directory / "scatter", "lm", s.train.common.quiet);
  fmt::print("table and picture: {}\n", s.train.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
