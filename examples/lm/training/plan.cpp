#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/training/plan.h>

#include <fmt/format.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/tensor/blas.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <thread>

namespace tapestry::lm {
namespace {

std::string bytes(double n) {
  return n < 1e6   ? fmt::format("{:.1f} kB", n / 1e3)
         : n < 1e9 ? fmt::format("{:.1f} MB", n / 1e6)
                   : fmt::format("{:.2f} GB", n / 1e9);
}

std::string describe_threads(const TrainSettings& s) {
  const ParallelSettings& p = s.parallel;
  const std::string cores = fmt::format("{} processors", std::thread::hardware_concurrency());
  if (p.simulate > 0) return fmt::format("{} simulated workers on 1 of {}", p.simulate, cores);
  if (p.threads > 1) return fmt::format("{} inside an update, of {}", p.threads, cores);
  if (p.workers == 1) return fmt::format("1 worker on {}", cores);
  return fmt::format("{} workers, {}, on {}", p.workers, policy_name(p.update), cores);
}

/// The words of the batch that takes most memory: the longest sentences.
int64_t largest_batch(const TrainSettings& s, const EncodedCorpus& corpus) {
  if (s.stream) return std::min(s.batch * s.bptt.steps, corpus.tokens());
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < corpus.sentences(); ++i)
    lengths.push_back(static_cast<int64_t>(corpus.inputs(i).size()));
  const auto n = std::min<int64_t>(s.batch, corpus.sentences());
  std::partial_sort(lengths.begin(), lengths.begin() + n, lengths.end(), std::greater());
  const int64_t tokens = std::accumulate(lengths.begin(), lengths.begin() + n, int64_t{0});
  const int64_t most =
      piece_tokens(s.parallel, Packing(std::span(lengths).first(static_cast<size_t>(n))));
  return most > 0 ? std::min(most, tokens) : tokens;
}

/// Says how many sentences are so long that they are trained in pieces; empty for none.
std::string cut_sentences(const TrainSettings& s, const EncodedCorpus& corpus) {
  if (s.stream || in_rounds(s.parallel) || s.parallel.max_item_tokens > 0 ||
      corpus.longest <= kLongestSentence)
    return "";
  int64_t count = 0;
  for (int64_t i = 0; i < corpus.sentences(); ++i)
    count += static_cast<int64_t>(corpus.inputs(i).size()) > kLongestSentence;
  return fmt::format(
      "{} sentence{} of more than {} tokens: an update for each piece, with the state carried on",
      count, count == 1 ? "" : "s", kLongestSentence);
}

/// Bytes of the parameters: all, those that workers share, those with a row for each token.
struct Sizes {
  double all = 0, shared = 0, rows = 0;
};

Sizes print_parameters(const TrainSettings& s) {
  const auto shapes = parameter_shapes(s.model);
  size_t width = 5;
  for (const auto& p : shapes) width = std::max(width, p.name.size());
  const auto row = [&](const std::string& name, const std::string& what, int64_t n) {
    fmt::print("{:<{}}  {:<20}{:>12}\n", name, width, what, n);
  };
  int64_t total = 0, shared = 0, rows = 0;
  for (const auto& [name, shape, of_rows] : shapes) {
    std::ostringstream what;
    what << s.dtype << ' ' << shape;
    row(name, what.str(), shape.numel());
    total += shape.numel();
    if (of_rows) rows += shape.numel();
    if (of_rows && (shape.rank() > 1 || s.sampled())) shared += shape.numel();
  }
  row("total", "", total);
  const auto element = static_cast<double>(size_of(s.dtype));
  return {static_cast<double>(total) * element, static_cast<double>(shared) * element,
          static_cast<double>(rows) * element};
}

void print_amounts(const TrainSettings& s, const Data& data) {
  const int64_t updates = Items(s, data.train).updates();
  const std::string plural = s.epochs == 1 ? "" : "s";
  fmt::print("\ntokens    {} an epoch, {:.0f} in {} epoch{}\n", data.train.tokens(),
             static_cast<double>(data.train.tokens()) * static_cast<double>(s.epochs), s.epochs,
             plural);
  fmt::print("updates   {} an epoch, {} in all\n", updates, updates * s.epochs);
  const auto limit = [](bool set, const std::string& what) { return set ? ", " + what : ""; };
  const std::string limits =
      limit(s.max_steps > 0, fmt::format("{} updates", s.max_steps)) +
      limit(s.max_tokens > 0, fmt::format("{} tokens", s.max_tokens)) +
      limit(s.max_time > 0, app::clock_time(s.max_time)) +
      limit(s.patience > 0, fmt::format("{} epochs without progress", s.patience));
  if (!limits.empty()) fmt::print("limits    {}\n", limits.substr(2));
  if (!s.unigram_bias)
    fmt::print("expected first loss ln {} = {:.3f}\n", s.model.vocabulary,
               std::log(static_cast<double>(s.model.vocabulary)));
  fmt::print("\n");
}

void print_memory(const TrainSettings& s, const Data& data, const Sizes& bytes_of) {
  const ModelShape& m = s.model;
  const int64_t workers = std::max(s.parallel.workers, s.parallel.simulate);
  const auto copies = static_cast<double>(workers);
  // Per token and layer: the input's part, gates, state and output, and as much for errors.
  const auto rows = static_cast<double>(largest_batch(s, data.train));
  const auto width = static_cast<double>(m.hidden);
  const double values =
      rows * (2 * double(m.embed) + double(m.layers) * width * (2 * double(gates(m.cell)) + 6));
  const double slots = bytes_of.rows * make_row_rule(s).slots() +
                       (bytes_of.all - bytes_of.rows) * make_rule(s).slots();
  double sum = 0;
  const auto line = [&](const char* part, double n, const std::string& note = "") {
    sum += n;
    fmt::print("{:<22}{:>10}{}\n", part, bytes(n), note.empty() ? "" : "  " + note);
  };
  line("parameters", bytes_of.all);
  // Of a sampled loss only the rows of candidates and of the words read have gradients.
  const double touched = static_cast<double>(s.samples) + 2 * rows,
               share = std::min(1.0, touched / static_cast<double>(m.vocabulary));
  const double gradients = s.sampled() ? bytes_of.all - bytes_of.rows * (1 - share) : bytes_of.all;
  line("gradients", gradients * copies,
       workers > 1 ? fmt::format("at most, of {} workers", workers) : "at most");
  line("optimizer", slots,
       s.optimizer + (s.row_optimizer.empty() ? "" : ", rows " + s.row_optimizer));
  if (s.parallel.workers > 1 && !in_rounds(s.parallel))
    line("replicas", (bytes_of.all - bytes_of.shared) * copies, "of what workers do not share");
  line("states and activations", values * double(size_of(s.dtype)) * copies,
       fmt::format("estimated, for {:.0f} tokens at once", rows));
  if (!s.adaptive()) {  // the exponentials of a few tokens; of a sampled loss when it is evaluated
    const double lanes = std::min(512.0, rows * double(size_of(s.dtype)));
    line("exact softmax", lanes * static_cast<double>(m.vocabulary) * (s.sampled() ? 1 : copies),
         s.sampled() ? "at most, to evaluate" : "");
  }
  line("text", static_cast<double>(4 * (data.train.ids.size() + data.valid.ids.size())));
  fmt::print("{:<22}{:>10}\n", "memory, about", bytes(sum));
  const double models = s.average_after > 0 ? 2 : 1;  // what trains, and its average
  fmt::print("checkpoint            {:>10}  each, {} kept\n", bytes(models * bytes_of.all + slots),
             s.keep + 1);
}

}  // namespace

