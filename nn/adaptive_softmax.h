#pragma once
// AdaptiveSoftmax (Grave, Joulin, Cisse, Grangier & Jegou, 2017): an exactly normalised softmax
// whose cost hardly grows with the vocabulary. Words are numbered by falling frequency. The head
// knows the first of them and, as one more word each, the tails; a tail knows the words between two
// cutoffs, and sees the hidden state through a narrower projection, the rarer the narrower. A token
// costs the head and, where it is rare, its tail.

#include <vector>

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/init.h>
#include <tapestry/nn/module.h>

namespace tapestry {

struct AdaptiveSoftmaxOptions {
  std::vector<int64_t> cutoffs = {};  // where a tail begins; rising, from 1 to words - 1
  int64_t shrink = 4;                 // each tail's projection is so many times narrower
  bool bias = true;
  DType dtype = f32;
};

struct AdaptiveSoftmax {
  struct Tail {
    Parameter projection, weight, bias;  // (H, d), (words, d), (words) or absent
    FIELDS(projection, weight, bias)
  };
  Parameter head, head_bias;  // (words + tails, H), the same number or absent
  std::vector<Tail> tails;
  FIELDS(head, head_bias, tails)

  AdaptiveSoftmax() = default;  // absent: no words
  /// Maps from U(+-1/sqrt(inputs)), biases 0. Throws ValueError for cutoffs that do not rise or lie
  /// outside of 1 to words - 1, and for a shrink below 1.
  AdaptiveSoftmax(int64_t hidden, int64_t words, Rng& rng, AdaptiveSoftmaxOptions options = {});

  bool defined() const { return words_ > 0; }
  /// The first word of each tail, and the number of words.
  const std::vector<int64_t>& begins() const { return begins_; }

  /// scale times the sum of -ln p(target), nats: h (N, H), targets i32 (N).
  Var loss_sum(const Var& h, const Tensor& targets, double scale = 1) const;
  /// The loss of each row, (N).
  Tensor losses(const Tensor& h, const Tensor& targets) const;
  /// ln p of every word, (N, V).
  Tensor log_probabilities(const Tensor& h) const;

 private:
  int64_t words_ = 0;
  std::vector<int64_t> begins_;
};

}  // namespace tapestry
