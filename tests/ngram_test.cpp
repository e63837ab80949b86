// The n-gram model against its definition, computed from lists of strings of words; and against
// what a probability is.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/ngram/kneser_ney.h>
#include <tapestry/examples/lm/ngram/mixture.h>
#include <tapestry/tensor/error.h>
#include <tapestry/tensor/random.h>

#include <algorithm>
#include <cmath>
#include <map>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

constexpr int32_t kWords = 12;  // vocabulary
constexpr uint64_t kSeed = 20240611;

using Ngram = std::vector<int32_t>;

/// Sentences in which some words follow others often.
EncodedCorpus random_text(int64_t sentences, uint64_t seed) {
  Rng rng(seed);
  EncodedCorpus out;
  for (int64_t s = 0; s < sentences; ++s) {
    out.ids.push_back(Vocabulary::begin);
    int32_t word = 3;
    for (auto left = rng.below(8); left > 0; --left) {
      word = rng.uniform() < 0.6 ? 3 + word % 7 : static_cast<int32_t>(rng.below(kWords - 2));
      if (word == Vocabulary::begin || word == Vocabulary::end) word = Vocabulary::unknown;
      out.ids.push_back(word);
    }
    out.ids.push_back(Vocabulary::end);
    out.offsets.push_back(static_cast<int64_t>(out.ids.size()));
  }
  return out;
}

/// Chen & Goodman (1999), equations 22 to 26, by the letter.
class Definition {
 public:
  Definition(const EncodedCorpus& text, int order) : order_(order), counts_(order + 1) {
    std::vector<std::map<Ngram, double>> raw(static_cast<size_t>(order) + 1);
    for (int64_t s = 0; s < text.sentences(); ++s) {
      const auto sentence = text.sentence(s);
      for (size_t i = 0; i < sentence.size(); ++i)
        for (size_t n = 1; n <= static_cast<size_t>(order) && i + n <= sentence.size(); ++n)
          ++raw[n][Ngram(sentence.begin() + static_cast<long>(i),
                         sentence.begin() + static_cast<long>(i + n))];
    }
    for (size_t n = 1; n <= static_cast<size_t>(order); ++n)
      for (const auto& [ngram, count] : raw[n]) {
        double c = count;
        if (n < static_cast<size_t>(order) && ngram[0] != Vocabulary::begin) {
          c = 0;
          for (const auto& [longer, ignored] : raw[n + 1])
            c += Ngram(longer.begin() + 1, longer.end()) == ngram;
        }
        if (ngram.back() != Vocabulary::begin) counts_[n][ngram] = c;
      }
  }

  double probability(Ngram context, int32_t word) const {
    if (static_cast<int>(context.size()) >= order_)
      context.erase(context.begin(), context.end() - (order_ - 1));
    return at(context, word);
  }

 private:
  double at(const Ngram& context, int32_t word) const {
    const size_t n = context.size() + 1;
    double count = 0, total = 0;
    std::array<double, 4> kinds{};  // words seen once, twice, more often
    for (const auto& [ngram, c] : counts_[n]) {
      if (!std::equal(context.begin(), context.end(), ngram.begin())) continue;
      total += c;
      ++kinds[std::min<size_t>(3, static_cast<size_t>(c))];
      if (ngram.back() == word) count = c;
    }
    const double lower =
        n == 1 ? 1.0 / (kWords - 1) : at(Ngram(context.begin() + 1, context.end()), word);
    if (total == 0) return lower;
    const double spared = d(n, 1) * kinds[1] + d(n, 2) * kinds[2] + d(n, 3) * kinds[3];
    return (count - (count > 0 ? d(n, std::min(3.0, count)) : 0) + spared * lower) / total;
  }
  double d(size_t n, double count) const {
    std::array<double, 5> of{};
    for (const auto& [ngram, c] : counts_[n])
      if (c <= 4) ++of[static_cast<size_t>(c)];
    const auto c = static_cast<size_t>(count);
    if (of[1] * of[2] * of[3] == 0) return 0.5 * count;
    const double y = of[1] / (of[1] + 2 * of[2]);
    return std::clamp(count - (count + 1) * y * of[c + 1] / of[c], 0.01 * count, count);
  }

