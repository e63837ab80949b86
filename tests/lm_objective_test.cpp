// What lm trains with: the sampled softmax, rules of rows, biases of frequencies, and what is
// chosen where nothing is said.

#include <doctest/doctest.h>
#include <stdlib.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/check_gradients.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/model/sampling.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/curves.h>
#include <tapestry/examples/lm/training/pace.h>
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
  s.weight_drop = 0.1;
  s.locked_dropout = true;
  s.group_lengths = 4;
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
    const Data data = read(s);  // dropout and weight drop are on: they draw the same each time
    LanguageModel model = initial_model(s, data.vocabulary);
    const std::vector<int64_t> sentences = {0, 1, 2};
    for (const CheckedParameter& p :
         check_gradients(model, make_batch(data.train, sentences), 20, 1e-6, 3))
      CHECK_MESSAGE(p.report.ok, p.name, ": ", p.report.message);
  }
}

TEST_CASE("sentences of like length share a batch, each once, in an order of the seed") {
  TrainSettings s = sampled("");
  const Data data = read(s);
  const auto order_of = [&](uint64_t seed) {
    auto order = epoch_order(data.train.sentences(), true, 1, 0);
    group_lengths(data.train, 4, 10, Rng(seed), order);
    return order;
  };
  const auto steps = [&](const std::vector<int64_t>& order) {  // of all batches
    size_t sum = 0, longest = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      longest = std::max(i % 4 ? longest : 0, data.train.inputs(order[i]).size());
      if (i % 4 == 3 || i + 1 == order.size()) sum += longest;
    }
    return sum;
  };
  const auto plain = epoch_order(data.train.sentences(), true, 1, 0);
  auto grouped = order_of(1);
  CHECK(grouped == order_of(1));
  CHECK(grouped != order_of(2));
  CHECK(static_cast<double>(steps(grouped)) < 0.85 * static_cast<double>(steps(plain)));
  // A block keeps its sentences.
  for (size_t i = 0; i < grouped.size(); i += 40) {
    const size_t n = std::min<size_t>(40, grouped.size() - i);
    CHECK(std::is_permutation(grouped.begin() + static_cast<ptrdiff_t>(i),
                              grouped.begin() + static_cast<ptrdiff_t>(i + n),
                              plain.begin() + static_cast<ptrdiff_t>(i)));
  }
}

