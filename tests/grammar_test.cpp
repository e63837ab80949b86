#include <doctest/doctest.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/tensor/error.h>

#include <cmath>
#include <set>
#include <sstream>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

bool possible(const Source& source, const std::string& text) {
  return source.log_probability(words(text)).has_value();
}

// Sum of the probabilities of all sentences of at most `length` words that begin with `prefix`,
// each scored as a whole.
double mass(const AgreementGrammar& grammar, std::vector<std::string>& prefix, size_t length) {
  double sum = 0;
  if (const auto log_p = grammar.log_probability(prefix)) sum += std::exp(*log_p);
  if (prefix.size() == length) return sum;
  for (const auto& [word, p] : grammar.next(prefix)) {
    prefix.push_back(word);
    sum += mass(grammar, prefix, length);
    prefix.pop_back();
  }
  return sum;
}

struct Sampled {
  double loss_per_token, tokens_per_sentence;
  double loss_error;  // standard error of the mean loss of a sentence, over the mean length
};

Sampled measure(const Source& source, int64_t sentences, uint64_t seed) {
  const Corpus corpus = generate(source, sentences, seed);
  REQUIRE(corpus.sentences() == sentences);
  const double floor = source.entropy().per_token();
  double loss = 0, tokens = 0, squares = 0;
  for (int64_t i = 0; i < sentences; ++i) {
    const auto log_p = source.log_probability(corpus.words(i));
    REQUIRE(log_p);
    const double length = static_cast<double>(corpus.sentence(i).size()) + 1;
    loss -= *log_p;
    tokens += length;
    squares += std::pow(-*log_p - floor * length, 2);
  }
  const double n = static_cast<double>(sentences);
  return {loss / tokens, tokens / n, std::sqrt(squares / n / n) / (tokens / n)};
}

constexpr uint64_t seed = 20240607;

}  // namespace

TEST_CASE("agreement: verbs agree with their noun near and far, and nothing else is possible") {
  const AgreementGrammar g;
  CHECK(possible(g, "so the dog sleeps ."));
  CHECK(possible(g, "then the dogs sleep ."));
  CHECK(possible(g, "perhaps these small dogs near the house sleep today ?"));
  CHECK(
      possible(g,
               "well every clock that the teachers often see by a bridge stops in this garden and "
               "hums again ."));
  CHECK_FALSE(
      possible(g,
               "well every clock that the teachers often see by a bridge stops in this garden "
               "and hum again ."));
  CHECK_FALSE(possible(g, "well every clock that the teachers often sees by a bridge stops ."));
  CHECK_FALSE(possible(g, "well every clock that the teachers often see by a bridge stop ."));
  CHECK_FALSE(possible(g, "well every clock that the teachers often see by a bridge sleeps ."));
  CHECK(possible(g, "so these bells hum in a garden and stop ."));
  CHECK_FALSE(possible(g, "so these bells hum in a garden and stops ."));
  CHECK_FALSE(possible(g, "so the dogs sleeps ."));
  CHECK_FALSE(possible(g, "so these dog sleeps ."));
  CHECK_FALSE(possible(g, "so the dog sings ."));
  CHECK_FALSE(possible(g, "surely the dog sleeps ."));
  CHECK_FALSE(possible(g, "the dog sleeps ."));
  CHECK_FALSE(possible(g, "so the dog sleeps"));
  CHECK_FALSE(possible(g, "so the dog sleeps . the"));
  CHECK_FALSE(possible(g, "so the unicorn sleeps ."));
  CHECK_FALSE(possible(g, "so The dog sleeps ."));
  CHECK_FALSE(possible(g, ""));
}

TEST_CASE("agreement: a sentence has the product of its choices as probability") {
  const AgreementGrammar g;
  // "so" opens half the sentences with weight 1/2 of 1/2 + 1/3 + 1/4; "the", no adjective, one of 3
  // kinds x 2 numbers, "dog" with 1/2 of 1/2 + ... + 1/6; the verb at once, "sleeps" with 1/2 of
  // 1/2 + ... + 1/5; the full stop at once.
  const double so = 0.5 / (0.5 + 1.0 / 3 + 0.25), dog = 0.5 / 1.45;
  const double sleeps = 0.5 / (0.5 + 1.0 / 3 + 0.25 + 0.2);
  const double p = 0.5 * so * 0.4 * 0.65 / 6 * dog * 0.15 * sleeps * 0.45;
  CHECK(*g.log_probability(words("so the dog sleeps .")) ==
        doctest::Approx(std::log(p)).epsilon(1e-12));
}

