// What keeps a run alive: amounts with units, checkpoints, the place in the data, streams.

#include <doctest/doctest.h>
#include <tapestry/examples/common/units.h>
#include <tapestry/examples/lm/model/credit.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/examples/lm/text/stream.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/position.h>
#include <tapestry/examples/lm/training/trainer.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

using namespace tapestry;
using namespace tapestry::lm;
namespace fs = std::filesystem;

namespace {

struct Temporary {
  fs::path path = fs::temp_directory_path() / ("lm_life_test-" + std::to_string(getpid()));
  ~Temporary() { fs::remove_all(path); }
};

NamedTensors state_of(double value) {
  NamedTensors state;
  state.tensors["model.w"] = Tensor::full({3, 5}, value);
  state.put("epoch", 1);
  return state;
}

EncodedCorpus sentences(int64_t n, int64_t* vocabulary) {
  const Corpus corpus = generate(AgreementGrammar(), n, 1);
  const Vocabulary words = Vocabulary::build(corpus);
  *vocabulary = words.size();
  return words.encode(corpus);
}

}  // namespace

TEST_CASE("amounts have units, and nothing else is one") {
  CHECK(app::parse_count("1200") == 1200);
  CHECK(app::parse_count("50k") == 50'000);
  CHECK(app::parse_count("1.5M") == 1'500'000);
  CHECK(app::parse_count("2G") == 2'000'000'000);
  CHECK(app::parse_seconds("90") == 90);
  CHECK(app::parse_seconds("1.5h") == 5400);
  CHECK(app::parse_seconds("2d") == 172800);
  for (const char* bad :
       {"", "-1", "1.5", "k", "5x", "5kk", "5 k", "nan", "inf", "1e3", "9999999G"})
    CHECK_MESSAGE(!app::parse_count(bad), bad);
  for (const char* bad : {"", "-1s", "m", "5x", "5 m", "nan", "inf", "1:30"})
    CHECK_MESSAGE(!app::parse_seconds(bad), bad);
}

TEST_CASE("a sum of losses does not depend on the order") {
  LossSum forward, backward;
  for (int i = 0; i < 1000; ++i) forward.add(0.1 * i, i), backward.add(0.1 * (999 - i), 999 - i);
  CHECK(forward.units == backward.units);
  CHECK(forward.mean() == doctest::Approx(0.1).epsilon(1e-6));
}

TEST_CASE("a place is kept exactly, also before there is a best loss") {
  Position place;
  place.epoch = 2, place.item = 7, place.seconds = 0.1 + 0.2;
  place.of_row.add(1.0 / 3, 5);
  NamedTensors state;
  place.save(state);
  Position back;
  back.load(state);
  CHECK(back.item == 7);
  CHECK(back.seconds == place.seconds);
  CHECK(back.of_row.units == place.of_row.units);
  CHECK(std::isinf(back.best_loss));
  CHECK_FALSE(back.valid_loss);
}

TEST_CASE("a sum of hopeless losses does not overflow") {
  LossSum sum;
  for (int i = 0; i < 1000; ++i) sum.add(1e30, 700);
  CHECK(sum.mean() > 100'000);
}

TEST_CASE("checkpoints: the last few are kept, a damaged one gives way to the one before it") {
  const Temporary temporary;
  const app::RunDirectory directory(temporary.path, run_files(), app::IfRunExists::overwrite);
  CheckpointWriter writer(directory, 2);
  for (int64_t i = 1; i <= 5; ++i) writer.write(state_of(static_cast<double>(i)), i, i == 2);
  const auto kept = checkpoints(temporary.path);
  REQUIRE(kept.size() == 3);  // the last two and the best
  CHECK(kept[0].filename() == "ckpt-000005.safetensors");
  CHECK(kept[2].filename() == "ckpt-000002.safetensors");
  CHECK(read_newest(temporary.path, "last").second.tensors["model.w"].at({0, 0}) == 5);
  CHECK(read_newest(temporary.path, "best").second.tensors["model.w"].at({0, 0}) == 2);

  std::fstream file(kept[0], std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('x');
  file.close();
  CHECK_THROWS_AS(read_checkpoint(kept[0]), FormatError);
  CHECK(read_newest(temporary.path, "last").second.tensors["model.w"].at({0, 0}) == 4);
  CHECK(fingerprint(state_of(1)) != fingerprint(state_of(1 + 1e-7)));
  CHECK(fingerprint(state_of(1), "model.") == fingerprint(state_of(1)));
}

TEST_CASE("a run is resumed only under the settings it was trained with") {
  TrainSettings before, now;
  now.epochs = 99, now.max_steps = 5, now.parallel.workers = 4, now.input.files = {"moved.txt"};
  CHECK(changed_settings(before, now).empty());
  now.lr = 1, now.model.cell = "gru";
  const auto changed = changed_settings(before, now);
  REQUIRE(changed.size() == 2);
  CHECK(changed[0] == "cell is \"rnn\" in the run, not \"gru\"");
  now = before;
  now.input.valid = {"moved.txt"};
  CHECK(changed_settings(before, now).empty());
  now.input.valid_split = 0.2;  // its name begins like one that may change
  CHECK(changed_settings(before, now).size() == 1);
}

TEST_CASE("a stream has every token once, in order, in any number of columns") {
  int64_t vocabulary = 0;
  const EncodedCorpus corpus = sentences(20, &vocabulary);
  for (const int64_t columns : {1, 3, 7}) {
    const Stream stream(corpus, columns, 4);
    int64_t tokens = 0;
    for (int64_t i = 0; i < stream.items(); ++i) tokens += stream.batch(i).tokens();
    CHECK(tokens == corpus.tokens());
  }
  // Without truncation of the state, the pieces of a stream are one long sentence.
  Rng rng(1);
  const ModelShape shape{.cell = "gru", .vocabulary = vocabulary, .hidden = 5};
  const LanguageModel model(shape, rng, f64);
  const Stream whole(corpus, 1, corpus.tokens());
  State state = model.rnn.zero(1);
  CHECK(evaluate_stream(model, corpus).total ==
        doctest::Approx(model.loss(whole.batch(0), 1, &state, nullptr).value().item()));
}

TEST_CASE("the first time step whose loss is not finite is named") {
  const std::vector<int64_t> lengths{3, 1};  // rows: two, one, one
  const Packing packing{std::span<const int64_t>(lengths)};
  Tensor losses = Tensor::zeros({4});
  CHECK(first_bad_step(losses, packing).empty());
  losses.write<float>()[2] = INFINITY;
  CHECK(first_bad_step(losses, packing) == "time step 2 of 3");
}

TEST_CASE("credit: a memory of nothing passes no error on, a copy all of it") {
  int64_t vocabulary = 0;
  const EncodedCorpus corpus = sentences(50, &vocabulary);
  Rng rng(1);
  const ModelShape shape{.cell = "rnn", .vocabulary = vocabulary, .hidden = 6};
  LanguageModel model(shape, rng, f64);
  for (const NamedParameter& p : parameters(model))
    if (p.name == "rnn.cells.0.w_hh") p.parameter->value().fill_(0);
  const auto none = credit_horizon(model, corpus, 5);
  REQUIRE(none.size() == 6);
  CHECK(none[0] == doctest::Approx(1));
  CHECK(none[1] == 0);
  CHECK(credit_horizon(model, corpus, 1000).empty());
}