TEST_CASE("a schedule fits into the time, and into the epochs that are asked for") {
  TrainSettings s = sampled("");
  const Data data = read(s);
  s.max_time = 1e9;
  s.epochs = 3;
  CHECK(updates_in_time(s, data) == 150);  // 200 sentences, 4 an update, each 3 times
  s.epochs = 1'000'000'000;
  s.max_time = 0.3;
  CHECK(updates_in_time(s, data) >= 1);
  CHECK(updates_in_time(s, data) < 100'000);
  s.lr = 1e300;
  CHECK(updates_in_time(s, data) >= 0);  // whatever a model that diverges does
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
  s.model.hidden = 50;
  fit_embedding(s);
  CHECK(s.model.embed == 50);
  s.model.embed = 60;
  fit_embedding(s);
  CHECK(s.model.embed == 60);  // which resolve() refuses
  fit_to_vocabulary(s, 100);
  CHECK(s.softmax == "full");
  CHECK(describe_choice(s).find("--preset fast --hidden") != std::string::npos);
  CHECK(s.parallel.workers >= 1);
  asked.parallel.threads = 2;  // of one worker
  CHECK(defaults_of(asked).parallel.workers == 1);
  asked.parallel.threads = 1;
  asked.quality = true;
  CHECK(defaults_of(asked).preset == "quality");
  CHECK(defaults_of(asked).average_after == 1);
  asked.quality = false;
  asked.model.hidden = 20;
  CHECK(config_text(defaults_of(asked)) == config_text(TrainSettings()));
  CHECK(describe_choice(defaults_of(asked)).empty());
  asked = {};
  asked.input.corpus = "agreement";
  CHECK(defaults_of(asked).preset.empty());
}

namespace {

TrainSettings adaptive(const fs::path& output) {
  TrainSettings s = sampled(output);
  s.softmax = "adaptive";
  s.model.cutoffs = {10, 30};
  return s;
}

}  // namespace

TEST_CASE("an adaptive softmax trains, is saved, resumes to the bit, and evaluates as it samples") {
  const TemporaryDirectory directory;
  TrainSettings s = adaptive(directory.path / "run");
  Data data = read(s);
  CHECK_NOTHROW(verify_resume(s, data));
  const TrainResult result = train(s, data);
  app::write_atomically(s.output + "/config.json", config_text(s));
  data.vocabulary.save(s.output + "/vocab.txt");
  CHECK(*result.position.valid_loss < 3.5);
  const Run run = Run::open(s.output);
  const LanguageModel model = run.model(f64);
  CHECK(evaluate(model, data.valid).loss() == doctest::Approx(*result.position.valid_loss));
  // Token by token, as sentences are sampled: the same losses, and chances that add up to 1.
  const std::vector<double> logs = log_probabilities(model, data.valid);
  const Reader next = reader(model);
  std::vector<double> z = next(Vocabulary::begin);
  const auto targets = data.valid.targets(0);
  for (size_t t = 0; t < targets.size(); ++t) {
    double sum = 0;
    for (const double x : z) sum += std::exp(x);
    CHECK(sum == doctest::Approx(1));
    CHECK(z[static_cast<size_t>(targets[t])] == doctest::Approx(logs[t]));
    z = next(targets[t]);
  }
  std::vector<ShapedParameter> shapes = parameter_shapes(s.model);
  LanguageModel copy = model;
  const auto named = parameters(copy);
  REQUIRE(named.size() == shapes.size());
  size_t rows = 0;
  for (size_t i = 0; i < named.size(); ++i) {
    CHECK(named[i].name == shapes[i].name);
    CHECK(named[i].parameter->shape() == shapes[i].shape);
    rows += shapes[i].rows;
  }
  CHECK(rows == copy.rows().size());
}

TEST_CASE("an adaptive run of two workers is recorded and replayed to the bit") {
  const TemporaryDirectory directory;
  TrainSettings s = adaptive(directory.path / "recorded");
  const Data data = read(s);
  s.parallel.workers = 2;
  s.parallel.record = (directory.path / "log").string();
  const TrainResult recorded = train(s, data);
  s.parallel.replay = std::exchange(s.parallel.record, "");
  s.output = (directory.path / "replayed").string();
  CHECK(train(s, data).fingerprint == recorded.fingerprint);
}

TEST_CASE("the gradient check passes for an adaptive softmax, with biases and without") {
  for (const bool bias : {false, true}) {
    TrainSettings s = adaptive("");
    s.model.bias = s.unigram_bias = bias;
    s.dtype = f64;
    const Data data = read(s);
    LanguageModel model = initial_model(s, data.vocabulary);
    const std::vector<int64_t> sentences = {0, 1, 2};
    for (const CheckedParameter& p :
         check_gradients(model, make_batch(data.train, sentences), 20, 1e-6, 3))
      CHECK_MESSAGE(p.report.ok, p.name, ": ", p.report.message);
  }
}

TEST_CASE("tails have the biases of frequencies, and words that never occur a finite loss") {
  TrainSettings s = adaptive("");
  const Data data = read(s);
  LanguageModel model = initial_model(s, data.vocabulary);
  model.softmax.adaptive.head.value().fill_(0);
  for (auto& tail : model.softmax.adaptive.tails) tail.weight.value().fill_(0);
  double total = 0, entropy = 0;
  for (int32_t id = 0; id < data.vocabulary.size(); ++id)
    if (id != Vocabulary::begin) total += static_cast<double>(data.vocabulary.count(id));
  for (int32_t id = 0; id < data.vocabulary.size(); ++id) {
    const auto count = static_cast<double>(data.vocabulary.count(id));
    if (id != Vocabulary::begin && count > 0) entropy -= count / total * std::log(count / total);
  }
  CHECK(evaluate(model, data.train, 16).loss() == doctest::Approx(entropy).epsilon(0.001));
  CHECK(first_loss(model, data.train).size() == 1);  // no warning

  std::vector<TokenCount> tokens;
  for (int32_t id = 0; id < data.vocabulary.size(); ++id)
    tokens.push_back({data.vocabulary.token(id), data.vocabulary.count(id)});
  tokens.push_back({"unheard-of", 0});
  const Vocabulary wider(tokens);
  s.model.vocabulary = wider.size();
  Corpus corpus;
  corpus.add(std::vector<std::string_view>{"unheard-of"});
  for (const char* softmax : {"sampled", "adaptive"}) {
    s.softmax = softmax;
    if (!s.adaptive()) s.model.cutoffs.clear();
    CHECK(std::isfinite(evaluate(initial_model(s, wider), wider.encode(corpus)).loss()));
  }
}

TEST_CASE("cutoffs out of order and words out of order are refused") {
  TrainSettings s = adaptive("");
  s.model.vocabulary = 100;
  for (const std::vector<int64_t>& wrong :
       {std::vector<int64_t>{30, 10}, {10, 10}, {10, 100}, {0, 10}}) {
    s.model.cutoffs = wrong;
    CHECK(refusal([&] { resolve_cutoffs(s); }).find("is out of order") != std::string::npos);
  }
  for (const int64_t words : {4, 100, 8000, 33'000, 800'000}) {
    s.model.cutoffs.clear();
    s.model.vocabulary = words;
    CHECK_NOTHROW(resolve_cutoffs(s));
    CHECK(!s.model.cutoffs.empty());
  }
  const std::vector<TokenCount> unsorted = {
      {"<unk>", 0}, {"<s>", 1}, {"</s>", 1}, {"rare", 1}, {"frequent", 2}};
  s.model.vocabulary = 5;
  s.model.cutoffs = {2};
  CHECK(refusal([&] {
          initial_model(s, Vocabulary(unsorted));
        }).find("'rare' comes before 'frequent'") != std::string::npos);
  const std::vector<TokenCount> uncounted = {{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}, {"word", 0}};
  s.model.vocabulary = 4;
  CHECK(refusal([&] { initial_model(s, Vocabulary(uncounted)); }) ==
        "--softmax adaptive sorts words by their counts, which this vocabulary lacks");
}
