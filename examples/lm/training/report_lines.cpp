#include <fmt/format.h>
#include <tapestry/examples/lm/model/sampling.h>
#include <tapestry/examples/lm/text/tokenizer.h>
#include <tapestry/examples/lm/training/report_lines.h>
#include <tapestry/tensor/reduce.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {

std::string perplexity(double loss, int decimals) {
  const double value = std::exp(loss);
  return value < 1e7 ? fmt::format("{:.{}f}", value, decimals) : fmt::format("{:.2g}", value);
}

std::string describe_loss(const char* what, double loss, std::optional<double> floor) {
  const std::string out = fmt::format("{} {:.4f}", what, loss);
  return out + (floor ? fmt::format(", {:.3f} above the floor {:.3f}", loss - *floor, *floor)
                      : "  ppl " + perplexity(loss));
}

std::string describe_losses(const TrainSettings& s, const Position& position, const Data& data) {
  const std::string out = s.sampled()
                              ? fmt::format("sampled loss {:.4f}", position.train_loss)
                              : describe_loss("loss", position.train_loss, data.train_floor);
  if (!position.valid_loss) return out;
  return out + "  " + describe_loss("held out", *position.valid_loss, data.valid_floor);
}

StatusNumbers status_numbers(const TrainSettings& s, const Data& data, const Position& position,
                             double loss, double lr, std::optional<double> grad_norm,
                             double clip_rate) {
  return {.sampled = s.sampled(),
          .epochs = s.epochs,
          .epoch_share = static_cast<double>(position.of_epoch.tokens) /
                         static_cast<double>(data.train.tokens()),
          .loss = loss,
          .floor = data.train_floor,
          .lr = lr,
          .grad_norm = grad_norm,
          .clip_rate = clip_rate};
}

app::Status training_status(const StatusNumbers& n, const Position& position) {
  app::Status out;
  out.prefix = fmt::format("epoch {}/{}", std::min(position.epoch + 1, n.epochs), n.epochs);
  out.fraction = position.epoch == n.epochs ? 1 : n.epoch_share;
  out.position = fmt::format("step {}", position.updates);
  const std::string loss = fmt::format("{}loss {:.3f}", n.sampled ? "sampled " : "", n.loss);
  if (n.sampled)
    out.fields = {loss};
  else if (n.floor)
    out.fields = {fmt::format("{:.3f} above the floor {:.3f}", n.loss - *n.floor, *n.floor), loss};
  else
    out.fields = {loss, "ppl " + perplexity(n.loss)};
  out.fields.push_back(fmt::format("lr {:.3g}", n.lr));
  if (n.grad_norm)
    out.fields.push_back(fmt::format("|g| {:.2f} (clip {:.0f}%)", *n.grad_norm, 100 * n.clip_rate));
  return out;
}

namespace {

/// The loss of a model that knows only the biases of its softmax, and its tails; nothing where it
/// is ln V.
std::optional<double> loss_of_biases(const LanguageModel& model, const Tensor& targets) {
  if (model.softmax.adaptive.defined()) {
    const int64_t hidden = model.softmax.adaptive.head.shape()[1];
    const Tensor nothing =
        Tensor::zeros({targets.numel(), hidden}, model.softmax.adaptive.head.value().dtype());
    return mean(model.softmax.token_losses(nothing, {}, targets).value()).item();
  }
  const Parameter& bias = model.softmax.bias;
  if (!bias.defined() || squared_norm(bias.value()) == 0) return {};
  const std::vector<double> z = bias.value().cast(f64).to_vector<double>();
  double sum = 0, of_targets = 0;
  for (const double x : z) sum += std::exp(x);
  for (const int32_t target : targets.read<int32_t>()) of_targets += z[static_cast<size_t>(target)];
  return std::log(sum) - of_targets / static_cast<double>(targets.numel());
}

}  // namespace

std::vector<std::string> first_loss(const LanguageModel& model, const EncodedCorpus& text) {
  constexpr int64_t kSentences = 32, kTokens = 8000, kLogits = 200'000'000;
  const int64_t words = model.input.table.shape()[0];
  std::vector<int64_t> first;
  for (int64_t i = 0; i < std::min(kSentences, text.sentences()); ++i) first.push_back(i);
  const Batch batch =
      pieces(make_batch(text, first), std::clamp<int64_t>(kLogits / words, 1, kTokens)).front();
  const double loss = mean(model.token_losses(batch).value()).item();
  const double uniform = std::log(static_cast<double>(words));
  const double known = loss_of_biases(model, batch.targets).value_or(uniform);
  const char* const name = known == uniform ? "ln V" : "that of its biases";
  std::vector<std::string> out{fmt::format("first loss {:.3f}, {} {:.3f}", loss, name, known)};
  if (!(std::abs(loss - known) < 0.1 * uniform))
    out.push_back(fmt::format(
        "warning: the first loss is far from {}; is the initialisation too wide?", name));
  return out;
}

std::string describe_staleness(const ServerStats& stats) {
  return fmt::format("stale p50 {} p99 {}", stats.staleness_quantile(0.5),
                     stats.staleness_quantile(0.99));
}

std::vector<std::string> samples(const LanguageModel& model, const Vocabulary& vocabulary,
                                 const TextSettings& text, uint64_t seed) {
  const Reader read = reader(model);
  const Tokenizer tokenizer(text);
  std::vector<std::string> out;
  for (uint64_t i = 0; i < 2; ++i) {
    Rng rng(seed, (uint64_t{1} << 50) + i);
    std::vector<std::string> words;
    for (const int32_t id : sample_sentence(read, {}, {.length = 30}, rng))
      words.push_back(vocabulary.token(id));
    out.push_back(tokenizer.join(words));
  }
  return out;
}

}  // namespace tapestry::lm
