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

namespace {

/// The ids among which top_k and top_p let draw, the most probable first; `total`, the sum of all
/// probabilities, becomes theirs.
std::vector<int32_t> most_probable(const std::vector<double>& probability, const Sampling& s,
                                   double& total) {
  const size_t all = probability.size();
  const size_t most = s.top_k > 0 ? std::min(static_cast<size_t>(s.top_k), all) : all;
  std::vector<int32_t> order(all);
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](int32_t a, int32_t b) {  // of equals, the first
    const double x = probability[static_cast<size_t>(a)], y = probability[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most), order.end(),
                    before);
  const double enough = s.top_p * total;
  size_t kept = 0;
  total = 0;
  while (kept < most && (kept == 0 || total < enough))
    total += probability[static_cast<size_t>(order[kept++])];
  order.resize(kept);
  return order;
}

}  // namespace

int32_t draw(std::vector<double> logits, const Sampling& s, Rng& rng) {
  const auto best = std::max_element(logits.begin(), logits.end());
  require<NonFiniteError>(best != logits.end() && std::isfinite(*best),
                          "sample: the model gives no token a finite probability");
  if (s.temperature == 0 || s.top_k == 1) return static_cast<int32_t>(best - logits.begin());

  const double highest = *best;
  double total = 0;
  for (double& z : logits) total += z = std::exp((z - highest) / s.temperature);
  const bool cut = s.top_k > 0 || s.top_p < 1;
  const std::vector<int32_t> order = cut ? most_probable(logits, s, total) : std::vector<int32_t>();
  double u = rng.uniform() * total;
  int32_t last = 0;
  const size_t choices = cut ? order.size() : logits.size();
  for (size_t i = 0; i < choices; ++i) {
    const int32_t id = cut ? order[i] : static_cast<int32_t>(i);
    const double p = logits[static_cast<size_t>(id)];
    if (p == 0) continue;
    last = id;
    if ((u -= p) < 0) break;
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
