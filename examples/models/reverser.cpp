// An encoder and a decoder with additive attention (Bahdanau, Cho & Bengio, 2015) that learn to
// write words backwards: "tapestry" -> "yrtsepat". Of new words 95 % come out without an error.

#include <iostream>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;
constexpr int64_t kLetters = 26, kStart = 26, kSymbols = 27, kLongest = 8;
using Words = std::vector<std::string>;

/// What the decoder looks back at, and where it must not.
struct Memory {
  Var states, keys;  // (time, batch, hidden)
  Tensor outside;    // i32 (time, batch, 1): 1 behind the end of a word
  RNN<GRUCell>::State last;
};

struct Reverser {
  Embedding embed;
  RNN<GRUCell> encoder, decoder;
  Linear query, key, score, out;
  FIELDS(embed, encoder, decoder, query, key, score, out)

  Reverser(int64_t hidden, Rng& rng)
      : embed(kSymbols, 16, rng),
        encoder(16, hidden, rng),
        decoder(16 + hidden, hidden, rng),
        query(hidden, hidden, rng),
        key(hidden, hidden, rng, {.bias = false}),
        score(hidden, 1, rng, {.bias = false}),
        out(2 * hidden, kLetters, rng) {}

  Memory encode(const Words& words) const {
    const auto batch = static_cast<int64_t>(words.size());
    std::vector<int64_t> lengths;
    Tensor letters = Tensor::zeros({kLongest, batch}, i32);
    Tensor outside = Tensor::full({kLongest, batch, 1}, 1, i32);
    for (int64_t b = 0; b < batch; ++b) {
      const std::string& word = words[static_cast<size_t>(b)];
      lengths.push_back(static_cast<int64_t>(word.size()));
      for (int64_t t = 0; t < lengths.back(); ++t) {
        letters.set_({t, b}, word[static_cast<size_t>(t)] - 'a');
        outside.set_({t, b, 0}, 0);
      }
    }
    const auto [states, last] = encoder(embed(letters), lengths);
    return {states, key(states), outside, last};
  }

  /// The previous letters, i32 (batch) -> scores of the next ones (batch, letters).
  Var step(const Tensor& letters, const Memory& m, RNN<GRUCell>::State& state) const {
    const Var scores = score(tanh(m.keys + query(output(state))));  // (time, batch, 1)
    const Var weights = softmax(masked_fill(scores, m.outside, -1e9), 0);
    const Var context = sum(m.states * weights, 0);
    const auto next = decoder.step(concat({embed(letters), context}, 1), state);
    state = next.state;
    return out(concat({next.y, context}, 1));
  }

  Var loss(const Words& words) const {
    const Memory m = encode(words);
    auto state = m.last;
    Tensor letters = Tensor::full({static_cast<int64_t>(words.size())}, kStart, i32);
    std::vector<Var> losses;
    for (size_t t = 0; t < kLongest; ++t) {
      std::vector<int32_t> targets;  // the letters of the words from their ends
      for (const std::string& w : words)
        targets.push_back(t < w.size() ? w[w.size() - 1 - t] - 'a' : kIgnored);
      losses.push_back(
          cross_entropy(step(letters, m, state), Tensor::indices(targets), Reduction::sum));
      for (int32_t& target : targets) target = std::max(target, 0);
      letters = Tensor::indices(targets);
    }
    return sum(stack(losses)) / static_cast<double>(words.size());
  }

  std::string reverse(const std::string& word) const {
    const Memory m = encode({word});
    auto state = m.last;
    Tensor letter = Tensor::full({1}, kStart, i32);
    std::string text;
    while (text.size() < word.size()) {
      letter = max(step(letter, m, state).value(), 1).indices;
      text += static_cast<char>('a' + static_cast<int>(letter.item()));
    }
    return text;
  }
};

Words draw(size_t n, Rng& rng) {
  Words words(n);
  for (std::string& w : words)
    for (uint64_t i = 0, length = 3 + rng.below(kLongest - 2); i < length; ++i)
      w += static_cast<char>('a' + rng.below(kLetters));
  return words;
}

int main() {
  Rng rng(1);
  Reverser model(48, rng);
  Optimizer optimizer(model, Adam{});
  for (int step = 0; step < 1000; ++step) {
    optimizer.set_lr(0.01 * (1 - step / 1000.0));
    Tape tape;
    tape.backward(model.loss(draw(32, rng)));
    optimizer.clip_grad_norm(1);
    optimizer.step();
  }
  std::cout << "tapestry -> " << model.reverse("tapestry") << '\n';
  double right = 0;
  for (const std::string& w : draw(200, rng))
    right += model.reverse(w) == Words{{w.rbegin(), w.rend()}}[0];
  std::cout << right / 2 << " % of new words are right\n";
  return right >= 190 ? 0 : 1;
}
