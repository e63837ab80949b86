// Training as a whole, on small data: limits, resuming, long sentences, divergence, metrics.

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/curves.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/plan.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/stop_inside.h>
#include <tapestry/examples/lm/training/trainer.h>
#include <tapestry/tensor/softmax/softmax_loss.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TrainSettings small(const fs::path& output) {
  TrainSettings s;
  s.input.corpus = "agreement";
  s.input.size = 80;
  s.model.hidden = 6;
  s.batch = 4;
  s.epochs = 2;
  s.lr = 0.05;
  s.common.quiet = true;
  s.output = output.string();
  return s;
}

Data read(TrainSettings& s) {
  Data data = read_data(s.input);
  s.model.vocabulary = data.vocabulary.size();
  return data;
}

/// Trains in the settings' directory, on from its last checkpoint where there is one.
TrainResult train(const TrainSettings& s, const Data& data) {
  const app::RunDirectory directory(s.output, run_files(), app::IfRunExists::resume);
  std::optional<NamedTensors> from;
  if (!checkpoints(s.output).empty()) from = read_newest(s.output, "last").second;
  return Trainer(s, data, &directory, from ? &*from : nullptr).run();
}

/// One sentence of all the tokens of the training text, so that it is longer than is trained at
/// once, and some short ones.
void make_long(Data& data, int64_t copies) {
  EncodedCorpus out;
  out.ids.push_back(Vocabulary::begin);
  for (int64_t c = 0; c < copies; ++c)
    for (int64_t i = 0; i < data.train.sentences(); ++i)
      for (const int32_t id : data.train.targets(i))
        if (id != Vocabulary::end) out.ids.push_back(id);
  out.ids.push_back(Vocabulary::end);
  out.offsets = {0, static_cast<int64_t>(out.ids.size())};
  out.longest = out.tokens();
  for (int64_t i = 0; i < 8; ++i) {
    for (const int32_t id : data.train.sentence(i)) out.ids.push_back(id);
    out.offsets.push_back(static_cast<int64_t>(out.ids.size()));
  }
  data.train = std::move(out);
}

app::ExitCode code_of(const std::function<void()>& f, std::string* message = nullptr) {
  try {
    f();
  } catch (const app::UserError& e) {
    if (message) *message = std::string(e.what()) + "\n" + e.hint();
    return e.code();
  }
  return app::ExitCode::ok;
}

}  // namespace

TEST_CASE("resuming at a limit that is reached trains nothing") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "run");
  const Data data = read(s);
  s.max_steps = 13;
  const TrainResult first = train(s, data);
  CHECK(first.position.updates == 13);
  const std::string metrics = contents(directory.path / "run" / "metrics.csv");
  const TrainResult again = train(s, data);
  CHECK(again.position.updates == 13);
  CHECK(again.fingerprint == first.fingerprint);
  CHECK(again.position.train_loss == doctest::Approx(first.position.train_loss));
  CHECK(again.ended == "--max-steps");
}

TEST_CASE("work is given up between ops, and between the chunks of a softmax") {
  int asked = 0, at_most = 1000;
  const StopInside guard([&] { return ++asked > at_most; });
  const int64_t rows = 600;  // several chunks
  const auto softmax = [&] {
    softmax_loss(Tensor::zeros({rows, 3}), Tensor::zeros({5, 3}), Tensor(),
                 Tensor::zeros({rows}, i32), -1, Tensor::scalar(1, f32), {});
  };
  softmax();
  CHECK(asked > 3);
  asked = 0, at_most = 2;
  CHECK_THROWS_AS(softmax(), Interrupted);

  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path);
  const Data data = read(s);
  asked = 0, at_most = 10;
  CHECK_THROWS_AS(evaluate(initial_model(s), data.train), Interrupted);
  CHECK(asked == 11);
}

