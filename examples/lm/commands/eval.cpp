// lm eval: the loss and perplexity of a trained model on text.

#include <fmt/format.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/dynamic.h>
#include <tapestry/examples/lm/ngram/compare.h>
#include <tapestry/examples/lm/ngram/mixture.h>
#include <tapestry/examples/lm/training/training_text.h>

#include <cmath>
#include <optional>

namespace tapestry::lm {

namespace {

/// What `read` returns, which is told where to say how far in `text` it is.
template <class Read>
auto with_progress(const std::string& what, const EncodedCorpus& text, const EvalSettings& s,
                   Read&& read) {
  app::Progress progress(static_cast<double>(text.tokens()), s.common.progress_settings("tok"));
  const auto status = [&] {
    return app::Status{.prefix = what, .fraction = {}, .position = "", .fields = {}};
  };
  auto out = read([&](int64_t done) { progress.update(static_cast<double>(done), status); });
  progress.finish(static_cast<double>(text.tokens()), status());
  return out;
}

/// A text is as long as its sentences with their line ends, whatever tokens it is split into.
double bits_per_byte(const Evaluation& e, const Corpus& corpus) {
  return e.bits_per_token() * static_cast<double>(e.tokens) / static_cast<double>(corpus.bytes);
}

/// What was asked for beside the network as it was trained; losses in nats per token.
struct Beside {
  std::optional<double> dynamic = {};
  std::optional<NgramComparison> ngrams = {};
  Mixture mixture = {}, dynamic_mixture = {};
};

void print_json(const Evaluation& e, const Corpus& corpus, const Beside& b) {
  app::Json out = {{"sentences", e.sentences},
                   {"tokens", e.tokens},
                   {"oov", e.oov},
                   {"loss", e.loss()},
                   {"perplexity", e.perplexity()},
                   {"perplexity_without_unknowns", e.perplexity_without_unknowns()},
                   {"bits_per_token", e.bits_per_token()},
                   {"bytes", corpus.bytes},
                   {"bits_per_byte", bits_per_byte(e, corpus)}};
  if (b.dynamic)
    out["dynamic"] = app::Json{{"loss", *b.dynamic}, {"perplexity", std::exp(*b.dynamic)}};
  if (b.ngrams) {
    out["ngram"] = app::Json{{"order", b.ngrams->order()},
                             {"ngrams", b.ngrams->ngrams()},
                             {"loss", b.ngrams->loss()},
                             {"mixture_loss", b.mixture.both},
                             {"weight_of_network", b.mixture.weight}};
    if (b.dynamic) {
      out["ngram"]["dynamic_mixture_loss"] = b.dynamic_mixture.both;
      out["ngram"]["weight_of_dynamic"] = b.dynamic_mixture.weight;
    }
  }
  fmt::print("{}\n", out.dump(2));
}

void print_table(double network, const Beside& b) {
  fmt::print("{:<26}{:>12}{:>12}\n", "", "loss", "perplexity");
  const auto row = [](const std::string& name, double loss) {
    fmt::print("{:<26}{:>12.4f}{:>12.2f}\n", name, loss, std::exp(loss));
  };
  const std::string ngram = b.ngrams ? fmt::format("{}-gram", b.ngrams->order()) : "";
  if (b.ngrams) row(ngram, b.ngrams->loss());
  row("network", network);
  if (b.ngrams) row("network with " + ngram, b.mixture.both);
  if (b.dynamic) row("dynamic", *b.dynamic);
  if (b.dynamic && b.ngrams) row("dynamic with " + ngram, b.dynamic_mixture.both);
  if (b.dynamic) fmt::print("dynamic: a copy of the network learns from what it has read\n");
  if (!b.ngrams) return;
  const std::string both =
      b.dynamic ? fmt::format(", and {:.3f} where it is dynamic", b.dynamic_mixture.weight) : "";
  const std::string tuned_on = b.ngrams->tuned_on();
  fmt::print(
      "modified Kneser-Ney, {} n-grams of the training text; the network has weight {:.3f}{}{}\n",
      b.ngrams->ngrams(), b.mixture.weight, both,
      tuned_on.empty() ? " (the run held nothing out to tune it on)" : ", tuned on " + tuned_on);
}

void print_text(const Evaluation& e, const Corpus& corpus, const Beside& b) {
  fmt::print(
      "{} sentences, {} tokens, {} unknown ({:.2f}%), {} bytes\n"
      "loss {:.4f} nats per token ({:.4f} bits; {:.4f} bits per byte)\n"
      "perplexity {:.2f}, without unknown tokens {:.2f}\n",
      e.sentences, e.tokens, e.oov,
      100 * static_cast<double>(e.oov) / static_cast<double>(e.tokens), corpus.bytes, e.loss(),
      e.bits_per_token(), bits_per_byte(e, corpus), e.perplexity(),
      e.perplexity_without_unknowns());
  if (b.dynamic || b.ngrams) print_table(e.loss(), b);
}

/// The n-grams of `data` and the model that goes on learning, both as far as they are asked for.
Beside compare(const Run& run, const LanguageModel& model, const Data& data,
               const EncodedCorpus& text, const EvalSettings& s) {
  const bool stream = run.settings.stream;
  Beside out;
  if (s.ngram > 0) {
    out.ngrams.emplace(data, static_cast<int>(s.ngram), text);
    out.mixture = out.ngrams->mix(
        [&](const EncodedCorpus& part) { return log_probabilities(model, part, stream, s.batch); });
  }
  if (!s.dynamic) return out;
  const DynamicEvaluation dynamic(model, data.train, {.rate = s.dynamic_rate});
  const TokenLogs logs = [&](const EncodedCorpus& part) {
    return with_progress("dynamic", part, s, [&](const Advance& advance) {
      return dynamic.log_probabilities(part, stream, advance);
    });
  };
  if (out.ngrams) {
    out.dynamic_mixture = out.ngrams->mix(logs);
    out.dynamic = out.dynamic_mixture.network;
  } else {
    const std::vector<double> all = logs(text);
    out.dynamic = mean_loss(all, all, 1);
  }
  return out;
}

}  // namespace

app::ExitCode eval(const EvalSettings& s) {
  const Run run = Run::open(s.run);
  TextSettings settings = run.settings.input.text;
  settings.max_sentences = s.max_sentences;
  if (!s.format.empty()) settings.format = s.format;
  if (!s.column.empty()) settings.column = s.column;
  const Corpus corpus = read_sentences(s.files, settings);
  if (!s.common.quiet)
    for (const std::string& note : corpus.notes) app::note("input  {}\n", note);
  const EncodedCorpus text = run.vocabulary.encode(corpus);
  const DType dtype = s.dtype.empty() ? run.settings.dtype : s.dtype == "double" ? f64 : f32;
  const LanguageModel model = run.model(dtype);
  std::optional<Data> data;
  if (s.dynamic || s.ngram > 0)
    data = training_text(run, s.dynamic ? "dynamic evaluation" : "n-grams",
                         s.dynamic ? "--dynamic" : "--ngram");
  const Evaluation e = with_progress("eval", text, s, [&](const Advance& advance) {
    return run.settings.stream ? evaluate_stream(model, text, advance)
                               : evaluate(model, text, s.batch, advance);
  });
  const Beside beside = data ? compare(run, model, *data, text, s) : Beside();
  s.json ? print_json(e, corpus, beside) : print_text(e, corpus, beside);
  return app::ExitCode::ok;
}

void add_options(app::Command& command, EvalSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("FILE", s.files, "text to evaluate on (- for standard input)")->required();
  command.add_option("--format", s.format, "what files hold (default: as trained)")
      ->check(app::one_of({"auto", "text", "csv", "tsv"}));
  command.add_option("--column", s.column,
                     "NAME or number of the text in a CSV or TSV file (default: as trained)");
  command.add_option("--batch", s.batch, "sentences at once; does not change the result")
      ->check(app::whole_number(1, 1'000'000));
  command.add_option("--dtype", s.dtype, "compute in float or double (default: as trained)")
      ->check(app::one_of({"float", "double"}));
  command.add_option("--max-sentences", s.max_sentences, "use the first N sentences (0: all)")
      ->check(app::whole_number(0));
  command
      .add_option("--ngram", s.ngram,
                  "also count n-grams of up to N tokens in the training text, and mix both (0: no)")
      ->check(app::whole_number(0, kHighestOrder));
  command.add_flag("--dynamic", s.dynamic,
                   "also let a copy of the model learn from the text as it reads");
  command.add_option("--dynamic-rate", s.dynamic_rate, "how fast it does")->check(app::number(0));
  command.add_flag("--json", s.json, "print the results as one JSON object");
  app::add_common_options(command, s.common);
  command.footer("Example: lm eval runs/lm-20240611-120000 TEXT.txt");
}

}  // namespace tapestry::lm
