#pragma once
// Sentences drawn from a model, a token at a time.

#include <tapestry/examples/lm/model/language_model.h>

#include <functional>
#include <span>
#include <vector>

namespace tapestry::lm {

struct Sampling {
  double temperature = 1;  // logits are divided by it; 0: always the most probable token
  int64_t top_k = 0;       // draw among the k most probable tokens; 0: among all
  double top_p = 1;        // draw among the fewest tokens of at least this probability together
  bool unknown = false;    // whether the unknown token may be drawn
  int64_t length = 100;    // most words of a sentence, its prompt included
  int64_t min_length = 0;  // fewest
};

/// Draws an index of `logits`; never one whose logit is -infinity. The most probable of equals is
/// the first. Throws NonFiniteError where none can be drawn.
int32_t draw(std::vector<double> logits, const Sampling& sampling, Rng& rng);

/// Takes a sentence id by id, the begin token first, and returns the logits of what follows.
using Reader = std::function<std::vector<double>(int32_t)>;

Reader reader(LanguageModel model);

/// The ids of one sentence that begins with `prompt`, without begin and end tokens.
std::vector<int32_t> sample_sentence(const Reader& read, std::span<const int32_t> prompt,
                                     const Sampling& sampling, Rng& rng);

}  // namespace tapestry::lm
