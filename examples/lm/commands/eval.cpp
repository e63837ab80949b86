// lm eval: the loss and perplexity of a trained model on text.

#include <fmt/format.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/ngram/compare.h>
#include <tapestry/examples/lm/ngram/counts.h>
#include <tapestry/examples/lm/run.h>

#include <cmath>
#include <optional>

namespace tapestry::lm {

namespace {

Evaluation evaluate_shown(const LanguageModel& model, const EncodedCorpus& text, bool stream,
                          const EvalSettings& s) {
  app::Progress progress(static_cast<double>(text.tokens()), s.common.progress_settings("tok"));
  const auto status = [] {
    return app::Status{.prefix = "eval", .fraction = {}, .position = "", .fields = {}};
  };
  const auto advance = [&](int64_t done) { progress.update(static_cast<double>(done), status); };
  const Evaluation e =
      stream ? evaluate_stream(model, text, advance) : evaluate(model, text, s.batch, advance);
  progress.finish(static_cast<double>(text.tokens()), status());
  return e;
}

/// A text is as long as its sentences with their line ends, whatever tokens it is split into.
double bits_per_byte(const Evaluation& e, const Corpus& corpus) {
  return e.bits_per_token() * static_cast<double>(e.tokens) / static_cast<double>(corpus.bytes);
}

void print_json(const Evaluation& e, const Corpus& corpus,
                const std::optional<NgramComparison>& ngrams) {
  app::Json out = {{"sentences", e.sentences},
                   {"tokens", e.tokens},
                   {"oov", e.oov},
                   {"loss", e.loss()},
                   {"perplexity", e.perplexity()},
                   {"perplexity_without_unknowns", e.perplexity_without_unknowns()},
                   {"bits_per_token", e.bits_per_token()},
                   {"bytes", corpus.bytes},
                   {"bits_per_byte", bits_per_byte(e, corpus)}};
  if (ngrams)
    out["ngram"] = app::Json{{"order", ngrams->order},
                             {"ngrams", ngrams->ngrams},
                             {"loss", ngrams->ngram},
                             {"mixture_loss", ngrams->mixture},
                             {"weight_of_network", ngrams->weight}};
  fmt::print("{}\n", out.dump(2));
}

void print_text(const Evaluation& e, const Corpus& corpus,
                const std::optional<NgramComparison>& ngrams) {
  fmt::print(
      "{} sentences, {} tokens, {} unknown ({:.2f}%), {} bytes\n"
      "loss {:.4f} nats per token ({:.4f} bits; {:.4f} bits per byte)\n"
      "perplexity {:.2f}, without unknown tokens {:.2f}\n",
      e.sentences, e.tokens, e.oov,
      100 * static_cast<double>(e.oov) / static_cast<double>(e.tokens), corpus.bytes, e.loss(),
      e.bits_per_token(), bits_per_byte(e, corpus), e.perplexity(),
      e.perplexity_without_unknowns());
  if (!ngrams) return;
  const NgramComparison& n = *ngrams;
  fmt::print("{:<16}{:>12}{:>12}\n", "", "loss", "perplexity");
  const auto row = [](const std::string& name, double loss) {
    fmt::print("{:<16}{:>12.4f}{:>12.2f}\n", name, loss, std::exp(loss));
  };
  row(fmt::format("{}-gram", n.order), n.ngram);
  row("network", n.network);
  row("mixture", n.mixture);
  fmt::print(
      "modified Kneser-Ney, {} n-grams of the training text; the network has weight {:.3f}"
      "{}\n",
      n.ngrams, n.weight,
      n.tuned_on.empty() ? " (the run held nothing out to tune it on)"
                         : ", tuned on " + n.tuned_on);
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
  const bool stream = run.settings.stream;
  const Evaluation e = evaluate_shown(model, text, stream, s);
  std::optional<NgramComparison> ngrams;
  if (s.ngram > 0)
    ngrams = compare_with_ngrams(
        run, static_cast<int>(s.ngram), text,
        [&](const EncodedCorpus& part) { return log_probabilities(model, part, stream, s.batch); });
  s.json ? print_json(e, corpus, ngrams) : print_text(e, corpus, ngrams);
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
  command.add_flag("--json", s.json, "print the results as one JSON object");
  app::add_common_options(command, s.common);
  command.footer("Example: lm eval runs/lm-20240611-120000 TEXT.txt");
}

}  // namespace tapestry::lm