TEST_CASE("an update that is given up changes nothing, and the run goes on to the same bits") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "whole");
  s.dropout = 0.3;
  const Data data = read(s);
  const std::string whole = train(s, data).fingerprint;
  LanguageModel model = initial_model(s);
  ParameterServer<LanguageModel> server(model, make_rule(s), server_options(s, model));
  const std::string before = hex(fingerprint(model));
  bool made = false;
  for (int ops = 1; !made; ops += 3) {  // forwards and backwards
    CHECK(hex(fingerprint(model)) == before);
    server.run(1, [&](LanguageModel& m, Worker& w, int64_t) {
      int asked = 0;
      const StopInside guard([&] { return ++asked > ops; });
      Carried at{0, {}, Rng(7)};
      const std::vector<int64_t> sentences = {0, 1, 2};
      train_batch(m, w, make_batch(data.train, sentences), 0, at,
                  [&](double, int64_t, bool) { return made = true; });
      if (!made) CHECK(at.rng.state() == Rng(7).state());
    });
  }
  CHECK(hex(fingerprint(model)) != before);
  s.output = (directory.path / "stopped").string();
  s.max_time = 1e-9;
  const TrainResult stopped = train(s, data);
  CHECK(stopped.ended == "--max-time");
  CHECK_FALSE(stopped.position.valid_loss);  // the held-out text was not read to its end
  s.max_time = 0;
  const TrainResult result = train(s, data);
  CHECK(result.fingerprint == whole);
  CHECK(result.position.valid_loss);
}

namespace {

/// Who trains, and whether a resumed run has the bits of one that was never stopped.
struct Trained {
  const char* name;
  void (*choose)(ParallelSettings& p);
  bool repeats = false, replayed = false;
};

const Trained kTrained[] = {
    {"one worker", [](ParallelSettings&) {}, true},
    {"sync", [](ParallelSettings& p) { p.workers = 2, p.update = UpdatePolicy::sync; }, true},
    {"ssp 0",
     [](ParallelSettings& p) { p.workers = 2, p.update = UpdatePolicy::ssp, p.staleness = 0; },
     true},
    {"async", [](ParallelSettings& p) { p.workers = 2; }},
    {"ssp 1",
     [](ParallelSettings& p) { p.workers = 2, p.update = UpdatePolicy::ssp, p.staleness = 1; }},
    {"critical", [](ParallelSettings& p) { p.workers = 2, p.update = UpdatePolicy::critical; }},
    {"simulated", [](ParallelSettings& p) { p.simulate = 3; }},
    {"recorded", [](ParallelSettings& p) { p.workers = 2, p.record = "order"; }, false, true},
    {"replayed", [](ParallelSettings& p) { p.workers = 2, p.replay = "order"; }, false, true},
};

}  // namespace

TEST_CASE("signals and limits stop inside a batch, whoever trains, and a resumed run repeats it") {
  const TemporaryDirectory directory;
  for (const Trained& t : kTrained) {
    CAPTURE(std::string(t.name));
    TrainSettings s = small(directory.path / t.name / "whole");
    s.dropout = 0.2, s.clip_norm = 1;
    t.choose(s.parallel);
    for (std::string* file : {&s.parallel.record, &s.parallel.replay})
      if (!file->empty()) *file = (directory.path / *file).string();
    const Data data = read(s);
    const std::string whole = train(s, data).fingerprint;
    if (!s.parallel.record.empty()) s.parallel.record += "-unused";
    const auto goes_on = [&] {
      s.max_time = 0, s.max_steps = s.max_tokens = 0;
      const TrainResult end = train(s, data);
      CHECK(end.position.epoch == s.epochs);
      CHECK((!t.repeats || end.fingerprint == whole));
    };

    s.output = (directory.path / t.name / "signal").string();
    app::interrupted() = SIGINT;
    std::string message;
    CHECK(code_of([&] { train(s, data); }, &message) == app::ExitCode::interrupted);
    app::interrupted() = 0;
    CHECK(message.find("after 0 updates") != std::string::npos);
    if (t.replayed) continue;  // takes neither limits nor --resume
    goes_on();

    s.output = (directory.path / t.name / "limits").string();
    s.max_steps = 3;
    CHECK(train(s, data).ended == "--max-steps");
    s.max_steps = 0, s.max_tokens = 600;
    CHECK(train(s, data).ended == "--max-tokens");
    s.max_tokens = 0;
    for (double seconds = 0.001; seconds > 0; seconds *= 1.5) {  // at any moment
      s.max_time = seconds;
      if (train(s, data).ended.empty()) break;
    }
    goes_on();
  }
}

