// lm synth: sentences of a built-in corpus, a line each, and how hard they are to predict.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/text/grammar.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace tapestry::lm {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail_output(app::ExitCode code, const std::string& path) {
  throw app::UserError(code, std::strerror(errno), "name another file with -o, or leave it out",
                       path);
}

}  // namespace

void add_options(app::Command& command, SynthSettings& s) {
  command.add_option("--corpus", s.corpus, "English-like sentences, or words of Zipf frequencies")
      ->check(app::one_of({"agreement", "zipf"}));
  command.add_option("--size", s.size, "sentences")->check(app::whole_number(1));
  command.add_option("--types", s.types, "different words of zipf")
      ->check(app::whole_number(1, 10'000'000));
  command.add_option("--seed", s.seed, "of the draws; lm train draws with seed 1")
      ->check(app::whole_number(0));
  command.add_option("-o,--output", s.output, "file (default: standard output)");
  command.footer("Example: lm synth --size 50000 -o sentences.txt");
}

app::ExitCode synth(const SynthSettings& s) {
  const auto source = make_source(s.corpus, s.types);
  std::unique_ptr<std::FILE, CloseFile> file;
  if (!s.output.empty()) {
    file.reset(std::fopen(s.output.c_str(), "wb"));
    if (!file) fail_output(app::ExitCode::cannot_create, s.output);
  }
  std::FILE* const out = file ? file.get() : stdout;

  double log_p = 0;
  int64_t tokens = 0;
  for (int64_t i = 0; i < s.size; ++i) {
    const std::vector<std::string> words = generate(*source, 1, s.seed, i).words(0);
    const std::string line = app::join(words, " ") + "\n";
    if (std::fwrite(line.data(), 1, line.size(), out) != line.size())
      fail_output(app::ExitCode::io_error, file ? s.output : "standard output");
    log_p += source->log_probability(words).value();
    tokens += static_cast<int64_t>(words.size()) + 1;
  }
  if (file && std::fclose(file.release()) != 0) fail_output(app::ExitCode::io_error, s.output);
  const Entropy entropy = source->entropy();
  app::note(
      "{} sentences, {} tokens (ends counted)\n"
      "floor   {:.4f} nats per token: the mean of -ln p of these sentences\n"
      "entropy {:.4f} nats per token, {:.2f} tokens per sentence: of the grammar, exact\n",
      s.size, tokens, -log_p / static_cast<double>(tokens), entropy.per_token(),
      entropy.tokens_per_sentence);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
