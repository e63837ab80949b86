#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/experiments/experiment.h>

#include <csignal>

namespace tapestry::lm {

TrainSettings experiment_settings() {
  const char* words[] = {"lm", "--preset", "reference"};
  TrainSettings s = defaults_of(3, words);
  s.input.size = 5000;
  s.lr = 0.005;
  return s;
}

void add_experiment_options(app::Command& command, TrainSettings& s) {
  using app::number, app::whole_number;
  command.add_option("FILE", s.input.files, "text to train on (default: the built-in zipf)");
  command.add_option("--size", s.input.size, "training sentences of the built-in corpus")
      ->check(whole_number(1, 100'000'000))
      ->group("Input");
  add_text_options(command, s.input.text);
  command.add_option("--vocab-size", s.input.vocab_size, "most frequent tokens kept")
      ->check(whole_number(4, 10'000'000))
      ->group("Tokens");
  add_model_options(command, s.model, s.bptt);
  app::add_choice<DType>(command, "--dtype", s.dtype, {{"float", f32}, {"double", f64}},
                         "element type")
      ->group("Model");
  command.add_option("--lr", s.lr, "learning rate of sgd")->check(number(0))->group("Training");
  command.add_option("--clip-norm", s.clip_norm, "largest gradient norm (0: off)")
      ->check(number(0))
      ->group("Training");
  command.add_option("--seed", s.seed, "of initialisation and order")
      ->check(whole_number(0))
      ->group("Training");
  command
      .add_option("--max-item-tokens", s.parallel.max_item_tokens,
                  "update after this many tokens, carrying the state on (0: after a batch)")
      ->check(whole_number(0))
      ->group("Parallel");
  command
      .add_flag("--damp-stale", s.parallel.damp_stale, "divide the learning rate by 1 + staleness")
      ->group("Parallel");
  command.add_option("-o,--output", s.output, "directory of table and picture (default: in runs/)")
      ->group("Output");
  command.add_flag("--overwrite", s.overwrite, "replace what is in the output directory")
      ->group("Output");
  app::add_common_options(command, s.common);
}

Data read_experiment_data(TrainSettings& s) {
  if (s.input.files.empty()) s.input.corpus = "zipf";
  check_model(s.model, s.bptt);
  Data data = read_data(s.input);
  s.model.vocabulary = data.vocabulary.size();
  if (!s.common.quiet)
    fmt::print(stderr, "data   {} sentences, {} tokens\nmodel  {}, sgd lr {:g}, {}, seed {}\n",
               data.train.sentences(), data.train.tokens(), describe_model(s), s.lr,
               describe_bptt(s.bptt), s.seed);
  return data;
}

void stop_if_interrupted() {
  if (const int signal = app::interrupted())
    throw app::UserError(signal == SIGINT ? app::ExitCode::interrupted : app::ExitCode::terminated,
                         std::string("stopped by ") + (signal == SIGINT ? "SIGINT" : "SIGTERM"));
}

}  // namespace tapestry::lm
