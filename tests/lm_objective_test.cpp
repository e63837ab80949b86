// What lm trains with: the sampled softmax, rules of rows, biases of frequencies, and what is
// chosen where nothing is said.

#include <doctest/doctest.h>
#include <stdlib.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/check_gradients.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/curves.h>
#include <tapestry/examples/lm/training/report_lines.h>
#include <tapestry/examples/lm/training/trainer.h>
#include <tapestry/examples/lm/training/verify_resume.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
namespace fs = std::filesystem;

namespace {

/// Everything that --softmax sampled, --row-optimizer and --unigram-bias add.
TrainSettings sampled(const fs::path& output) {
  TrainSettings s;
  s.input.corpus = "agreement";
  s.input.size = 200;
  s.model = {.cell = "gru", .hidden = 8, .embed = 8};
  s.bptt.mode = BpttMode::full;
  s.softmax = "sampled";
  s.samples = 20;
  s.unigram_bias = true;
  s.optimizer = "adam";
  s.lr = 0.01;
  s.row_optimizer = "adagrad";
  s.row_lr = 0.1;
  s.batch = 4;
  s.epochs = 2;
  s.dropout = 0.1;
  s.common.quiet = true;
  s.output = output.string();
  return s;
}

Data read(TrainSettings& s) {
  Data data = read_data(s.input);
  s.model.vocabulary = data.vocabulary.size();
  return data;
}

TrainResult train(const TrainSettings& s, const Data& data) {
  const app::RunDirectory directory(s.output, run_files(), app::IfRunExists::resume);
  return Trainer(s, data, &directory).run();
}

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const app::UserError& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a sampled run learns what the exact softmax learns") {
  const TemporaryDirectory directory;
  TrainSettings s = sampled(directory.path / "sampled"), full = s;
  const Data data = read(s);
  read(full);
  full.softmax = "full";
  full.output = (directory.path / "full").string();
  const double a = *train(s, data).position.valid_loss, b = *train(full, data).position.valid_loss;
  CHECK(std::abs(a - b) < 0.1);
}

TEST_CASE("a sampled run resumes to the bit, with one worker and in rounds") {
  const TemporaryDirectory directory;
  TrainSettings s = sampled(directory.path / "run");
  Data data = read(s);
  CHECK_NOTHROW(verify_resume(s, data));
  s.parallel.workers = 2;
  s.parallel.update = UpdatePolicy::sync;
  CHECK_NOTHROW(verify_resume(s, data));
}

TEST_CASE("a sampled run of two workers is recorded and replayed to the bit") {
  const TemporaryDirectory directory;
  TrainSettings s = sampled(directory.path / "recorded");
  const Data data = read(s);
  s.parallel.workers = 2;
  s.parallel.record = (directory.path / "log").string();
  const TrainResult recorded = train(s, data);
  s.parallel.replay = std::exchange(s.parallel.record, "");
  s.output = (directory.path / "replayed").string();
  CHECK(train(s, data).fingerprint == recorded.fingerprint);
}

TEST_CASE("a sampled loss is called so and becomes no perplexity") {
  const TemporaryDirectory directory;
  TrainSettings s = sampled(directory.path / "run");
  const Data data = read(s);
  const TrainResult result = train(s, data);
  const std::string line = describe_losses(s, result.position, data);
  CHECK(line.find("sampled loss") == 0);
  CHECK(line.find("ppl") == std::string::npos);
  StatusNumbers numbers;
  numbers.sampled = true;
  numbers.loss = 5;
  const app::Status status = training_status(numbers, result.position);
  for (const std::string& field : status.fields) CHECK(field.find("ppl") == std::string::npos);
  CHECK(status.fields[0] == "sampled loss 5.000");
  std::string header;
  std::getline(std::ifstream(directory.path / "run" / "metrics.csv") >> std::ws, header);
  CHECK(header.find("sampled_train_loss") != std::string::npos);
  const app::Plot plot = learning_curve(s, read_curves(s.output), {});
  CHECK(plot.series[0].name == "training, over samples");
}

TEST_CASE("the gradient check passes for the sampled objective, tied and not") {
  for (const bool tied : {false, true}) {
    TrainSettings s = sampled("");
    s.model.tied = tied;
    s.dtype = f64;
    s.dropout = 0;
    const Data data = read(s);
    LanguageModel model = initial_model(s, data.vocabulary);
    const std::vector<int64_t> sentences = {0, 1, 2};
    for (const CheckedParameter& p :
         check_gradients(model, make_batch(data.train, sentences), 20, 1e-6, 3))
      CHECK_MESSAGE(p.report.ok, p.name, ": ", p.report.message);
  }
}

TEST_CASE("biases of frequencies give the loss of the frequencies") {
  TrainSettings s = sampled("");
  s.model.hidden = s.model.embed = 1;
  const Data data = read(s);
  LanguageModel model = initial_model(s, data.vocabulary);
  model.softmax.weight.value().fill_(0);
  double total = 0, entropy = 0;
  const auto n = static_cast<double>(data.train.tokens());
  for (int32_t id = 0; id < data.vocabulary.size(); ++id) {
    const auto count = static_cast<double>(data.vocabulary.count(id));
    if (id == Vocabulary::begin || count == 0) continue;
    total += count;
    entropy -= count / n * std::log(count / n);
  }
  CHECK(total == n);
  CHECK(evaluate(model, data.train, 16).loss() == doctest::Approx(entropy).epsilon(0.001));
}

TEST_CASE("sampling without counts, or more words than there are, is refused") {
  TrainSettings s = sampled("");
  const Data data = read(s);
  const std::vector<TokenCount> uncounted = {{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}, {"word", 0}};
  CHECK(refusal([&] { initial_model(s, Vocabulary(uncounted)); }) ==
        "--softmax sampled draws words by their counts, which this vocabulary lacks");
  s.samples = data.vocabulary.size() + 1;
  CHECK(refusal([&] { initial_model(s, data.vocabulary); }).find("is more than the") !=
        std::string::npos);
}

TEST_CASE("without an option that says what to learn, a text decides") {
  const TemporaryDirectory directory;
  const std::string path = (directory.path / "text").string();
  std::ofstream(path) << "a sentence .\n";
  TrainSettings asked;
  asked.input.files = {path};
  asked.max_time = 5;
  TrainSettings s = defaults_of(asked);
  CHECK(s.preset == "fast");
  CHECK(s.softmax == "sampled");
  fit_to_vocabulary(s, 100);
  CHECK(s.softmax == "full");
  CHECK(describe_choice(s).find("--preset fast --hidden") != std::string::npos);
  asked.quality = true;
  CHECK(defaults_of(asked).preset == "quality");
  asked.quality = false;
  asked.model.hidden = 20;
  CHECK(config_text(defaults_of(asked)) == config_text(TrainSettings()));
  CHECK(describe_choice(defaults_of(asked)).empty());
  asked = {};
  asked.input.corpus = "agreement";
  CHECK(defaults_of(asked).preset.empty());
}
