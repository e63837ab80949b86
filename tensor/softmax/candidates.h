#pragma once
// Candidates: the words that stand for the whole vocabulary in one update of a sampled softmax.
//
// All rows of an update share them: `samples` draws of q, where q_j is proportional to
// count_j^exponent (0.5 flattens the frequencies), and the targets of its rows, each once. What
// makes up for words that are left out is the chance pi_j of word j to be among them: where a row
// sees it as a word other than its target, its logit gets `correction`, -ln pi_j, with
//   pi_j = 1 - exp(-(samples q_j + (N - 1) p_j)),   p_j = count_j / sum of counts.
// Candidates follow from the counts, the targets and the state of the generator alone, so they are
// the same for any number of workers. A draw takes the same time for any vocabulary (the alias
// method; Walker, 1977).

#include <span>
#include <vector>

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

struct Candidates {
  Tensor ids;         // i32 (n): ascending, each once
  Tensor places;      // i32 (N): where in ids the target of each row is
  Tensor correction;  // f64 (n): -ln pi of each
};

class CandidateSampler {
 public:
  /// How often each word occurs; one that never does counts as half a time, so that it is drawn now
  /// and then. Throws ValueError for no counts, a negative one, and an exponent below 0.
  explicit CandidateSampler(std::span<const int64_t> counts, double exponent = 0.5);

  int64_t words() const { return static_cast<int64_t>(chances_.size()); }
  /// For targets i32 (N). As many samples as words mean every word, pi 1: the exact softmax.
  /// Throws ValueError unless samples are 1 to words(); DTypeError, IndexError for the targets.
  Candidates draw(const Tensor& targets, int64_t samples, Rng& rng) const;

 private:
  int32_t draw_one(Rng& rng) const;

  struct Chances {
    double drawn, seen;  // q, p
  };
  struct Column {
    double own;     // the share of the column that is the word's own
    int32_t other;  // whose the rest is
  };
  std::vector<Chances> chances_;
  std::vector<Column> columns_;
};

}  // namespace tapestry
