#include <fmt/format.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/experiments/node_sweep.h>
#include <tapestry/examples/lm/experiments/virtual_nodes.h>
#include <tapestry/examples/lm/model/evaluate.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

namespace tapestry::lm {
namespace {

const char* name_of(const NodeCourse& c) {
  return c.nodes == 1 ? "alone" : c.between == Between::sync ? "sync" : "local";
}

std::string node_count(int64_t nodes) {
  return fmt::format("{} node{}", nodes, nodes == 1 ? "" : "s");
}

void refuse_settings(const std::string& what, const std::string& hint) {
  throw app::UserError(app::ExitCode::usage, what, hint);
}

std::vector<NodeCourse> train_all_nodes(const SweepSettings& s, const Data& data,
                                        NodeModel& model) {
  const EncodedCorpus probe = first_of(data.valid, s.probe);
  std::vector<NodeCourse> courses;
  const auto total =
      static_cast<double>((2 * s.nodes.size() - 1) * static_cast<size_t>(s.sentences));
  app::Progress progress(total, s.train.common.progress_settings("sent"));
  double before = 0;
  const auto status = [](const NodeCourse& c) {
    return app::Status{.prefix = fmt::format("{}, {}", node_count(c.nodes), name_of(c)),
                       .fraction = {},
                       .position = "",
                       .fields = {fmt::format("loss {:.3f}", c.loss.back())}};
  };
  const auto of_text =
      static_cast<double>(data.train.tokens()) / static_cast<double>(data.train.sentences());
  const auto look = [&](NodeCourse& c, const LanguageModel& m) {
    {
      const auto pause = progress.pause();
      c.loss.push_back(evaluate(m, probe).loss());
    }
    progress.update(before + static_cast<double>(c.tokens) / of_text, [&] { return status(c); });
  };
  for (const int64_t nodes : s.nodes)
    for (const Between between : {Between::local, Between::sync}) {
      if (nodes == 1 && between == Between::sync) continue;
      courses.push_back(train_nodes(s.train, data, s.sentences, {nodes, between}, model, look));
      before += static_cast<double>(s.sentences);
    }
  progress.finish(total, {.prefix = "sweep", .fraction = {}, .position = "", .fields = {}});
  return courses;
}

double speedup_of(const NodeCourse& c, const std::vector<NodeCourse>& all) {
  return all[0].seconds.back() / c.seconds.back();
}

constexpr int64_t kFewRounds = 10;  // with less, the loss says little

bool too_short(const NodeCourse& c) { return c.nodes > 1 && c.rounds < kFewRounds; }

void print_nodes(const SweepSettings& s, const NodeModel& model,
                 const std::vector<NodeCourse>& courses) {
  fmt::print("{:>7} {:<7} {:>8} {:>9} {:>10} {:>8} {:>9} {:>9}\n", "nodes", "between", "rounds",
             "seconds", "tokens/s", "speedup", "loss", "held out");
  for (const NodeCourse& c : courses) {
    fmt::print("{:>7} {:<7} ", c.nodes, name_of(c));
    if (c.diverged) {
      fmt::print("{:>8}\n", "diverged");
      continue;
    }
    fmt::print("{:>7}{} {:>9.2f} {:>10.0f} {:>7.2f}x {:>9.4f} {:>9.4f}\n", c.rounds,
               too_short(c) ? '?' : ' ', c.seconds.back(), c.tokens_per_second(),
               speedup_of(c, courses), c.nats / static_cast<double>(c.tokens), c.loss.back());
  }
  fmt::print(
      "several nodes are simulated: their losses are those of so many, an exchange every {} "
      "tokens\n"
      "of a node; their times are those of one node ({:.0f} tokens/s here), of packing and adding "
      "up\n"
      "({:.4f} s) and of {:.1f} MB over {}\n",
      s.train.parallel.exchange_every, model.costs.tokens_per_second, model.costs.pack_seconds,
      model.costs.bytes / 1e6, s.train.parallel.network);
  if (std::any_of(courses.begin(), courses.end(), too_short))
    fmt::print(
        "?: less than {} rounds: the loss says little; more --sentences, or an exchange more "
        "often,\nmake more\n",
        kFewRounds);
}

std::string csv_of(const std::vector<NodeCourse>& courses) {
  std::string out =
      "nodes,between,rounds,tokens,seconds,tokens_per_second,speedup,loss,held_out_loss\n";
  for (const NodeCourse& c : courses) {
    out += fmt::format("{},{},{},{},", c.nodes, name_of(c), c.rounds, c.tokens);
    out += c.diverged ? ",,,,\n"
                      : fmt::format("{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\n", c.seconds.back(),
                                    c.tokens_per_second(), speedup_of(c, courses),
                                    c.nats / static_cast<double>(c.tokens), c.loss.back());
  }
  return out;
}

std::string csv_of_looks(const std::vector<NodeCourse>& courses) {
  std::string out = "nodes,between,seconds,held_out_loss\n";
  for (const NodeCourse& c : courses)
    for (size_t i = 0; i < c.loss.size(); ++i)
      out += fmt::format("{},{},{:.6g},{:.6g}\n", c.nodes, name_of(c), c.seconds[i], c.loss[i]);
  return out;
}

app::Plot loss_picture(const SweepSettings& s, const std::vector<NodeCourse>& courses) {
  app::Plot plot{.title = fmt::format("{} sentences by virtual nodes, {}", s.sentences,
                                      s.train.parallel.network),
                 .x_label = "seconds (of several nodes: simulated)",
                 .y_label = "held-out loss, nats per token",
                 .series = {},
                 .x_axis = app::Plot::Axis::logarithmic,
                 .panels = {"local", "sync"}};
  for (const size_t panel : {0, 1})
    for (const NodeCourse& c : courses)
      if (!c.loss.empty() && (c.nodes == 1 || (c.between == Between::sync) == (panel == 1)))
        plot.series.push_back(
            {.name = node_count(c.nodes), .x = c.seconds, .y = c.loss, .panel = panel});
  return plot;
}

app::Plot speedup_picture(const SweepSettings& s, const std::vector<NodeCourse>& courses) {
  app::Plot plot{.title = fmt::format("Speed by virtual nodes, {}", s.train.parallel.network),
                 .x_label = "nodes",
                 .y_label = "tokens/s over one node",
                 .series = {},
                 .y_from_zero = true};
  app::Series local{.name = "local", .x = {}, .y = {}}, sync{.name = "sync", .x = {}, .y = {}},
      ideal{.name = "as many times as fast", .x = {}, .y = {}};
  for (const NodeCourse& c : courses) {
    if (c.diverged) continue;
    const auto nodes = static_cast<double>(c.nodes);
    for (app::Series* to : {&local, &sync})
      if (c.nodes == 1 || (c.between == Between::sync) == (to == &sync))
        to->x.push_back(nodes), to->y.push_back(speedup_of(c, courses));
    if (c.between == Between::local) ideal.x.push_back(nodes), ideal.y.push_back(nodes);
  }
  plot.series = {local, sync, ideal};
  return plot;
}

}  // namespace

void with_one(std::vector<int64_t>& numbers) {
  numbers.push_back(1);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

app::ExitCode sweep_nodes(SweepSettings s) {
  if (!s.workers.empty())
    refuse_settings("--workers does not go with --nodes", "a virtual node is one worker");
  if (s.batch.size() > 1) refuse_settings("--nodes goes with one --batch", "name one number");
  s.train.batch = s.batch.empty() ? kBatchOfNodes : s.batch[0];
  NodeModel model{.network = parse_network(s.train.parallel.network)};
  with_one(s.nodes);
  s.train.input.valid_split = 0.05;
  const Data data = read_experiment_data(s.train);
  if (data.valid.sentences() == 0)
    throw app::UserError(app::ExitCode::bad_data, "the text has no sentence to hold out",
                         "nodes need a longer text");
  if (s.sentences == 0) s.sentences = data.train.sentences();
  if (s.train.output.empty())
    s.train.output = app::create_default_run("sweep", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.train.output, {"sweep.csv", "courses.csv", "loss.*", "speedup.*"},
      s.train.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);

  model.costs = measure_node(s.train, data);
  const std::vector<NodeCourse> courses = train_all_nodes(s, data, model);
  if (courses[0].diverged)
    throw app::UserError(app::ExitCode::diverged, "one node diverged", "lower --lr, or clip");
  print_nodes(s, model, courses);
  app::write_atomically(directory / "sweep.csv", csv_of(courses));
  app::write_atomically(directory / "courses.csv", csv_of_looks(courses));
  app::draw(loss_picture(s, courses), directory / "loss", "lm", s.train.common.quiet);
  app::draw(speedup_picture(s, courses), directory / "speedup", "lm", true);
  fmt::print("tables and pictures: {}\n", s.train.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
