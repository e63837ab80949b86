// lm score: the log-probability of each line, for instance to choose among hypotheses.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <numbers>
#include <optional>

namespace tapestry::lm {
namespace {

using Losses = std::function<double(const EncodedCorpus&)>;  // the sum over its tokens, nats

/// ln p of the line, its end included; nothing where it has no words, is not UTF-8, or holds the
/// name of a begin or end token.
std::optional<double> log_probability(const Run& run, const Losses& loss, std::string_view line) {
  if (first_bad_byte(line) < line.size()) return {};
  const std::string text = run.settings.input.lower ? lower(line) : std::string(line);
  std::vector<std::string_view> words;
  split_at_spaces(text, words);
  if (words.empty()) return {};
  for (const std::string_view word : words)
    for (const int32_t mark : {Vocabulary::begin, Vocabulary::end})
      if (run.vocabulary.id(word) == mark) return {};
  Corpus sentence;
  sentence.add(words);
  return -loss(run.vocabulary.encode(sentence));
}

struct Tally {
  int64_t lines = 0, without = 0;
};

void score_stream(const Run& run, const Losses& loss, double unit, std::istream& in, Tally& tally) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::string line;
  for (bool first = true; std::getline(in, line); first = false, ++tally.lines) {
    std::string_view text = line;
    if (first && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    if (const auto ln_p = log_probability(run, loss, text))
      fmt::print("{:.6f}\n", *ln_p / unit);
    else
      fmt::print("NA\n"), ++tally.without;
    std::fflush(stdout);  // a program at the other end may wait for this line
  }
}

}  // namespace

void add_options(CLI::App& command, ScoreSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("FILE", s.files, "text, a sentence per line (default: standard input)");
  command.add_option("--unit", s.unit, "logarithm: to base 10, natural, to base 2")
      ->check(app::one_of({"log10", "ln", "bits"}));
  command.footer(
      "Prints a line for each line read: the log-probability of the sentence and its end, or NA.\n"
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
  Tally tally;
  for (const std::string& file : s.files.empty() ? std::vector<std::string>{"-"} : s.files) {
    if (file == "-") {
      score_stream(run, loss, unit, std::cin, tally);
      continue;
    }
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    in.peek();  // a directory opens, but cannot be read
    if (in.bad() || !in.is_open())
      fail<FileError>(file, ": cannot read: ", std::strerror(errno ? errno : EIO));
    in.clear();
    score_stream(run, loss, unit, in, tally);
  }
  if (tally.without > 0)
    app::warn("lm", fmt::format("{} of {} lines have no words or are not UTF-8 text: NA",
                                tally.without, tally.lines));
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