TEST_CASE("agreement: probabilities of what can follow sum to one, and whole sentences multiply") {
  const AgreementGrammar g;
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 1000; ++i) {
    Rng rng(seed, i);
    const auto sentence = g.sample(rng);
    double log_p = 0;
    for (size_t n = 0; n < sentence.size(); ++n) {
      double sum = 0, chosen = 0;
      std::set<std::string> distinct;
      for (const auto& [word, p] : g.next(std::span(sentence).first(n))) {
        CHECK(p > 0);
        CHECK(distinct.insert(word).second);
        sum += p;
        if (word == sentence[n]) chosen = p;
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-12));
      log_p += std::log(chosen);
      seen.insert(sentence[n]);
    }
    CHECK(g.next(sentence).empty());
    CHECK(*g.log_probability(sentence) == doctest::Approx(log_p).epsilon(1e-12));
  }
  CHECK(seen.size() == 106);
}

TEST_CASE("agreement: the short sentences together have the probability of being short") {
  const AgreementGrammar g;
  std::vector<std::string> prefix;
  // Five words: no adjective, no phrase after the noun, nothing after the verb. Six: an adjective
  // or an adverb at the end.
  const double five = 0.65 * 0.15 * 0.45;
  CHECK(mass(g, prefix, 4) == 0);
  CHECK(mass(g, prefix, 5) == doctest::Approx(five).epsilon(1e-12));
  CHECK(mass(g, prefix, 6) ==
        doctest::Approx(five + 0.35 * 0.15 * 0.45 + 0.65 * 0.15 * 0.2).epsilon(1e-12));
}

TEST_CASE("agreement: the mean loss of samples tends to the entropy") {
  const AgreementGrammar g;
  CAPTURE(seed);
  const Entropy entropy = g.entropy();
  const Sampled sampled = measure(g, 40000, seed);
  CHECK(std::abs(sampled.loss_per_token - entropy.per_token()) < 4 * sampled.loss_error);
  CHECK(sampled.loss_error < 0.002);
  CHECK(sampled.tokens_per_sentence == doctest::Approx(entropy.tokens_per_sentence).epsilon(0.005));
  CHECK(entropy.tokens_per_sentence > 6);
  CHECK(entropy.tokens_per_sentence < 14);
}

TEST_CASE("agreement: seeing less costs more, and what lies beyond five tokens is worth 0.1 nats") {
  const AgreementGrammar g;
  const double floor = g.entropy().per_token();
  double before = std::log(107.0);
  for (int window = 1; window <= 8; ++window) {
    const double loss = g.window_entropy(window);
    CHECK(loss < before);
    CHECK(loss > floor);
    before = loss;
  }
  CHECK(g.window_entropy(5) - floor > 0.1);
  CHECK_THROWS_AS(g.window_entropy(0), ValueError);
}

TEST_CASE("agreement: the loss of a window of one is that of the exact bigram frequencies") {
  const AgreementGrammar g;
  CAPTURE(seed);
  const Corpus corpus = generate(g, 40000, seed);
  std::map<std::pair<std::string, std::string>, double> pairs;
  std::map<std::string, double> firsts;
  double tokens = 0;
  for (int64_t i = 0; i < corpus.sentences(); ++i) {
    auto sentence = corpus.words(i);
    sentence.push_back("</s>");
    std::string previous = "<s>";
    for (const std::string& word : sentence) {
      ++pairs[{previous, word}], ++firsts[previous], ++tokens;
      previous = word;
    }
  }
  double loss = 0;
  for (const auto& [pair, n] : pairs) loss -= n * std::log(n / firsts[pair.first]) / tokens;
  CHECK(g.window_entropy(1) == doctest::Approx(loss).epsilon(0.005));
}

