// lm vocab: the tokens of a text, how much of it the most frequent ones cover, and vocab.txt.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/text/vocabulary.h>

#include <limits>

namespace tapestry::lm {
namespace {

/// A line for each of some sizes of the vocabulary, 1, 2 or 5 times a power of ten, up to all
/// types.
void print_coverage(const Vocabulary& all, int64_t tokens) {
  constexpr int64_t kSpecial = 3, kSteps[] = {10, 20, 50};
  fmt::print("{:>10} {:>12} {:>12} {:>10}\n", "vocabulary", "unknown", "coverage", "last count");
  int64_t covered = 0, size = kSpecial;
  const auto cover = [&](int64_t wanted) {
    for (; size < std::min<int64_t>(wanted, all.size()); ++size)
      covered += all.count(static_cast<int32_t>(size));
    fmt::print("{:>10} {:>12} {:>11.2f}% {:>10}\n", size, tokens - covered,
               100 * static_cast<double>(covered) / static_cast<double>(tokens),
               all.count(static_cast<int32_t>(size - 1)));
  };
  for (int64_t power = 1; size < all.size(); power *= 10)
    for (const int64_t step : kSteps)
      if (size < all.size()) cover(step * power);
}

}  // namespace

void add_options(app::Command& command, VocabSettings& s) {
  command.add_option("FILE", s.files, "text (- for standard input)")->required();
  command.add_option("--vocab-size", s.size, "most frequent tokens written, special ones included")
      ->check(app::whole_number(4, 10'000'000))
      ->group("Tokens");
  command.add_option("--min-count", s.min_count, "tokens rarer than this are not written")
      ->check(app::whole_number(1))
      ->group("Tokens");
  add_text_options(command, s.text);
  command.add_option("-o,--output", s.output, "write the vocabulary: token, tab, count in a line")
      ->group("Output");
  command.footer("Example: lm vocab TEXT.txt --vocab-size 8000 -o vocab.txt");
}

app::ExitCode vocab(const VocabSettings& s) {
  const Corpus corpus = read_sentences(s.files, s.text);
  for (const std::string& note : corpus.notes) app::note("input  {}\n", note);
  const Vocabulary all = Vocabulary::build(corpus, std::numeric_limits<int32_t>::max());
  int64_t once = 0;
  for (int32_t id = Vocabulary::end + 1; id < all.size(); ++id) once += all.count(id) == 1;
  fmt::print("{} sentences, {} tokens, {} types ({} of them once), {} bytes\n\n",
             corpus.sentences(), corpus.tokens(), corpus.types.size(), once, corpus.bytes);
  print_coverage(all, corpus.tokens());
  if (s.output.empty()) return app::ExitCode::ok;
  const Vocabulary kept = Vocabulary::build(corpus, s.size, s.min_count);
  kept.save(s.output);
  fmt::print("\n{} tokens in {}, {} of the text unknown\n", kept.size(), s.output,
             kept.count(Vocabulary::unknown));
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
