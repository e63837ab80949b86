// lm sweep and lm race on tiny data: what they print and leave, and what they refuse.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <tapestry/examples/lm/experiments/race.h>
#include <tapestry/examples/lm/experiments/sweep.h>

#include <unistd.h>

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
