// What a run of lm trains on, and its configuration on disk.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/batch.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/text/disk_memory.h>
#include <tapestry/examples/lm/text/stream.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

/// A text file that goes away with the object.
struct TextFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("lm_data_test-" + std::to_string(getpid())))
          .string();
  explicit TextFile(const std::string& text) { std::ofstream(path) << text; }
  ~TextFile() { std::filesystem::remove(path); }
};

std::set<std::string> sentences(const Data& data, const EncodedCorpus& part) {
  std::set<std::string> out;
  for (int64_t i = 0; i < part.sentences(); ++i) {
    std::string text;
    for (const int32_t id : part.targets(i)) text += data.vocabulary.token(id) + ' ';
    out.insert(text);
  }
  return out;
}

}  // namespace

TEST_CASE("the split by hash puts copies on one side and holds out the share asked for") {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "the number " + std::to_string(i % 2000) + " again\n";
  const TextFile file(text);
  const Data data = read_data({.files = {file.path}, .valid_split = 0.1});
  CHECK(data.train.sentences() + data.valid.sentences() == 4000);
  CHECK(data.valid.sentences() % 2 == 0);
  const double error = std::sqrt(0.1 * 0.9 / 2000);
  CHECK(std::abs(static_cast<double>(data.valid.sentences()) / 4000 - 0.1) < 5 * error);
  CHECK(data.valid.oov == data.valid.sentences());  // each held-out number is new
  CHECK_FALSE(data.valid_floor);
}

TEST_CASE("nothing is held out where nothing is to be, and one sentence is trained on") {
  const TextFile file("a b c\n");
  CHECK(read_data({.files = {file.path}, .valid_split = 0}).valid.sentences() == 0);
  const Data data = read_data({.files = {file.path}, .valid_split = 0.5});
  CHECK(data.train.sentences() == 1);
  CHECK(data.valid.sentences() == 0);
}

TEST_CASE("the hash of a sentence depends on its words and where they end") {
  const auto hash = [](const std::vector<std::string>& words) {
    Corpus corpus;
    corpus.add(std::vector<std::string>{"another"});
    corpus.add(words);
    return hash_fraction(corpus, 1);
  };
  CHECK(hash({"ab", "c"}) == hash({"ab", "c"}));
  CHECK(hash({"ab", "c"}) != hash({"a", "bc"}));
  CHECK(hash({"a", "b"}) != hash({"b", "a"}));
  CHECK(hash({"the", "cat"}) == doctest::Approx(0.6493418411637735).epsilon(1e-15));
}

TEST_CASE("a stream of the pieces of a line is the stream of the line, and copies nothing") {
  Corpus whole, cut;
  std::vector<std::string_view> words;
  for (int i = 0; i < 90; ++i) words.push_back(i % 7 == 0 ? "a" : i % 3 == 0 ? "b" : "c");
  const std::span all(words);
  for (Corpus* corpus : {&whole, &cut}) corpus->add(all.first(5));
  whole.add(words);
  cut.add_part(all.first(40), true);
  cut.add_part(all.subspan(40, 1), false);
  cut.add_part(all.subspan(41), false);
  const Vocabulary vocabulary = Vocabulary::build(whole);
  const EncodedCorpus a = vocabulary.encode(whole), b = vocabulary.encode(cut);
  CHECK(b.sentences() == 4);
  CHECK(a.tokens() == b.tokens());
  for (const int64_t columns : {1, 3, 8}) {
    const Stream first(a, columns, 4), second(b, columns, 4);
    REQUIRE(first.items() == second.items());
    for (int64_t item = 0; item < first.items(); ++item) {
      const Batch x = first.batch(item), y = second.batch(item);
      CHECK(x.inputs.to_vector<int32_t>() == y.inputs.to_vector<int32_t>());
      CHECK(x.targets.to_vector<int32_t>() == y.targets.to_vector<int32_t>());
    }
  }
  // One column is the text itself.
  std::vector<int32_t> inputs, expected;
  const Stream stream(a, 1, 7);
  for (int64_t item = 0; item < stream.items(); ++item) {
    const auto in = stream.batch(item).inputs.to_vector<int32_t>();
    inputs.insert(inputs.end(), in.begin(), in.end());
  }
  for (int64_t s = 0; s < a.sentences(); ++s)
    expected.insert(expected.end(), a.inputs(s).begin(), a.inputs(s).end());
  CHECK(inputs == expected);
}

