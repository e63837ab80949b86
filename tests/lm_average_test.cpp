// lm train --average-after: when it begins, what is saved, and that such runs resume and repeat.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/trainer.h>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;

namespace {

/// A rate so high that the loss soon stops falling.
TrainSettings restless() {
  TrainSettings s;
  s.input.corpus = "agreement";
  s.input.size = 200;
  s.model = {.cell = "gru", .hidden = 8, .embed = 8};
  s.bptt.mode = BpttMode::full;
  s.optimizer = "adam";
  s.lr = 0.1;
  s.row_optimizer = "adagrad";
  s.row_lr = 0.3;
  s.batch = 4;
  s.epochs = 12;
  s.average_after = 1;
  s.common.quiet = true;
  return s;
}

struct Repeatable {
  TemporaryDirectory directory;
  TrainSettings settings;
  Data data;

  explicit Repeatable(const TrainSettings& s) : settings(s), data(read_data(settings.input)) {
    settings.model.vocabulary = data.vocabulary.size();
    settings.output = (directory.path / "run").string();
  }
  /// Up to so many updates, on from the last checkpoint; 0: to the end.
  TrainResult run(int64_t updates = 0) {
    settings.max_steps = updates;
    const app::RunDirectory run(settings.output, run_files(), app::IfRunExists::resume);
    std::optional<NamedTensors> from;
    if (!checkpoints(settings.output).empty()) from = read_newest(settings.output, "last").second;
    return Trainer(settings, data, &run, from ? &*from : nullptr).run();
  }
};

}  // namespace

TEST_CASE("a model that no longer gets better becomes the average of its weights") {
  Repeatable averaged(restless());
  const TrainResult result = averaged.run();
  CHECK(result.position.averaged > 0);
  CHECK(result.position.averaged < 12);
  CHECK(result.position.best_epoch == 12);

  // What commands read is the average.
  LanguageModel model = initial_model(averaged.settings);
  from_tensors(model, read_newest(averaged.settings.output, "best", "model.").second, "model.");
  const double held_out = evaluate(model, averaged.data.valid).loss();
  CHECK(held_out == doctest::Approx(*result.position.valid_loss).epsilon(1e-12));

  Repeatable last(restless());
  last.settings.average_after = 0;
  CHECK(*last.run().position.valid_loss > *result.position.valid_loss + 0.02);
}

TEST_CASE("a run that averages resumes to the bit, before and behind its begin") {
  for (const int64_t workers : {1, 2}) {
    TrainSettings s = restless();
    s.parallel.workers = workers;
    if (workers > 1) s.parallel.update = UpdatePolicy::sync;
    Repeatable whole(s);
    const TrainResult expected = whole.run();
    const int64_t epoch = expected.position.updates / s.epochs, begin = expected.position.averaged;
    REQUIRE(begin > 0);
    for (const int64_t stop : {begin * epoch - 2, begin * epoch, (begin + 2) * epoch + 7}) {
      CAPTURE(workers);
      CAPTURE(stop);
      Repeatable parts(s);
      parts.run(stop);
      const TrainResult result = parts.run();
      CHECK(result.fingerprint == expected.fingerprint);
      CHECK(result.position.averaged == begin);
      CHECK(result.position.valid_loss == expected.position.valid_loss);
    }
  }
}

TEST_CASE("a run of two workers that averages is recorded and replayed to the bit") {
  Repeatable recorded(restless());
  const std::string log = (recorded.directory.path / "log").string();
  recorded.settings.parallel.workers = 2;
  recorded.settings.parallel.record = log;
  const TrainResult expected = recorded.run();
  REQUIRE(expected.position.averaged > 0);
  Repeatable replayed(restless());
  replayed.settings.parallel.workers = 2;
  replayed.settings.parallel.replay = log;
  CHECK(replayed.run().fingerprint == expected.fingerprint);
}

TEST_CASE("patience counts from where the average begins") {
  Repeatable training(restless());
  training.settings.patience = 2;
  training.settings.epochs = 40;
  const TrainResult result = training.run();
  CHECK(result.position.epoch >= result.position.averaged + 2);
  CHECK(result.position.best_epoch > result.position.averaged);
}
