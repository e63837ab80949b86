#pragma once
// The training steps that the benchmark programs time: each object makes one pass over fixed
// batches when called.

#include <span>

#include <tapestry/autograd/ops.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>

namespace bench {

using namespace tapestry;

inline void update(Optimizer& optimizer, auto&& loss) {
  {
    Tape tape;
    tape.backward(loss());
  }
  optimizer.step();
}

/// The first 5,000 sentences of the text at `path`, or as many of `zipf` where it is empty.
inline lm::EncodedCorpus sentences(const std::string& path) {
  const lm::Corpus corpus =
      path.empty() ? lm::generate(*lm::make_source("zipf"), 5000, 1)
                   : lm::read_sentences(
                         {path}, {.lower = true, .split_sentences = true, .max_sentences = 5000});
  return lm::Vocabulary::build(corpus).encode(corpus);
}

/// The sentences of one pass over about 8,000 tokens, in updates of `batch` sentences.
inline std::vector<std::vector<int64_t>> reference_updates(const lm::EncodedCorpus& corpus,
                                                           size_t batch) {
  std::vector<std::vector<int64_t>> out;
  const auto order = lm::epoch_order(corpus.sentences(), true, 1, 0);
  size_t tokens = 0;
  for (size_t i = 0; i + batch <= order.size() && tokens < 8000; i += batch) {
    out.emplace_back(order.begin() + static_cast<ptrdiff_t>(i),
                     order.begin() + static_cast<ptrdiff_t>(i + batch));
    for (const int64_t s : out.back()) tokens += corpus.targets(s).size();
  }
  return out;
}

/// A word-level tanh network of 8000 words and 100 units without biases, updated by plain SGD.
struct ReferenceStep {
  lm::LanguageModel model;
  Optimizer optimizer;
  std::vector<lm::Batch> batches;
  double tokens = 0;

  ReferenceStep(const lm::EncodedCorpus& corpus, size_t batch, DType dtype, Bptt bptt)
      : model(initial(dtype)), optimizer(model, SGD{.lr = 0.005}) {
    model.rnn.set_bptt(bptt);
    for (const auto& sentences : reference_updates(corpus, batch)) {
      batches.push_back(lm::make_batch(corpus, sentences));
      tokens += static_cast<double>(batches.back().tokens());
    }
  }
  static lm::LanguageModel initial(DType dtype) {
    Rng rng(1);
    return {lm::ModelShape{.cell = "rnn", .vocabulary = 8000, .bias = false}, rng, dtype};
  }
  void learn(const lm::Batch& batch) {
    update(optimizer, [&] { return model.loss(batch); });
  }
  void operator()() {
    for (const lm::Batch& b : batches) learn(b);
  }
  /// 6HV of the softmax layer, 2H^2 forward and (K+1) 2H^2 backward of the recurrence, K = 4.
  double flop() const { return tokens * (6. * 100 * 8000 + 6 * 2. * 100 * 100); }
};

/// Two LSTM layers of 200 over 20 streams, windows of 35 steps, 8000 words: one update.
struct LstmStep {
  static constexpr int64_t kBatch = 20, kWindow = 35, kWidth = 200, kWords = 8000;
  lm::LanguageModel model;
  Optimizer optimizer;
  lm::Batch batch{Packing::uniform(kWindow, kBatch), {}, {}};

  LstmStep() : model(initial()), optimizer(model, SGD{.lr = 0.1}) {
    model.rnn.set_bptt({BpttMode::chunk, kWindow});
    Rng rng(2);
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < kBatch * kWindow; ++i)
      ids.push_back(static_cast<int32_t>(rng.below(kWords)));
    batch.inputs = batch.targets = Tensor::indices(ids);
  }
  static lm::LanguageModel initial() {
    Rng rng(1);
    return {{.cell = "lstm", .vocabulary = kWords, .hidden = kWidth, .layers = 2, .embed = kWidth},
            rng,
            f32};
  }
  void operator()() {
    update(optimizer, [&] { return model.loss(batch); });
  }
  static constexpr double tokens = kBatch * kWindow;
  /// Forward 1, backward 2: two products of each of 2 layers, and the softmax layer.
  static constexpr double flop =
      tokens * (3 * 2. * 2 * 2 * kWidth * 4 * kWidth + 6. * kWidth * kWords);
};

struct Forecaster {
  RNN<LSTMCell> rnn;
  Linear out;
  FIELDS(rnn, out)
};

/// An LSTM of 50 units reads 12 months of 16 series and predicts the next: 20 updates.
struct AirlineStep {
  static constexpr int kUpdates = 20;
  Rng rng{1};
  Forecaster model{RNN<LSTMCell>(1, 50, rng), Linear(50, 1, rng)};
  Optimizer optimizer{model, SGD{.lr = 0.01}};
  Var x = uniform({12, 16, 1}, 1, rng), y = uniform({16, 1}, 1, rng);

  Var loss() const { return mse(model.out(output(model.rnn(x).state)), y); }
  void operator()() {
    for (int i = 0; i < kUpdates; ++i) update(optimizer, [&] { return loss(); });
  }
};

/// An LSTM of 128 units reads 1,000 steps of 16 sequences and answers with one number: one update.
/// `every`: a checkpoint per so many steps; 0: none. `recompute`: the same by the RNN itself, which
/// keeps all outputs.
struct LongStep {
  Rng rng{1};
  Forecaster model{RNN<LSTMCell>(2, 128, rng), Linear(128, 1, rng)};
  Optimizer optimizer{model, SGD{.lr = 0.01}};
  Var x = uniform({1000, 16, 2}, 1, rng), y = uniform({16, 1}, 1, rng);

  int64_t every;

  LongStep(int64_t checkpoint_every, int64_t recompute) : every(checkpoint_every) {
    model.rnn.bptt.recompute = recompute;
  }
  void operator()() {
    update(optimizer, [&] { return mse(model.out(output(read())), y); });
  }
  RNN<LSTMCell>::State read() const {
    if (every == 0) return model.rnn(x).state;
    auto state = model.rnn.zero(x.size(1));
    for (int64_t t = 0; t < x.size(0); t += every)
      state = checkpoint(
          [this, t](const auto& from) { return model.rnn(narrow(x, 0, t, every), {}, from).state; },
          state);
    return state;
  }
};

}  // namespace bench