TEST_CASE("the floor of a built-in corpus is the mean of -ln p of the very sentences") {
  const Data data = read_data({.corpus = "agreement", .size = 400});
  CHECK(data.train.sentences() == 400);
  CHECK(data.valid.sentences() == 20);
  const AgreementGrammar grammar;
  const auto by_hand = [&](const EncodedCorpus& part) {
    double sum = 0;
    for (int64_t i = 0; i < part.sentences(); ++i) {
      std::vector<std::string> words;
      for (const int32_t id : part.targets(i)) words.push_back(data.vocabulary.token(id));
      words.pop_back();  // the end token
      sum -= grammar.log_probability(words).value();
    }
    return sum / static_cast<double>(part.tokens());
  };
  CHECK(data.train_floor.value() == doctest::Approx(by_hand(data.train)).epsilon(1e-13));
  CHECK(data.valid_floor.value() == doctest::Approx(by_hand(data.valid)).epsilon(1e-13));
  CHECK(data.entropy.value() == grammar.entropy().per_token());
}

TEST_CASE("held-out sentences do not depend on the size and are not drawn with the others") {
  const Data small = read_data({.corpus = "agreement", .size = 400});
  const Data large = read_data({.corpus = "agreement", .size = 800});
  const auto held_out = sentences(small, small.valid), more = sentences(large, large.valid);
  CHECK(std::includes(more.begin(), more.end(), held_out.begin(), held_out.end()));
  const auto trained = sentences(small, small.train);
  CHECK_FALSE(std::includes(trained.begin(), trained.end(), held_out.begin(), held_out.end()));
}

TEST_CASE("there is no floor where held-out words are unknown") {
  const Data data = read_data({.corpus = "zipf", .size = 100});
  CHECK(data.valid.oov > 0);
  CHECK(data.train_floor);
  CHECK_FALSE(data.valid_floor);
  const Data cut = read_data({.corpus = "agreement", .size = 400, .min_count = 60});
  CHECK(cut.train.oov > 0);
  CHECK_FALSE(cut.train_floor);
}

TEST_CASE("a preset decides what options then change") {
  TrainSettings asked;
  asked.preset = "reference";
  const TrainSettings s = defaults_of(asked);
  CHECK(s.model.cell == "rnn");
  CHECK(s.model.hidden == 100);
  CHECK_FALSE(s.model.bias);
  CHECK(s.bptt.mode == BpttMode::exact);
  CHECK(s.bptt.steps == 4);
  CHECK(s.input.valid_split == 0);
  asked.preset = "demo";
  CHECK(defaults_of(asked).model.cell == "lstm");
}

TEST_CASE("a text on disk is the text in memory, and its blocks are shuffled") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("tapestry_stream_" + std::to_string(getpid())))
          .string();
  {
    std::ofstream out(path);
    for (int i = 0; i < 20000; ++i) out << "sentence " << i % 97 << " of " << i << " .\n";
  }
  const Data memory = read_data({.files = {path}}),
             disk = read_data({.files = {path}, .stream = 100});
  std::filesystem::remove(path);
  CHECK(disk.train.ids == memory.train.ids);
  CHECK(disk.train.offsets == memory.train.offsets);
  CHECK(disk.valid.ids == memory.valid.ids);
  CHECK(disk.train.ids.get_allocator().resource() == disk_memory());

  const auto order = epoch_order(1050, true, 3, 2, 100);
  CHECK(order == epoch_order(1050, true, 3, 2, 100));
  CHECK(order != epoch_order(1050, true, 3, 3, 100));
  CHECK(order != epoch_order(1050, true, 4, 2, 100));
  CHECK(std::set(order.begin(), order.end()).size() == 1050);
  std::vector<int64_t> blocks;
  for (const int64_t i : order)
    if (blocks.empty() || blocks.back() != i / 100) blocks.push_back(i / 100);
  CHECK(blocks.size() == 11);
  CHECK_FALSE(std::is_sorted(blocks.begin(), blocks.end()));
  CHECK_FALSE(std::is_sorted(order.begin(), order.begin() + 50));
  const auto plain = epoch_order(1050, false, 3, 2, 100);
  CHECK(std::is_sorted(plain.begin(), plain.end()));
}

TEST_CASE("a text is hashed once, when it is read") {
  Data data = read_data({.corpus = "agreement", .size = 50});
  const uint64_t before = data.fingerprint();
  data.train.ids[1] += 1;
  CHECK(data.fingerprint() == before);
  CHECK(before != read_data({.corpus = "agreement", .size = 51}).fingerprint());
}
