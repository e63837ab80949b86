#include <tapestry/examples/lm/model/dynamic.h>
#include <tapestry/examples/lm/text/stream.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry::lm {
namespace {

/// Adds up squares of gradients; the weights stay.
struct Squares {
  double lr = 0;

  static constexpr const char* name = "Squares";
  static constexpr int slots() { return 1; }
  void check() const {}
  template <class T>
  void update(std::span<T>, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    for (size_t i = 0; i < g.size(); ++i) slot[0][i] += g[i] * g[i];
  }
};

/// w -= lr scale g, with the scale in the slot.
struct Scaled {
  double lr = 0;

  static constexpr const char* name = "Scaled";
  static constexpr int slots() { return 1; }
  void check() const {}
  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    const T rate = static_cast<T>(lr);
    for (size_t i = 0; i < w.size(); ++i) w[i] -= rate * slot[0][i] * g[i];
  }
};

void learn(const LanguageModel& model, Optimizer& optimizer, const Batch& piece, State& state) {
  {
    Tape tape;
    tape.backward(model.loss(piece, 1, &state, nullptr));
  }
  optimizer.step();
}

/// 1 / the root mean square of a token's gradient, for each element of each parameter.
std::vector<Tensor> scales_of(LanguageModel model, const EncodedCorpus& text) {
  // Enough to see the gradients of all but the rarest words, which the floor is for.
  constexpr int64_t kTokens = 100'000, kSentences = 8, kPiece = 1000;
  constexpr double kFloor = 0.1;  // of the root mean square over the whole parameter
  Optimizer squares(model, Squares{});
  const std::vector<int64_t> order = epoch_order(text.sentences(), true, 0, 0);
  int64_t tokens = 0;
  for (size_t i = 0; i < order.size() && tokens < kTokens; i += kSentences) {
    const Batch batch = make_batch(
        text, std::span(order).subspan(i, std::min<size_t>(kSentences, order.size() - i)));
    State state = model.rnn.zero(batch.sentences());
    for (const Batch& piece : pieces(batch, kPiece)) learn(model, squares, piece, state);
    tokens += batch.tokens();
  }
  std::vector<Tensor> out;
  for (const ParameterState& p : squares.states()) {
    const Tensor mean = p.slots[0] / static_cast<double>(std::max<int64_t>(tokens, 1));
    const double floor = kFloor * std::sqrt(tapestry::mean(mean.cast(f64)).item());
    out.push_back(divide(1, sqrt(mean) + std::max(floor, 1e-30)));
  }
  return out;
}

/// Hands out the text in its order, in pieces of one sentence, each with whether it begins at zero.
template <class F>
void read_in_pieces(const EncodedCorpus& text, bool stream, int64_t tokens, F&& f) {
  if (stream) {
    const Stream all(text, 1, tokens);
    for (int64_t item = 0; item < all.items(); ++item) f(all.batch(item), item == 0);
    return;
  }
  for (int64_t i = 0; i < text.sentences(); ++i) {
    bool begins = !text.continues(i);
    for (const Batch& piece : pieces(make_batch(text, {{i}}), tokens))
      f(piece, std::exchange(begins, false));
  }
}

}  // namespace

DynamicEvaluation::DynamicEvaluation(const LanguageModel& model, const EncodedCorpus& train,
                                     DynamicSettings settings)
    : model_(model), settings_(settings), scales_(scales_of(model, train)) {
  require<ValueError>(settings.rate >= 0 && std::isfinite(settings.rate) && settings.tokens >= 1,
                      "dynamic evaluation: a rate of ", settings.rate, " after ", settings.tokens,
                      " tokens, expected at least 0 and 1");
}

std::vector<double> DynamicEvaluation::log_probabilities(const EncodedCorpus& corpus, bool stream,
                                                         const Advance& advance) const {
  LanguageModel model = model_;
  Optimizer optimizer(model, Scaled{.lr = settings_.rate});
  for (size_t i = 0; i < scales_.size(); ++i) optimizer.states()[i].slots[0].copy_(scales_[i]);
  std::vector<double> out;
  State state = model.rnn.zero(1);
  read_in_pieces(corpus, stream, settings_.tokens, [&](const Batch& piece, bool begins) {
    if (begins) state = model.rnn.zero(1);
    State before = state;
    for (const double nats :
         model.token_losses(piece, &before).value().cast(f64).to_vector<double>())
      out.push_back(-nats);
    learn(model, optimizer, piece, state);
    if (advance) advance(static_cast<int64_t>(out.size()));
  });
  return out;
}

}  // namespace tapestry::lm
