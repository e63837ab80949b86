// lm score: the log-probability of each line, for instance to choose among hypotheses.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/text/tokenizer.h>

#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

namespace tapestry::lm {
namespace {

using Loss = std::function<double(const EncodedCorpus&)>;  // the sum over its tokens, nats

/// A line as one sentence, put together from its parts.
class Line {
 public:
  Line(const Vocabulary& vocabulary, const TextSettings& settings)
      : vocabulary_(vocabulary), tokenizer_(settings) {}

  void add(const Record& record) {
    good_ = good_ && record.good;
    if (!good_) return;
    const std::string text = tokenizer_.prepare(record.text);
    const bool begins = sentence_.sentences() == 0;
    const std::vector<std::string_view> words = tokenizer_.tokens(text, begins);
    for (const std::string_view word : words)
      for (const int32_t mark : {Vocabulary::begin, Vocabulary::end})
        good_ = good_ && vocabulary_.id(word) != mark;
    sentence_.add_part(words, begins);
  }
  /// Its ln p, the end included, after which another line begins; nothing where it has no words, is
  /// not UTF-8, or holds the name of a begin or end token.
  std::optional<double> finish(const Loss& loss) {
    const Corpus sentence = std::exchange(sentence_, {});
    if (!std::exchange(good_, true) || sentence.sentences() == 0) return {};
    return -loss(vocabulary_.encode(sentence));
  }

 private:
  const Vocabulary& vocabulary_;
  Tokenizer tokenizer_;
  Corpus sentence_;
  bool good_ = true;
};

}  // namespace

void add_options(app::Command& command, ScoreSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("FILE", s.files, "text, a sentence per line (default: standard input)");
  command.add_option("--unit", s.unit, "logarithm: to base 10, natural, to base 2")
      ->check(app::one_of({"log10", "ln", "bits"}));
  command.footer(
      "Prints a line for each line read (row, of CSV and TSV): the log-probability of the "
      "sentence\n"
      "and its end, or NA.\n"
      "Example: lm score runs/lm-20240611-120000 < TEXT.txt");
}

app::ExitCode score(const ScoreSettings& s) {
  const Run run = Run::open(s.run);
  const double unit = s.unit == "log10"  ? std::numbers::ln10
                      : s.unit == "bits" ? std::numbers::ln2
                                         : 1;
  const LanguageModel model = run.model();
  const Loss loss = [&](const EncodedCorpus& sentence) { return evaluate(model, sentence).total; };
  Line line(run.vocabulary, run.settings.input.text);
  int64_t texts = 0, without = 0;
  const auto print = [&](const Record& record) {
    line.add(record);
    if (!record.ends) return true;
    const auto ln_p = line.finish(loss);
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
