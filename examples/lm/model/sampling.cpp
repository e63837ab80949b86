#include <tapestry/examples/lm/model/sampling.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace tapestry::lm {

Reader reader(LanguageModel model) {
  // A std::function is copied, a model should not be.
  const auto shared = std::make_shared<const LanguageModel>(std::move(model));
  return [shared, state = State{}](int32_t id) mutable {
    if (id == Vocabulary::begin) state = shared->rnn.zero(1);
    const Tensor logits = shared->step(Tensor::indices({id}), state).value();
    return logits.cast(f64).to_vector<double>();
  };
}

int32_t draw(std::vector<double> logits, const Sampling& s, Rng& rng) {
  const auto best = std::max_element(logits.begin(), logits.end());
  require<NonFiniteError>(best != logits.end() && std::isfinite(*best),
                          "sample: the model gives no token a finite probability");
  if (s.temperature == 0 || s.top_k == 1) return static_cast<int32_t>(best - logits.begin());

  const double highest = *best;
  double total = 0;
  for (double& z : logits) total += z = std::exp((z - highest) / s.temperature);
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto probability = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
  if (s.top_k > 0 || s.top_p < 1) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return probability(a) > probability(b); });
    const size_t most = s.top_k > 0 ? static_cast<size_t>(s.top_k) : order.size();
    const double enough = s.top_p * total;
    size_t kept = 0;
    total = 0;
    while (kept < std::min(most, order.size()) && (kept == 0 || total < enough))
      total += probability(order[kept++]);
    order.resize(kept);
  }
  double u = rng.uniform() * total;
  int32_t last = order[0];
  for (const int32_t id : order) {
    if (probability(id) == 0) continue;
    last = id;
    if ((u -= probability(id)) < 0) break;
  }
  return last;
}

std::vector<int32_t> sample_sentence(const Reader& read, std::span<const int32_t> prompt,
                                     const Sampling& s, Rng& rng) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  std::vector<int32_t> words(prompt.begin(), prompt.end());
  std::vector<double> logits = read(Vocabulary::begin);
  for (const int32_t id : prompt) logits = read(id);
  while (static_cast<int64_t>(words.size()) < s.length) {
    logits[Vocabulary::begin] = kNever;
    if (!s.unknown) logits[Vocabulary::unknown] = kNever;
    if (static_cast<int64_t>(words.size()) < s.min_length) logits[Vocabulary::end] = kNever;
    const int32_t id = draw(std::move(logits), s, rng);
    if (id == Vocabulary::end) break;
    words.push_back(id);
    logits = read(id);
  }
  return words;
}

}  // namespace tapestry::lm
