// lm sweep and lm race on tiny data: what they print and leave, and what they refuse.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <tapestry/examples/lm/experiments/node_sweep.h>
#include <tapestry/examples/lm/experiments/race.h>
#include <tapestry/examples/lm/experiments/virtual_nodes.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
namespace fs = std::filesystem;

namespace {

TrainSettings tiny(const fs::path& output) {
  TrainSettings s = experiment_settings();
  s.input.corpus = "zipf";
  s.input.size = 40;
  s.model.hidden = 8;
  s.dtype = f64;
  s.common.quiet = true;
  s.output = output.string();
  return s;
}

/// What f writes to standard output.
template <class F>
std::string printed(F&& f) {
  const TemporaryDirectory directory;
  const std::string path = (directory.path / "out").string();
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO), file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(file, STDOUT_FILENO);
  f();
  std::fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved), close(file);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("an experiment by one worker, real or simulated, is sequential training") {
  const TemporaryDirectory directory;
  TrainSettings s = tiny(directory.path);
  const Data data = read_experiment_data(s);
  Experiment real(s, data.train), simulated(s, data.train);
  const DelayLaw law{.per_update = 1, .per_token = 0.5};
  real.run(50);  // more than one pass
  const ServerStats stats = simulated.run(50, &law);
  CHECK(real.online_loss() == simulated.online_loss());
  CHECK(stats.seconds == doctest::Approx(50 + 0.5 * static_cast<double>(stats.total().tokens)));

  s.parallel.workers = 4;
  Experiment four(s, data.train);
  const ServerStats parallel = four.run(50, &law);
  CHECK(parallel.seconds < stats.seconds / 2);
  CHECK(parallel.seconds >= stats.seconds / 4);
  CHECK(four.online_loss() != real.online_loss());  // stale gradients
}

TEST_CASE("the delay law is the line through what updates took") {
  ServiceTimes times;
  for (const double tokens : {5., 10., 40.}) times.add(tokens, 2 + 3 * tokens);
  CHECK(times.law().per_update == doctest::Approx(2));
  CHECK(times.law().per_token == doctest::Approx(3));
  ServiceTimes falling;  // noise must not make a law with negative times
  falling.add(10, 5);
  falling.add(20, 4);
  CHECK(falling.law().per_token == 0);
  CHECK(falling.law().per_update == doctest::Approx(4.5));
}

TEST_CASE("a sweep leaves a row for every pair") {
  const TemporaryDirectory directory;
  SweepSettings s{.train = tiny(directory.path / "sweep"), .workers = {64}, .batch = {1, 3}};
  CHECK(sweep(s) == app::ExitCode::ok);
  const std::string table = contents(directory.path / "sweep" / "sweep.csv");
  CHECK(std::count(table.begin(), table.end(), '\n') == 1 + 2 * 2);  // one worker is added
  CHECK(table.find("\n64,3,simulated,") != std::string::npos);
  CHECK(fs::exists(directory.path / "sweep" / "scatter.gp"));
  CHECK_THROWS_AS(sweep(s), app::UserError);  // the directory is taken
}

TEST_CASE(
    "speedups from runs that were too short are marked, and a race within its noise has no "
    "winner") {
  const TemporaryDirectory directory;
  SweepSettings s{.train = tiny(directory.path / "sweep"), .workers = {64}, .batch = {1}};
  const std::string table = printed([&] { sweep(s); });
  CHECK(table.find("not to be trusted") != std::string::npos);
  RaceSettings r{.train = tiny(directory.path / "race"),
                 .workers = 1,
                 .threads = 1,
                 .every = 20,
                 .probe = 2,
                 .most = 200,
                 .targets = {1000}};
  const std::string result = printed([&] { race(r); });  // of two that do the same
  CHECK(result.find("no clear winner") != std::string::npos);
  CHECK(result.find("wins") == std::string::npos);
}

