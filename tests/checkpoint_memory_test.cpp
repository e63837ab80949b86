// What saving and reading a checkpoint takes beyond what is there: measured in a child process, by
// the most memory it ever had, in multiples of the model's size.

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/saved_state.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "sanitizers.h"

using namespace tapestry;
using namespace tapestry::lm;
namespace fs = std::filesystem;

#if !defined(TAPESTRY_ASAN) && !defined(TAPESTRY_TSAN)

namespace {

struct Temporary {
  fs::path path =
      fs::temp_directory_path() / ("checkpoint_memory_test-" + std::to_string(getpid()));
  ~Temporary() { fs::remove_all(path); }
};

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024. * static_cast<double>(usage.ru_maxrss);
}

/// What f() adds to the peak of a child that has called prepare(), over `unit`; -1 where it failed.
double growth(double unit, const std::function<std::function<void()>()>& prepare) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    double grown = -1;
    try {
      const auto f = prepare();
      const double before = peak_bytes();
      f();
      grown = (peak_bytes() - before) / unit;
    } catch (...) {
    }
    const bool written = write(ends[1], &grown, sizeof grown) == sizeof grown;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  double grown = -1;
  CHECK(read(ends[0], &grown, sizeof grown) == sizeof grown);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return grown;
}

}  // namespace

TEST_CASE("a checkpoint is written without a copy, and read without the optimizer's part") {
  const ModelShape shape{.cell = "rnn", .vocabulary = 120'000, .hidden = 50, .embed = 50};
  const double model_bytes = 4. * (2 * 50 + 1) * 120'000;
  const Temporary place;
  const double saving = growth(model_bytes, [&] {
    struct All {
      Rng rng{1};
      LanguageModel model;
      Optimizer optimizer;
      Schedule schedule = Schedule::constant(0.001);
      Position position;
      Carried carried;
      app::RunDirectory directory;
      All(const ModelShape& s, const fs::path& path)
          : model(s, rng, f32),
            optimizer(model, Adam{.lr = 0.001}),
            directory(path.string(), run_files(), app::IfRunExists::refuse) {}
    };
    const auto all = std::make_shared<All>(shape, place.path);
    return [all] {
      CheckpointWriter writer(all->directory, 1);
      writer.write(
          saved_state({all->model, all->optimizer, all->schedule, all->position, all->carried},
                      "data", false),
          1, true);
    };
  });
  CHECK(saving >= 0);
  CHECK(saving < 0.5);  // clones were 3: parameters and two slots of Adam

  const double reading =
      growth(model_bytes, [&] { return [&] { read_newest(place.path, "best", "model."); }; });
  CHECK(reading > 0.9);
  CHECK(reading < 2.2);  // with the slots 3
}

TEST_CASE("a replica over the same values takes no copy of them") {
  Rng rng(1);
  const LanguageModel model({.cell = "rnn", .vocabulary = 60'000, .hidden = 50, .embed = 50}, rng,
                            f32);
  CHECK(growth(4. * (2 * 50 + 1) * 60'000, [&] { return [&] { share(model); }; }) < 0.1);
}

#else

TEST_CASE("memory is not measured under a sanitizer, which has some of its own") {}

#endif
