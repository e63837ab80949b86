#include <tapestry/examples/lm/ngram/kneser_ney.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {

KneserNey::Discounts KneserNey::discounts_of(const NgramLevel& level) {
  std::array<double, 5> n{};  // n[c]: n-grams of count c
  for (const uint32_t count : level.counts)
    if (count >= 1 && count <= 4) ++n[count];
  // A small text may lack one of them.
  if (n[1] == 0 || n[2] == 0 || n[3] == 0) return {{0.5, 1, 1.5}};
  const double y = n[1] / (n[1] + 2 * n[2]);
  Discounts out;
  for (size_t c = 1; c <= 3; ++c) {
    const auto count = static_cast<double>(c);
    out.of[c - 1] = std::clamp(count - (count + 1) * y * n[c + 1] / n[c], 0.01 * count, count);
  }
  return out;
}

KneserNey::KneserNey(const EncodedCorpus& text, int32_t vocabulary, int order)
    : counts_(text, vocabulary, order), vocabulary_(vocabulary) {
  for (int n = 1; n <= order; ++n) {
    const NgramLevel& level = counts_.level(n);
    const Discounts& discounts = discounts_.emplace_back(discounts_of(level));
    const size_t contexts = n == 1 ? 1 : counts_.level(n - 1).words.size();
    std::vector<Mass>& masses = masses_.emplace_back(contexts);
    for (size_t node = 0; node < contexts; ++node) {
      const size_t first = n == 1 ? 0 : counts_.level(n - 1).first[node];
      const size_t last = n == 1 ? level.words.size() : counts_.level(n - 1).first[node + 1];
      for (size_t child = first; child < last; ++child) {
        masses[node].total += level.counts[child];
        masses[node].discounts += discounts(level.counts[child]);
      }
    }
  }
}

KneserNey::Context KneserNey::advance(const Context& context, int32_t word) const {
  Context next;
  // What is not known with n words in front is not known with more.
  for (int n = 0; n < std::min(context.known, order() - 1); ++n) {
    const int64_t node = counts_.child(n, context.nodes[index(n)], word);
    if (node < 0) break;
    next.nodes[index(next.known++)] = node;
  }
  return next;
}

double KneserNey::probability(const Context& context, int32_t word) const {
  if (word == Vocabulary::begin) return 0;
  double p = 1.0 / (vocabulary_ - 1);
  bool seen = true;
  for (int n = 0; n < context.known; ++n) {
    const Mass& mass = masses_[index(n)][index(context.nodes[index(n)])];
    if (mass.total == 0) break;  // seen only where texts end
    const int64_t node = seen ? counts_.child(n, context.nodes[index(n)], word) : -1;
    seen = node >= 0;
    const uint32_t count = seen ? counts_.level(n + 1).counts[index(node)] : 0;
    p = (count - discounts_[index(n)](count) + mass.discounts * p) /
        static_cast<double>(mass.total);
  }
  return p;
}

std::vector<double> KneserNey::log_probabilities(const EncodedCorpus& corpus) const {
  std::vector<double> out;
  out.reserve(index(corpus.tokens()));
  Context context;
  for (int64_t s = 0; s < corpus.sentences(); ++s) {
    if (!corpus.continues(s)) context = begin(Vocabulary::begin);
    for (const int32_t word : corpus.targets(s)) {
      out.push_back(std::log(probability(context, word)));
      context = advance(context, word);
    }
  }
  return out;
}

int64_t KneserNey::ngrams() const {
  int64_t out = 0;
  for (int n = 1; n <= order(); ++n) out += static_cast<int64_t>(counts_.level(n).words.size());
  return out;
}

}  // namespace tapestry::lm
