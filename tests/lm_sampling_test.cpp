#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/sampling.h>

#include <cmath>
#include <limits>
#include <set>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

constexpr uint64_t kSeed = 20240611;
constexpr double kNever = -std::numeric_limits<double>::infinity();
const std::vector<double> kLogits = {0.3, -1.2, 2.5, 2.4, -0.4, 1.1};
constexpr int32_t kBest = 2;

std::set<int32_t> drawn(const Sampling& s, int draws = 2000) {
  Rng rng(kSeed);
  std::set<int32_t> out;
  for (int i = 0; i < draws; ++i) out.insert(draw(kLogits, s, rng));
  return out;
}

/// A model of six tokens (unknown, begin, end, a, b, c) whose word is always c, b or the unknown
/// one, by these odds whatever came before, and which records what it reads.
struct FakeModel {
  std::vector<int32_t> read;
  std::vector<double> logits = {3, 5, 0.5, kNever, 0.1, 1};
  Reader reader() {
    return [this](int32_t id) {
      read.push_back(id);
      return logits;
    };
  }
};

}  // namespace

TEST_CASE("temperature 0, temperatures near 0 and top-k 1 all mean the most probable token") {
  CAPTURE(kSeed);
  CHECK(drawn({.temperature = 0}) == std::set{kBest});
  CHECK(drawn({.top_k = 1}) == std::set{kBest});
  for (const double t : {1e-3, 1e-9, 1e-300, 5e-324})
    CHECK(drawn({.temperature = t}) == std::set{kBest});
  CHECK(drawn({.temperature = 1}).size() == kLogits.size());
}

TEST_CASE("the first of equally probable tokens is the most probable") {
  Rng rng(kSeed);
  CHECK(draw({0, 1, 1, 0}, {.temperature = 0}, rng) == 1);
}

TEST_CASE("tokens are drawn in proportion to exp(logit / temperature)") {
  CAPTURE(kSeed);
  for (const double temperature : {0.5, 1.0, 3.0}) {
    Rng rng(kSeed);
    constexpr int draws = 40000;
    std::vector<double> count(kLogits.size()), p;
    double total = 0;
    for (const double z : kLogits) p.push_back(std::exp(z / temperature)), total += p.back();
    for (int i = 0; i < draws; ++i)
      ++count[static_cast<size_t>(draw(kLogits, {.temperature = temperature}, rng))];
    for (size_t i = 0; i < p.size(); ++i) {
      const double expected = p[i] / total, error = std::sqrt(expected * (1 - expected) / draws);
      CHECK(std::abs(count[i] / draws - expected) < 5 * error);
    }
  }
}

TEST_CASE("top-k and top-p keep the most probable tokens and nothing else") {
  CHECK(drawn({.top_k = 2}) == std::set<int32_t>{2, 3});
  CHECK(drawn({.top_k = 3}) == std::set<int32_t>{2, 3, 5});
  CHECK(drawn({.top_k = 100}).size() == kLogits.size());
  // p: 0.43, 0.39, 0.11, 0.05, 0.02, 0.01
  CHECK(drawn({.top_p = 0.4}) == std::set<int32_t>{2});
  CHECK(drawn({.top_p = 0.5}) == std::set<int32_t>{2, 3});
  CHECK(drawn({.top_p = 0.9}) == std::set<int32_t>{2, 3, 5});
  CHECK(drawn({.top_k = 2, .top_p = 0.9}) == std::set<int32_t>{2, 3});
}

TEST_CASE("a token of logit -infinity is never drawn, and one is needed that is not") {
  Rng rng(kSeed);
  for (int i = 0; i < 200; ++i) CHECK(draw({kNever, 0, kNever}, {.temperature = 100}, rng) == 1);
  CHECK_THROWS_AS(draw({kNever, kNever}, {}, rng), NonFiniteError);
  CHECK_THROWS_AS(draw({}, {}, rng), NonFiniteError);
}

TEST_CASE("a sampled sentence has no begin and no unknown token unless asked") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  FakeModel model;
  bool unknown = false;
  for (int i = 0; i < 100; ++i) {
    for (const int32_t id : sample_sentence(model.reader(), {}, {}, rng)) CHECK(id >= 4);
    for (const int32_t id : sample_sentence(model.reader(), {}, {.unknown = true}, rng)) {
      CHECK(id != Vocabulary::begin);
      unknown = unknown || id == Vocabulary::unknown;
    }
  }
  CHECK(unknown);
}

TEST_CASE("a sentence keeps to its shortest and longest length and begins with its prompt") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  FakeModel model;
  const std::vector<int32_t> prompt = {4, 3};
  size_t longest = 0;
  for (int i = 0; i < 200; ++i) {
    model.read.clear();
    const auto words = sample_sentence(model.reader(), prompt, {.length = 6, .min_length = 3}, rng);
    CHECK(words.size() >= 3);
    CHECK(words.size() <= 6);
    longest = std::max(longest, words.size());
    CHECK(std::vector(words.begin(), words.begin() + 2) == prompt);
    // The model read the begin token and then the sentence.
    CHECK(model.read[0] == Vocabulary::begin);
    CHECK(std::vector(model.read.begin() + 1, model.read.end()) == words);
  }
  CHECK(longest == 6);
}

TEST_CASE("the same seed gives the same sentence, another seed another") {
  FakeModel model;
  const auto sentence = [&](uint64_t seed) {
    Rng rng(seed);
    return sample_sentence(model.reader(), {}, {.length = 40, .min_length = 40}, rng);
  };
  CHECK(sentence(1) == sentence(1));
  CHECK(sentence(1) != sentence(2));
}
