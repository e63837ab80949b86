#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/ngram/compare.h>
#include <tapestry/examples/lm/ngram/kneser_ney.h>
#include <tapestry/examples/lm/ngram/mixture.h>
#include <tapestry/examples/lm/training/fingerprint.h>

#include <algorithm>

namespace tapestry::lm {
namespace {

/// The text the run was trained on and the text it held out, in its vocabulary.
Data text_of(const Run& run) {
  const InputSettings& input = run.settings.input;
  const auto no_text = [&](const std::string& why) {
    return app::UserError(app::ExitCode::no_input,
                          run.directory.string() + ": no n-grams without its training text: " + why,
                          "leave out --ngram, or train on a file");
  };
  if (input.files.empty() && input.corpus.empty()) throw no_text("the model was imported");
  for (const auto* files : {&input.files, &input.valid})
    if (std::find(files->begin(), files->end(), "-") != files->end())
      throw no_text("it was read from standard input");
  InputSettings again = input;
  again.vocab = (run.directory / "vocab.txt").string();
  Data data = [&] {
    try {
      return read_data(again);
    } catch (const FileError& e) {
      throw no_text(e.what());
    }
  }();
  const auto known = run.state.metadata.find("data");
  require<FormatError>(
      known == run.state.metadata.end() || known->second == hex(data.fingerprint()),
      run.directory.string(), ": no n-grams: its training text is not what it was (",
      input.corpus.empty() ? input.files[0] : input.corpus, ")");
  return data;
}

}  // namespace

NgramComparison compare_with_ngrams(const Run& run, int order, const EncodedCorpus& text,
                                    const TokenLogs& network) {
  const Data data = text_of(run);
  const KneserNey counted(data.train, run.vocabulary.size(), order);
  NgramComparison out{.order = order, .ngrams = counted.ngrams()};
  if (data.valid.sentences() > 0) {
    out.weight = mixture_weight(network(data.valid), counted.log_probabilities(data.valid));
    out.tuned_on = fmt::format("{} tokens that the run held out", data.valid.tokens());
  }
  const std::vector<double> a = network(text), b = counted.log_probabilities(text);
  out.network = mean_loss(a, b, 1);
  out.ngram = mean_loss(a, b, 0);
  out.mixture = mean_loss(a, b, out.weight);
  return out;
}

}  // namespace tapestry::lm
