#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/text/stream.h>

#include <numeric>

namespace tapestry::lm {
namespace {

constexpr int64_t kLongest = 1000;      // time steps of a batch that is read at once
constexpr int64_t kPieceTokens = 8000;  // of a longer one

}  // namespace

void Evaluation::add(const Batch& batch, const Tensor& token_losses) {
  const Tensor losses = token_losses.cast(f64).to_contiguous();
  total += sum(losses).item();
  const auto targets = batch.targets.read<int32_t>();
  for (size_t i = 0; i < targets.size(); ++i)
    if (targets[i] == Vocabulary::unknown) unknown += losses.read<double>()[i];
}

Evaluation evaluate(const LanguageModel& model, const EncodedCorpus& corpus, int64_t batch,
                    const Advance& advance) {
  const Tape::Pause pause;
  Evaluation out{corpus.sentences(), corpus.tokens(), corpus.oov};
  int64_t done = 0;
  const auto add = [&](const Batch& b, State* state) {
    out.add(b, model.token_losses(b, state).value());
    done += b.tokens();
    if (advance) advance(done);
  };
  for (int64_t first = 0; first < corpus.sentences(); first += batch) {
    std::vector<int64_t> sentences(
        static_cast<size_t>(std::min(batch, corpus.sentences() - first)));
    std::iota(sentences.begin(), sentences.end(), first);
    const Batch whole = make_batch(corpus, sentences);
    if (whole.packing.steps() <= kLongest) {
      add(whole, nullptr);
      continue;
    }
    State state = model.rnn.zero(whole.sentences());
    for (const Batch& piece : pieces(whole, kPieceTokens)) add(piece, &state);
  }
  return out;
}

Evaluation evaluate_stream(const LanguageModel& model, const EncodedCorpus& corpus,
                           const Advance& advance) {
  const Tape::Pause pause;
  constexpr int64_t kSteps = 64;
  const Stream stream(corpus, 1, kSteps);
  Evaluation out{corpus.sentences(), corpus.tokens(), corpus.oov};
  State state = model.rnn.zero(1);
  int64_t done = 0;
  for (int64_t item = 0; item < stream.items(); ++item) {
    const Batch batch = stream.batch(item);
    out.add(batch, model.token_losses(batch, &state).value());
    done += batch.tokens();
    if (advance) advance(done);
  }
  return out;
}

}  // namespace tapestry::lm