TEST_CASE("a resume that is refused leaves the metrics alone") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "run");
  const Data data = read(s);
  s.max_steps = 30;
  train(s, data);
  const std::string metrics = contents(directory.path / "run" / "metrics.csv");
  TrainSettings other = s;
  other.input.size = 70;
  const Data changed = read(other);
  s.max_steps = 0;
  CHECK_THROWS_AS(train(s, changed), FormatError);
  CHECK(contents(directory.path / "run" / "metrics.csv") == metrics);
}

TEST_CASE("a run whose metrics are lost or garbled goes on to the same model") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "whole");
  const Data data = read(s);
  const std::string whole = train(s, data).fingerprint;
  for (const char* damage : {"lost", "garbled", "short", "no jsonl"}) {
    CAPTURE(damage);
    const fs::path run = directory.path / damage;
    s.output = run.string();
    s.max_steps = 31;
    train(s, data);
    const fs::path metrics = run / "metrics.csv";
    std::string text = contents(metrics);
    if (damage == std::string("lost")) fs::remove(metrics);
    if (damage == std::string("garbled")) {
      text[text.find('\n', text.find('\n') + 1) + 3] = '#';
      std::ofstream(metrics) << text;
    }
    if (damage == std::string("short")) fs::resize_file(metrics, text.size() / 2);
    if (damage == std::string("no jsonl")) fs::remove(run / "metrics.jsonl");
    s.max_steps = 0;
    CHECK(train(s, data).fingerprint == whole);
    const Curves curves = read_curves(run);  // every row that is left is a good one
    CHECK(curves.train.loss.size() >= 5);
    CHECK(curves.valid.loss.size() >= 1);
  }
}

TEST_CASE("without held-out text the mean of an epoch is no point of the training curve") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "run");
  s.input.valid_split = 0;
  s.epochs = 3;
  const Data data = read(s);
  train(s, data);
  const Curves curves = read_curves(directory.path / "run");
  CHECK(curves.valid.loss.empty());
  REQUIRE(!curves.train.loss.empty());
  for (const double epoch : curves.train.epochs) CHECK(epoch != std::floor(epoch));
}

TEST_CASE("schedules count the updates where batches are cut into pieces") {
  TrainSettings s = small("unused");
  s.parallel.max_item_tokens = 8;
  s.schedule = "cosine";
  const Data data = read(s);
  const Items items(s, data.train);
  CHECK(items.updates() > 2 * items.size());
  const Schedule schedule = make_schedule(s, items.updates());
  CHECK(schedule.lr(items.updates()) == doctest::Approx(s.lr / 2));  // after one epoch of two
  const TemporaryDirectory directory;
  s.output = (directory.path / "run").string();
  s.epochs = 1, s.shuffle = false;
  CHECK(train(s, data).position.updates == items.updates());
}

TEST_CASE(
    "a long sentence is trained in pieces; limits hold inside it, and it goes on to the bit") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "whole");
  Data data = read(s);
  make_long(data, 20);
  REQUIRE(data.train.longest > 3 * 4000);
  s.model.cell = "lstm", s.dropout = 0.2, s.epochs = 1, s.shuffle = false;
  s.clip_norm = 1;
  const TrainResult whole = train(s, data);
  CHECK(whole.position.updates > 4);

  s.output = (directory.path / "cut").string();
  s.max_tokens = 1000;  // a piece of the first item
  const TrainResult cut = train(s, data);
  CHECK(cut.position.updates == 1);
  CHECK(cut.position.item == 0);
  CHECK(cut.position.piece == 1);
  CHECK(cut.position.tokens < data.train.longest / 2);
  s.max_tokens = 9000;
  CHECK(train(s, data).position.piece == 3);
  s.max_tokens = 0;
  const TrainResult resumed = train(s, data);
  CHECK(resumed.fingerprint == whole.fingerprint);
  CHECK(resumed.position.of_epoch.units == whole.position.of_epoch.units);
  CHECK(resumed.position.train_loss == whole.position.train_loss);

  s.parallel.workers = 2;  // each leaves the rest of its item
  s.output = (directory.path / "two").string();
  s.max_tokens = 1000;
  CHECK(train(s, data).position.tokens < data.train.longest);
}

