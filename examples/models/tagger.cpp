// A bidirectional tagger of sequences with different lengths (Graves & Schmidhuber, 2005). Words
// are numbers 0 ... 5; a word's tag says whether the same word stands before it, after it, both, or
// neither, so each tag takes memory in both directions. Reaches 98 % of the tags of new sequences
// (the most frequent tag: 31 %).

#include <iostream>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

constexpr int64_t kWords = 6, kTags = 4, kLongest = 12;

struct Batch {
  std::vector<int64_t> lengths;
  Tensor words, tags;  // i32 (time, batch); behind the end of a sequence words are 0, tags ignored
};

Batch draw(int64_t sequences, Rng& rng) {
  Batch b{{},
          Tensor::zeros({kLongest, sequences}, i32),
          Tensor::full({kLongest, sequences}, kIgnored, i32)};
  for (int64_t i = 0; i < sequences; ++i) {
    const auto length = static_cast<int64_t>(3 + rng.below(kLongest - 2));
    std::vector<int32_t> words;
    for (int64_t t = 0; t < length; ++t) words.push_back(static_cast<int32_t>(rng.below(kWords)));
    for (int64_t t = 0; t < length; ++t) {
      const auto at = words.begin() + t;
      const bool before = std::find(words.begin(), at, *at) != at;
      const bool after = std::find(at + 1, words.end(), *at) != words.end();
      b.words.set_({t, i}, *at);
      b.tags.set_({t, i}, (before ? 1 : 0) + (after ? 2 : 0));
    }
    b.lengths.push_back(length);
  }
  return b;
}

struct Tagger {
  Embedding embed;
  RNN<LSTMCell> rnn;
  Linear out;
  FIELDS(embed, rnn, out)

  Tagger(int64_t hidden, Rng& rng)
      : embed(kWords, 8, rng),
        rnn(8, hidden, rng, {.bidirectional = true}),
        out(2 * hidden, kTags, rng) {}

  /// (time * batch, tags)
  Var scores(const Batch& b) const {
    return reshape(out(rnn(embed(b.words), b.lengths).y), {-1, kTags});
  }
  Var loss(const Batch& b) const { return cross_entropy(scores(b), b.tags.reshape({-1})); }
};

/// The share of right tags.
double accuracy(const Tagger& model, const Batch& b) {
  const Tensor best = max(model.scores(b).value(), 1).indices;
  const auto given = best.to_vector<int32_t>(), tags = b.tags.to_vector<int32_t>();
  double right = 0, all = 0;
  for (size_t i = 0; i < tags.size(); ++i) {
    right += given[i] == tags[i];
    all += tags[i] != kIgnored;
  }
  return right / all;
}

int main() {
  Rng rng(1);
  Tagger model(32, rng);
  Optimizer optimizer(model, Adam{.lr = 0.01});
  const Batch unseen = draw(500, rng);
  for (int step = 1; step <= 2000; ++step) {
    {
      Tape tape;  // records until the end of its scope
      tape.backward(model.loss(draw(32, rng)));
    }
    optimizer.step();
    if (step % 500 == 0)
      std::cout << "step " << step << "  right tags " << accuracy(model, unseen) << '\n';
  }
  return accuracy(model, unseen) > 0.98 ? 0 : 1;
}