  int order_;
  std::vector<std::map<Ngram, double>> counts_;
};

}  // namespace

TEST_CASE("ngram: probabilities are those of the definition, for each order") {
  const EncodedCorpus text = random_text(150, kSeed), other = random_text(20, kSeed + 1);
  for (int order = 1; order <= kHighestOrder; ++order) {
    CAPTURE(order);
    const KneserNey model(text, kWords, order);
    const Definition definition(text, order);
    const std::vector<double> found = model.log_probabilities(other);
    REQUIRE(static_cast<int64_t>(found.size()) == other.tokens());
    size_t i = 0;
    double worst = 0;
    for (int64_t s = 0; s < other.sentences(); ++s) {
      Ngram context = {Vocabulary::begin};
      for (const int32_t word : other.targets(s)) {
        worst =
            std::max(worst, std::abs(std::exp(found[i++]) - definition.probability(context, word)));
        context.push_back(word);
      }
    }
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("ngram: probabilities after any text add up to 1") {
  MESSAGE("seed " << kSeed);
  for (const int64_t sentences : {1, 5, 300})
    for (int order = 1; order <= kHighestOrder; ++order) {
      const KneserNey model(random_text(sentences, kSeed), kWords, order);
      Rng rng(kSeed);
      auto context = model.begin(Vocabulary::begin);
      for (int step = 0; step < 200; ++step) {
        double sum = 0;
        for (int32_t word = 0; word < kWords; ++word) {
          const double p = model.probability(context, word);
          CHECK(p >= 0);
          sum += p;
        }
        REQUIRE(std::abs(sum - 1) < 1e-9);
        CHECK(model.probability(context, Vocabulary::begin) == 0);
        const auto word = static_cast<int32_t>(rng.below(kWords));
        context = word == Vocabulary::begin ? model.begin(word) : model.advance(context, word);
      }
    }
}

TEST_CASE("ngram: the pieces of a cut sentence are one sentence") {
  Corpus whole, cut;
  std::vector<std::string_view> words;
  for (int i = 0; i < 300; ++i) words.push_back(i % 7 == 0 ? "a" : i % 3 == 0 ? "b" : "c");
  whole.add(words);
  const std::span all(words);
  cut.add_part(all.first(100), true);
  cut.add_part(all.subspan(100, 2), false);
  cut.add_part(all.subspan(102), false);
  const Vocabulary vocabulary = Vocabulary::build(whole);
  const EncodedCorpus a = vocabulary.encode(whole), b = vocabulary.encode(cut);
  CHECK(b.sentences() == 3);
  const KneserNey first(a, vocabulary.size(), 5), second(b, vocabulary.size(), 5);
  CHECK(first.ngrams() == second.ngrams());
  CHECK(first.log_probabilities(a) == second.log_probabilities(b));
}

TEST_CASE("ngram: orders that are none are refused") {
  CHECK_THROWS_AS(KneserNey(random_text(3, 1), kWords, 0), ValueError);
  CHECK_THROWS_AS(KneserNey(random_text(3, 1), kWords, kHighestOrder + 1), ValueError);
}

TEST_CASE("mixture: the weight is where the mean of ln p is highest") {
  Rng rng(kSeed);
  std::vector<double> a, b;
  for (int i = 0; i < 500; ++i) {
    a.push_back(std::log(rng.uniform(0.01, 1)));
    b.push_back(std::log(rng.uniform(0.01, 0.8)));
  }
  const double best = mixture_weight(a, b);
  CHECK(best > 0.2);
  CHECK(best < 0.95);
  for (const double other : {best - 1e-3, best + 1e-3})
    CHECK(mean_loss(a, b, best) < mean_loss(a, b, other));
  CHECK(mean_loss(a, b, 1) == doctest::Approx(mean_loss(a, a, 0.5)).epsilon(1e-14));
  const std::vector<double> sure(500, 0), never(500, -1000);
  CHECK(mixture_weight(sure, b) == 1);
  CHECK(mixture_weight(never, b) == 0);
  CHECK(std::isfinite(mean_loss(never, never, 0.5)));
}
