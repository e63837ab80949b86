// lm sample: sentences drawn from a trained model.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/tokenizer.h>

namespace tapestry::lm {
namespace {

std::vector<int32_t> encode_prompt(const Run& run, const std::string& prompt) {
  if (first_bad_byte(prompt) < prompt.size())
    throw app::UserError(app::ExitCode::usage, "--prompt is not UTF-8 text", "");
  Tokenizer tokenizer(run.settings.input.text);
  const std::string text = tokenizer.prepare(prompt);
  const std::vector<std::string_view> words = tokenizer.tokens(text);
  std::vector<int32_t> ids;
  std::vector<std::string> unknown;
  for (const std::string_view word : words) {
    ids.push_back(run.vocabulary.id(word));
    if (ids.back() == Vocabulary::begin || ids.back() == Vocabulary::end)
      throw app::UserError(
          app::ExitCode::usage,
          fmt::format("--prompt holds '{}', which marks an end of a sentence", word),
          "leave it out");
    if (ids.back() == Vocabulary::unknown) unknown.push_back(fmt::format("'{}'", word));
  }
  if (!unknown.empty())
    app::warn("lm",
              fmt::format("the model does not know {} of the prompt and reads {} instead",
                          app::join(unknown, ", "), run.vocabulary.token(Vocabulary::unknown)));
  return ids;
}

}  // namespace

void add_options(app::Command& command, SampleSettings& s) {
  using app::number, app::whole_number;
  Sampling& draw = s.sampling;
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("--n", s.n, "sentences")->check(whole_number(1));
  command.add_option("--prompt", s.prompt, "TEXT that every sentence begins with");
  command.add_option("--length", draw.length, "most words of a sentence")->check(whole_number(1));
  command.add_option("--min-length", draw.min_length, "fewest words of a sentence")
      ->check(whole_number(0));
  command
      .add_option("--temperature", draw.temperature,
                  "below 1 more probable words, above 1 more variety; 0: the most probable word")
      ->check(number(0));
  command.add_option("--top-k", draw.top_k, "draw among the K most probable words (0: all)")
      ->check(whole_number(0));
  command
      .add_option("--top-p", draw.top_p, "draw among the fewest words of this probability together")
      ->check(number(0, 1, app::Ends::open_low));
  command.add_flag("!--no-unk,--allow-unk", draw.unknown, "whether the unknown token may be drawn")
      ->default_str("no");
  command.add_option("--seed", s.seed, "of the draws")->check(whole_number(0));
  command.footer("Example: lm sample runs/lm-20240611-120000 --n 20 --temperature 0.8");
}

app::ExitCode sample(const SampleSettings& s) {
  if (s.sampling.min_length > s.sampling.length)
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("--min-length {} is more than --length {}",
                                     s.sampling.min_length, s.sampling.length),
                         "raise --length");
  const Run run = Run::open(s.run);
  const std::vector<int32_t> prompt = encode_prompt(run, s.prompt);
  const Reader read = reader(run.model());
  const Tokenizer tokenizer(run.settings.input.text);
  for (int64_t i = 0; i < s.n; ++i) {
    Rng rng(s.seed, static_cast<uint64_t>(i));  // sentence i is the same whatever --n
    std::vector<std::string> words;
    for (const int32_t id : sample_sentence(read, prompt, s.sampling, rng))
      words.push_back(run.vocabulary.token(id));
    fmt::print("{}\n", tokenizer.join(words));
  }
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
