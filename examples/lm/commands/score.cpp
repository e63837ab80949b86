// lm score: the log-probability of each line, for instance to choose among hypotheses.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/text/tokenizer.h>

#include <cmath>
#include <numbers>
#include <optional>

namespace tapestry::lm {
namespace {

using Losses = std::function<double(const EncodedCorpus&)>;  // the sum over its tokens, nats

/// ln p of the text as one sentence, its end included; nothing where it has no words, is not UTF-8,
/// or holds the name of a begin or end token.
std::optional<double> log_probability(const Run& run, Tokenizer& tokenizer, const Losses& loss,
                                      const Record& record) {
  if (!record.good) return {};
  const std::string text = tokenizer.prepare(record.text);
  const std::vector<std::string_view> words = tokenizer.tokens(text);
  if (words.empty()) return {};
  for (const std::string_view word : words)
    for (const int32_t mark : {Vocabulary::begin, Vocabulary::end})
      if (run.vocabulary.id(word) == mark) return {};
  Corpus sentence;
  sentence.add(words);
  return -loss(run.vocabulary.encode(sentence));
}

}  // namespace

void add_options(app::Command& command, ScoreSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("FILE", s.files, "text, a sentence per line (default: standard input)");
  command.add_option("--unit", s.unit, "logarithm: to base 10, natural, to base 2")
      ->check(app::one_of({"log10", "ln", "bits"}));
  command.footer(
      "Prints a line for each line read (row, of CSV and TSV): the log-probability of the sentence "
      "and its end, or NA.\n"
      "Example: lm score runs/lm-20240611-120000 < TEXT.txt");
}

app::ExitCode score(const ScoreSettings& s) {
  const Run run = Run::open(s.run);
  const double unit = s.unit == "log10"  ? std::numbers::ln10
                      : s.unit == "bits" ? std::numbers::ln2
                                         : 1;
  const Losses loss = with_cell(run.settings.model.cell, [&]<class Cell>() -> Losses {
    return [model = run.model<Cell>(run.settings.dtype)](const EncodedCorpus& sentence) {
      const Batch batch = make_batch(sentence, std::array<int64_t, 1>{0});
      return sum(model.token_losses(batch).value().cast(f64)).item();
    };
  });
  Tokenizer tokenizer(run.settings.input.text);
  int64_t texts = 0, without = 0;
  const auto print = [&](const Record& record) {
    const auto ln_p = log_probability(run, tokenizer, loss, record);
    fmt::print("{}\n", ln_p ? fmt::format("{:.6f}", *ln_p / unit) : "NA");
    std::fflush(stdout);  // a program at the other end may wait for this line
    ++texts, without += !ln_p;
    return true;
  };
  for (const std::string& file : s.files.empty() ? std::vector<std::string>{"-"} : s.files)
    read_records(file, run.settings.input.text, print, BadRecord::mark);
  if (without > 0)
    app::warn("lm", fmt::format("{} of {} lines have no words or are not UTF-8 text: NA", without,
                                texts));
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
