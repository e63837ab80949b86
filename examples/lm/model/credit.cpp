#include <tapestry/examples/lm/model/credit.h>

#include <cmath>

namespace tapestry::lm {

std::vector<double> credit_horizon(const LanguageModel& model, const EncodedCorpus& corpus,
                                   int64_t steps, int64_t most_sentences) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < corpus.sentences(); ++i)
    if (static_cast<int64_t>(corpus.inputs(i).size()) > steps) chosen.push_back(i);
  if (static_cast<int64_t>(chosen.size()) > most_sentences)
    chosen.resize(static_cast<size_t>(most_sentences));
  const auto batch = static_cast<int64_t>(chosen.size());
  if (batch == 0) return {};

  // A zero added to the state behind each step is a parameter whose gradient is the error there.
  Tape tape;
  State state = model.rnn.zero(batch);
  std::vector<std::vector<Parameter>> probes;
  Tensor targets;
  for (int64_t t = 0; t <= steps; ++t) {
    std::vector<int32_t> in, out;
    for (const int64_t s : chosen) {
      in.push_back(corpus.inputs(s)[static_cast<size_t>(t)]);
      out.push_back(corpus.targets(s)[static_cast<size_t>(t)]);
    }
    targets = Tensor::indices(out);
    State next = model.rnn.step(model.input(Tensor::indices(in)), state).state;
    probes.emplace_back();
    state = map_state(std::move(next), [&](const Var& v) {
      Parameter& probe = probes.back().emplace_back(Tensor::zeros(v.shape(), v.dtype()));
      return v + Var(probe);
    });
  }
  tape.backward(model.output_loss(model.rnn.output(state), targets));

  // |error| of each sentence at each step
  const auto norms = [&](const std::vector<Parameter>& at) {
    std::vector<double> squares(chosen.size());
    for (const Parameter& p : at) {
      const auto g = p.grad().dense().cast(f64).to_vector<double>();
      const size_t width = g.size() / chosen.size();
      for (size_t i = 0; i < g.size(); ++i) squares[i / width] += g[i] * g[i];
    }
    for (double& x : squares) x = std::sqrt(x);
    return squares;
  };
  const auto own = norms(probes.back());
  std::vector<double> share;
  for (int64_t k = 0; k <= steps; ++k) {
    const auto there = norms(probes[static_cast<size_t>(steps - k)]);
    double total = 0;
    for (size_t i = 0; i < own.size(); ++i) total += own[i] > 0 ? there[i] / own[i] : 0;
    share.push_back(total / static_cast<double>(batch));
  }
  return share;
}

}  // namespace tapestry::lm