TEST_CASE("zipf: the probability of a sentence is that of its length and words") {
  const ZipfSource z(3, 2.5);  // repeat 1/3; weights 1, 1/2, 1/3 of 11/6
  const double total = 11.0 / 6;
  CHECK(*z.log_probability(words("w1")) ==
        doctest::Approx(std::log(8.0 / 27 / total)).epsilon(1e-12));
  CHECK(*z.log_probability(words("w3 w2")) ==
        doctest::Approx(std::log(8.0 / 27 / total / total / 6)).epsilon(1e-12));
  for (const char* bad :
       {"", "w0", "w4", "w01", "w", "x1", "w1x", "w-1", "w99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(possible(z, bad));
  }
  double mass = 0, mean = 0, entropy = 0;
  for (size_t n = 1; n < 200; ++n) {  // all words w1: P(length) is p times total to the n
    const double log_p = *z.log_probability(std::vector<std::string>(n, "w1"));
    const double length_p = std::exp(log_p + static_cast<double>(n) * std::log(total));
    mass += length_p;
    mean += length_p * static_cast<double>(n);
    entropy -= length_p > 0 ? length_p * std::log(length_p) : 0;
  }
  CHECK(mass == doctest::Approx(1).epsilon(1e-12));
  CHECK(mean == doctest::Approx(2.5).epsilon(1e-12));
  for (const double weight : {1.0, 1.0 / 2, 1.0 / 3})
    entropy -= 2.5 * weight / total * std::log(weight / total);
  CHECK(z.entropy().per_sentence == doctest::Approx(entropy).epsilon(1e-12));
  CHECK(z.entropy().tokens_per_sentence == 3.5);
}

TEST_CASE("zipf: the mean loss of samples tends to the entropy, the mean length to 27.7") {
  const ZipfSource z(1000);
  CAPTURE(seed);
  const Sampled sampled = measure(z, 20000, seed);
  CHECK(std::abs(sampled.loss_per_token - z.entropy().per_token()) < 4 * sampled.loss_error);
  CHECK(sampled.loss_error < 0.01);
  CHECK(sampled.tokens_per_sentence == doctest::Approx(27.7).epsilon(0.02));
}

TEST_CASE("zipf: one type, sentences of one word, and sizes that make no sense") {
  const ZipfSource z(1, 1);
  Rng rng(seed);
  CHECK(z.sample(rng) == words("w1"));
  CHECK(*z.log_probability(words("w1")) == 0);
  CHECK_FALSE(possible(z, "w1 w1"));
  CHECK(z.entropy().per_token() == 0);
  CHECK_THROWS_AS(ZipfSource(0), ValueError);
  CHECK_THROWS_AS(ZipfSource(5, 0.5), ValueError);
  CHECK_THROWS_AS(ZipfSource(5, std::nan("")), ValueError);
}

TEST_CASE("built-in corpora: sentence i depends on seed and i alone") {
  for (const char* name : {"agreement", "zipf"}) {
    CAPTURE(name);
    const auto source = make_source(name);
    const Corpus all = generate(*source, 20, seed), tail = generate(*source, 12, seed, 8);
    REQUIRE(all.sentences() == 20);
    REQUIRE(tail.sentences() == 12);
    int same_as_other_seed = 0;
    const Corpus other = generate(*source, 20, seed + 1);
    for (int64_t i = 0; i < 20; ++i) same_as_other_seed += all.words(i) == other.words(i);
    CHECK(same_as_other_seed < 3);
    for (int64_t i = 0; i < 12; ++i) CHECK(tail.words(i) == all.words(i + 8));
    double sum = 0;
    for (int64_t i = 0; i < 20; ++i) sum += *source->log_probability(all.words(i));
    CHECK(*log_probability(*source, all) == doctest::Approx(sum).epsilon(1e-12));
  }
  CHECK_THROWS_AS(make_source("english"), ValueError);
  Corpus foreign;
  foreign.add(words("no such sentence"));
  CHECK_FALSE(log_probability(AgreementGrammar(), foreign));
}