void print_banner(const TrainSettings& s, const Data& data, int64_t parameters) {
  const auto part = [&](const char* name, const EncodedCorpus& c, std::optional<double> floor) {
    app::note("{}  {} sentences, {} tokens, longest {}, {:.2f}% unknown", name, c.sentences(),
              c.tokens(), c.longest,
              100 * static_cast<double>(c.oov) / static_cast<double>(c.tokens() - c.sentences()));
    if (floor) app::note(", floor {:.4f}", *floor);
    app::note("\n");
  };
  if (data.entropy)
    app::note("corpus {} (built in), entropy {:.4f} nats per token\n", s.input.corpus,
              *data.entropy);
  for (const std::string& note : data.notes) app::note("note   {}\n", note);
  part("data ", data.train, data.train_floor);
  if (const std::string note = cut_sentences(s, data.train); !note.empty())
    app::note("note   {}\n", note);
  if (data.valid.sentences() > 0) part("valid", data.valid, data.valid_floor);
  if (data.valid.sentences() > 0 && s.input.valid.empty() && s.input.corpus.empty())
    app::note("split  {:g}% of the sentences are held out, by hash\n", 100 * s.input.valid_split);
  app::note("vocab  {} tokens{}\n", data.vocabulary.size(),
            data.vocabulary.size() < s.input.vocab_size ? " (the text has no more)" : "");
  app::note("model  {}, {} parameters\n", describe_model(s), parameters);
  app::note("train  {}\n", describe_training(s));
  if (const std::string choice = describe_choice(s); !choice.empty())
    app::note("       {}\n", choice);
  app::note("on     {}; {}\n", describe_threads(s), blas_description());
  if (!s.output.empty()) app::note("run    {}\n", s.output);
}

int64_t parameter_count(const ModelShape& shape) {
  int64_t count = 0;
  for (const ShapedParameter& p : parameter_shapes(shape)) count += p.shape.numel();
  return count;
}

void print_plan(const TrainSettings& s, const Data& data) {
  const Sizes sizes = print_parameters(s);
  print_amounts(s, data);
  print_memory(s, data, sizes);
}

}  // namespace tapestry::lm