TEST_CASE("a loss that stays far above ln V is divergence") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "run");
  const Data data = read(s);
  s.epochs = 20;
  s.lr = 5;
  std::string message;
  CHECK(code_of([&] { train(s, data); }, &message) == app::ExitCode::diverged);
  CHECK(message.find("ln V = ") != std::string::npos);

  SUBCASE("the best checkpoint stays") {
    s.lr = 0.05, s.epochs = 1;
    s.output = (directory.path / "good").string();
    const TrainResult good = train(s, data);
    s.lr = 50, s.epochs = 20;
    CHECK(code_of([&] { train(s, data); }, &message) == app::ExitCode::diverged);
    CHECK(message.find("good/best") != std::string::npos);
    const NamedTensors best = read_newest(directory.path / "good", "best").second;
    CHECK(best.number<double>("loss") == doctest::Approx(good.position.loss()));
  }
  SUBCASE("so does one of several workers, who read the softmax where it lies") {
    for (const char* softmax : {"full", "sampled", "adaptive"}) {
      s.output = (directory.path / softmax).string();
      s.parallel.workers = 2, s.lr = 1e38, s.softmax = softmax, s.samples = 5;
      s.model.cutoffs.clear();
      if (s.adaptive()) s.model.cutoffs = {8, 12};
      CHECK(code_of([&] { train(s, data); }, &message) == app::ExitCode::diverged);
      CHECK_MESSAGE(message.find(", worker ") != std::string::npos, message);
    }
  }
  SUBCASE("a stream diverges as well") {
    s.output = (directory.path / "stream").string();
    s.stream = true, s.bptt = {BpttMode::chunk, 5}, s.lr = 1e30;
    CHECK(code_of([&] { train(s, data); }, &message) == app::ExitCode::diverged);
  }
}

TEST_CASE("the watch over the loss forgives a short rise and no long one") {
  LossWatch watch(100);  // ln V is 4.6
  const auto updates = [&](int n, double loss) {
    for (int i = 0; i < n; ++i) watch.add(loss * 20, 20);
  };
  updates(500, 4);
  updates(60, 50);
  updates(200, 4);
  CHECK_FALSE(watch.hopeless());
  CHECK(watch.why_hopeless(4) == "");
  CHECK(watch.why_hopeless(NAN) == "");  // that is another error
  CHECK(watch.why_hopeless(53).starts_with(
      "the loss is 53, where a model that knows nothing has ln V"));
  updates(500, 50);
  CHECK(watch.hopeless());
  CHECK(watch.why_hopeless(4).find("it has been so for") != std::string::npos);
}

TEST_CASE("the plan of a huge model makes none") {
  TrainSettings s = small("unused");
  const Data data = read(s);
  s.model.vocabulary = 8000, s.model.hidden = 65536;
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  print_plan(s, data);
  getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 200'000);  // kilobytes; the model takes 21 GB
  CHECK(parameter_count(s.model) ==
        2 * 8000 * int64_t{65536} + int64_t{65536} * 65536 + 65536 + 8000);
}

TEST_CASE("a run directory that is removed while training is named") {
  const TemporaryDirectory directory;
  TrainSettings s = small(directory.path / "run");
  const Data data = read(s);
  const app::RunDirectory run(s.output, run_files(), app::IfRunExists::refuse);
  Trainer trainer(s, data, &run);
  fs::remove_all(s.output);
  std::string message;
  CHECK(code_of([&] { trainer.run(); }, &message) == app::ExitCode::io_error);
  CHECK(message.find("removed") != std::string::npos);
  CHECK(message.find("free some space") == std::string::npos);
}
