#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/text/stream.h>
#include <tapestry/tensor/reduce.h>

#include <numeric>

namespace tapestry::lm {
namespace {

constexpr int64_t kLongest = 1000;      // time steps of a batch that is read at once
constexpr int64_t kPieceTokens = 8000;  // of a longer one

/// Of a batch, its token losses, and for each sentence of it which of the tokens that the corpus
/// predicts is its first.
using Use = std::function<void(const Batch&, const Tensor& losses, const std::vector<int64_t>&)>;

/// Sentences [first, last) at once.
void read_batch(const LanguageModel& model, const EncodedCorpus& corpus, int64_t first,
                int64_t last, State* state, const Use& use) {
  std::vector<int64_t> sentences(static_cast<size_t>(last - first)), at;
  std::iota(sentences.begin(), sentences.end(), first);
  const Batch whole = make_batch(corpus, sentences);
  for (const int64_t slot : whole.packing.order)
    at.push_back(corpus.offsets[static_cast<size_t>(first + slot)] - (first + slot));
  if (!state && whole.packing.steps() <= kLongest) {
    use(whole, model.token_losses(whole).value(), at);
    return;
  }
  State zero = model.rnn.zero(whole.sentences());
  for (const Batch& piece : pieces(whole, kPieceTokens)) {
    use(piece, model.token_losses(piece, state ? state : &zero).value(), at);
    for (int64_t& token : at) token += piece.packing.steps();
  }
}

void by_sentences(const LanguageModel& model, const EncodedCorpus& corpus, int64_t batch,
                  const Use& use) {
  const Tape::Pause pause;
  const int64_t n = corpus.sentences();
  const auto is_piece = [&](int64_t i) {
    return corpus.continues(i) || (i + 1 < n && corpus.continues(i + 1));
  };
  State state = model.rnn.zero(1);
  for (int64_t first = 0, last = 0; first < n; first = last) {
    const bool piece = is_piece(first);
    if (piece && !corpus.continues(first)) state = model.rnn.zero(1);
    while (++last < n && !piece && last - first < batch && !is_piece(last)) {
    }
    read_batch(model, corpus, first, last, piece ? &state : nullptr, use);
  }
}

void as_stream(const LanguageModel& model, const EncodedCorpus& corpus, const Use& use) {
  const Tape::Pause pause;
  constexpr int64_t kSteps = 64;
  const Stream stream(corpus, 1, kSteps);
  State state = model.rnn.zero(1);
  for (int64_t item = 0; item < stream.items(); ++item) {
    const Batch batch = stream.batch(item);
    use(batch, model.token_losses(batch, &state).value(), {item * kSteps});
  }
}

/// Adds up what `read` hands to its argument.
template <class Read>
Evaluation add_up(const EncodedCorpus& corpus, const Advance& advance, Read&& read) {
  Evaluation out{corpus.sentences(), corpus.tokens(), corpus.oov};
  int64_t done = 0;
  read([&](const Batch& batch, const Tensor& losses, const std::vector<int64_t>&) {
    out.add(batch, losses);
    done += batch.tokens();
    if (advance) advance(done);
  });
  return out;
}

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
  return add_up(corpus, advance, [&](const Use& use) { by_sentences(model, corpus, batch, use); });
}

Evaluation evaluate_stream(const LanguageModel& model, const EncodedCorpus& corpus,
                           const Advance& advance) {
  return add_up(corpus, advance, [&](const Use& use) { as_stream(model, corpus, use); });
}

std::vector<double> log_probabilities(const LanguageModel& model, const EncodedCorpus& corpus,
                                      bool stream, int64_t batch) {
  std::vector<double> out(static_cast<size_t>(corpus.tokens()));
  const Use use = [&](const Batch& b, const Tensor& losses, const std::vector<int64_t>& at) {
    const auto values = losses.cast(f64).to_vector<double>();
    const Packing& p = b.packing;
    for (int64_t t = 0, row = 0; t < p.steps(); ++t)
      for (int64_t slot = 0; slot < p.counts[static_cast<size_t>(t)]; ++slot, ++row)
        out[static_cast<size_t>(at[static_cast<size_t>(slot)] + t)] =
            -values[static_cast<size_t>(row)];
  };
  if (stream)
    as_stream(model, corpus, use);
  else
    by_sentences(model, corpus, batch, use);
  return out;
}

}  // namespace tapestry::lm
