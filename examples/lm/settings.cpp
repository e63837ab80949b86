#include <tapestry/examples/lm/settings.h>

#include <tapestry/examples/common/exit_code.h>

#include <string_view>

namespace tapestry::lm {
namespace {

/// The system of the reference: the tanh RNN of a well-known tutorial (Britz, 2015) as its parallel
/// server trained it. One-hot input, no biases, nothing held out.
TrainSettings reference_preset() {
  TrainSettings s;
  s.preset = "reference";
  s.valid_split = 0;
  s.model.bias = false;
  s.schedule = "plateau";
  return s;
}

}  // namespace

TrainSettings preset_of(int argc, const char* const* argv) {
  TrainSettings s;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view name = word == "--preset" && i + 1 < argc ? argv[i + 1]
                                  : word.starts_with("--preset=")    ? word.substr(9)
                                                                     : "";
    if (name == "reference") s = reference_preset();
  }
  return s;
}

void add_train_options(CLI::App& command, TrainSettings& s) {
  using app::number, app::whole_number, app::one_of;
  command.add_option("FILE", s.files, "text to train on (- for standard input)");

  const std::string input = "Input";
  command.add_option("--valid", s.valid, "held-out text")->group(input);
  command.add_option("--valid-split", s.valid_split, "share of the sentences held out, by hash")
      ->check(number(0, 0.5))
      ->group(input);
  command.add_flag("--lower", s.input.lower, "lower-case the text")->group(input);
  command
      .add_flag("--split-sentences", s.input.split_sentences,
                "drop headings (= ...), end sentences after a lone . ! or ?")
      ->group(input);
  command
      .add_option("--max-sentences", s.input.max_sentences, "use the first N sentences (0: all)")
      ->check(whole_number(0))
      ->group(input);
  command
      .add_option("--vocab-size", s.vocab_size, "most frequent tokens kept, special ones included")
      ->check(whole_number(4, 10'000'000))
      ->group(input);
  command.add_option("--min-count", s.min_count, "tokens rarer than this are unknown")
      ->check(whole_number(1))
      ->group(input);

  const std::string model = "Model";
  command.add_option("--cell", s.model.cell, "recurrent cell")
      ->check(one_of({"rnn", "lstm", "gru"}))
      ->group(model);
  command.add_option("--hidden", s.model.hidden, "units in a layer")
      ->check(whole_number(1, 65536))
      ->group(model);
  command.add_option("--layers", s.model.layers, "recurrent layers")
      ->check(whole_number(1, 64))
      ->group(model);
  command.add_option("--embed", s.model.embed, "width of the embedding (0: one-hot input)")
      ->check(whole_number(0, 65536))
      ->group(model);
  command.add_flag("--bias,!--no-bias", s.model.bias, "biases in the cells and the softmax")
      ->group(model);
  command.add_flag("--tied", s.model.tied, "softmax and embedding share their weights")
      ->group(model);
  command.add_option("--dropout", s.dropout, "probability of dropping a unit")
      ->check(number(0, 1, app::Ends::open_high))
      ->group(model);
  app::add_choice<DType>(command, "--dtype", s.dtype, {{"float", f32}, {"double", f64}},
                         "element type")
      ->group(model);

  const std::string training = "Training";
  command.add_option("--preset", s.preset, "defaults of a known system")
      ->check(one_of({"reference"}))
      ->group(training);
  command.add_option("--bptt", s.bptt.steps, "transitions an error flows back")
      ->check(whole_number(0))
      ->group(training);
  app::add_choice<BpttMode>(
      command, "--bptt-mode", s.bptt.mode,
      {{"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}},
      "how back-propagation is truncated")
      ->group(training);
  command.add_option("--batch", s.batch, "sentences per update")
      ->check(whole_number(1, 1'000'000))
      ->group(training);
  command.add_flag("--shuffle,!--no-shuffle", s.shuffle, "another order in each epoch")
      ->group(training);
  command.add_option("--optimizer", s.optimizer, "update rule")
      ->check(one_of({"sgd", "adam", "adamw", "rmsprop", "adagrad"}))
      ->group(training);
  command.add_option("--lr", s.lr, "learning rate (0: 0.005 for sgd, 0.001 for others)")
      ->check(number(0))
      ->group(training);
  command.add_option("--momentum", s.momentum, "of sgd")
      ->check(number(0, 1, app::Ends::open_high))
      ->group(training);
  command.add_option("--weight-decay", s.weight_decay, "of sgd and adamw")
      ->check(number(0))
      ->group(training);
  command.add_option("--clip-norm", s.clip_norm, "largest gradient norm (0: off)")
      ->check(number(0))
      ->group(training);
  command
      .add_option("--schedule", s.schedule,
                  "learning rate over time; plateau halves it when the loss rises")
      ->check(one_of({"constant", "plateau", "step", "cosine"}))
      ->group(training);
  command.add_option("--warmup", s.warmup, "updates of linear warm-up")
      ->check(whole_number(0))
      ->group(training);
  command.add_option("--epochs", s.epochs, "passes over the text")
      ->check(whole_number(1))
      ->group(training);
  command.add_option("--seed", s.seed, "of initialisation, order and dropout")
      ->check(whole_number(0))
      ->group(training);

  const std::string output = "Output";
  command.add_option("-o,--output", s.output, "run directory (default: a new one below runs/)")
      ->group(output);
  command.add_flag("--overwrite", s.overwrite, "replace the run in the output directory")
      ->group(output);
  command.add_flag("--json", s.json, "print the results as one JSON object")->group(output);
  app::add_common_options(command, s.common);
  command.footer("Example: lm train --preset reference --split-sentences --lower TEXT.txt");
}

void check(const TrainSettings& s) {
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw app::UserError(app::ExitCode::usage, what, hint);
  };
  if (s.files.empty()) refuse("no text to train on", "name a FILE, or - for standard input");
  if (s.model.tied && s.model.embed != s.model.hidden)
    refuse("--tied needs an embedding as wide as the hidden layer",
           "add --embed " + std::to_string(s.model.hidden));
  if (s.momentum > 0 && s.optimizer != "sgd")
    refuse("--momentum belongs to --optimizer sgd", "leave it out");
  if (s.weight_decay > 0 && s.optimizer != "sgd" && s.optimizer != "adamw")
    refuse("--weight-decay belongs to --optimizer sgd and adamw", "choose one of these");
  if (s.bptt.mode == BpttMode::chunk && s.bptt.steps < 1)
    refuse("--bptt-mode chunk needs --bptt of at least 1", "it is the length of a window");
}

void add_eval_options(CLI::App& command, EvalSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("FILE", s.files, "text to evaluate on (- for standard input)")->required();
  command.add_option("--batch", s.batch, "sentences at once; does not change the result")
      ->check(app::whole_number(1, 1'000'000));
  command.add_option("--dtype", s.dtype, "compute in float or double (default: as trained)")
      ->check(app::one_of({"float", "double"}));
  command.add_option("--max-sentences", s.max_sentences, "use the first N sentences (0: all)")
      ->check(app::whole_number(0));
  command.add_flag("--json", s.json, "print the results as one JSON object");
  app::add_common_options(command, s.common);
  command.footer("Example: lm eval runs/lm-20240611-120000 TEXT.txt");
}

}  // namespace tapestry::lm