TEST_CASE("one virtual node is plain training, and several synchronous ones a larger batch") {
  const TemporaryDirectory directory;
  TrainSettings s = tiny(directory.path);
  s.batch = 3;  // does not divide the sentences: passes end with smaller ones
  const Data data = read_experiment_data(s);
  const auto run = [&](int64_t nodes, Between between, NodeModel& model,
                       std::vector<double>& last) {
    return train_nodes(s, data, 100, {nodes, between}, model, [&](NodeCourse& c, LanguageModel& m) {
      c.loss.push_back(0);
      last = {static_cast<double>(c.tokens)};
      for (const NamedParameter& p : parameters(m))
        last.push_back(sum(p.parameter->value()).item());
    });
  };
  const auto sums = [](LanguageModel& m, double tokens) {
    std::vector<double> out = {tokens};
    for (const NamedParameter& p : parameters(m)) out.push_back(sum(p.parameter->value()).item());
    return out;
  };
  Experiment plain(s, data.train);
  plain.run(100);
  NodeModel model{.network = parse_network("1g"),
                  .costs = {.tokens_per_item = 40, .pack_seconds = 0.001, .bytes = 1e6},
                  .law = {}};
  std::vector<double> last;
  const NodeCourse one = run(1, Between::local, model, last);
  CHECK(last == sums(plain.model, static_cast<double>(plain.tokens())));
  CHECK(one.nats / static_cast<double>(one.tokens) == doctest::Approx(plain.online_loss()));
  CHECK(one.loss.size() >= 17);
  CHECK(model.costs.tokens_per_second > 0);

  s.parallel.workers = 4, s.parallel.update = UpdatePolicy::sync;
  Experiment workers(s, data.train);
  const DelayLaw law{.per_update = 1, .per_token = 0};
  workers.run(100, &law);
  s.parallel.workers = 1, s.parallel.update = UpdatePolicy::async;
  model.law = law;
  const NodeCourse sync = run(4, Between::sync, model, last);
  CHECK(last == sums(workers.model, static_cast<double>(workers.tokens())));
  CHECK(sync.rounds == 9);  // of 34 batches
  CHECK(sync.seconds.back() ==
        doctest::Approx(9 + 9 * (0.001 + 4 * 100e-6 + 3e6 / model.network.beta)));

  s.parallel.exchange_every = 80;  // two items
  model.costs.tokens_per_second = 1000;
  const NodeCourse local = run(4, Between::local, model, last);
  CHECK(local.tokens == one.tokens);
  CHECK(local.rounds == 5);  // 34 batches of four nodes by twos
  CHECK(local.seconds.back() >= static_cast<double>(one.tokens) / 4 / 1000);
  CHECK(local.seconds.back() <= static_cast<double>(one.tokens) / 4 / 1000 + 6 * 0.05);
  CHECK(std::is_sorted(local.seconds.begin(), local.seconds.end()));
}

TEST_CASE("a sweep over nodes leaves a row for every number and kind, and refuses what fits not") {
  const TemporaryDirectory directory;
  SweepSettings s{.train = tiny(directory.path / "nodes"), .nodes = {4, 2}};
  s.train.parallel.exchange_every = 100;
  const std::string table = printed([&] { CHECK(sweep(s) == app::ExitCode::ok); });
  CHECK(table.find("less than 10 rounds") != std::string::npos);
  const std::string rows = contents(directory.path / "nodes" / "sweep.csv");
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 1 + 1 + 2 * 2);  // one node is added
  CHECK(rows.find("\n1,alone,0,") != std::string::npos);
  CHECK(rows.find("\n4,sync,") != std::string::npos);
  CHECK(fs::exists(directory.path / "nodes" / "loss.gp"));
  CHECK(fs::exists(directory.path / "nodes" / "speedup.gp"));
  s.train.output = (directory.path / "other").string();
  const auto refused = [&](SweepSettings wrong) { CHECK_THROWS_AS(sweep(wrong), app::UserError); };
  s.batch = {1, 2};
  refused(s);
  s.batch = {}, s.workers = {2};
  refused(s);
  s.workers = {};
  for (const char* network : {"fast", "0g", "10", "10gb"}) {
    s.train.parallel.network = network;
    refused(s);
  }
  CHECK(!fs::exists(directory.path / "other"));
}

TEST_CASE("a race ends when both have stayed below the lowest target") {
  const TemporaryDirectory directory;
  RaceSettings s{.train = tiny(directory.path / "race"),
                 .workers = 2,
                 .threads = 2,
                 .every = 20,
                 .probe = 2,
                 .most = 200,
                 .targets = {1000}};
  CHECK(race(s) == app::ExitCode::ok);
  const std::string table = contents(directory.path / "race" / "race.csv");
  CHECK(std::count(table.begin(), table.end(), '\n') == 1 + 2 * 2);
  s.train.output = (directory.path / "other").string();
  s.targets = {0.001};  // never: the race gives up after 200 sentences
  CHECK(race(s) == app::ExitCode::ok);
  const std::string long_table = contents(directory.path / "other" / "race.csv");
  CHECK(std::count(long_table.begin(), long_table.end(), '\n') == 1 + 2 * 11);
}
