#include <tapestry/examples/lm/train_options.h>

#include <tapestry/examples/common/options.h>

namespace tapestry::lm {
namespace {

using app::number, app::whole_number, app::one_of;

void add_input_options(app::Command& command, TrainSettings& s) {
  const std::string input = "Input";
  command.add_option("--corpus", s.input.corpus, "a built-in corpus instead of files")
      ->check(one_of({"agreement", "zipf"}))
      ->group(input);
  command.add_option("--size", s.input.size, "training sentences of the built-in corpus")
      ->check(whole_number(1, 100'000'000))
      ->group(input);
  command.add_option("--valid", s.input.valid, "held-out text")->group(input);
  command
      .add_option("--valid-split", s.input.valid_split,
                  "share of the sentences held out, by hash; of --size, drawn besides, if built in")
      ->check(number(0, 0.5))
      ->group(input);
  command
      .add_option(
          "--stream", s.input.stream,
          "keep the text on disk, shuffle blocks of N sentences and each in itself (0: off)")
      ->check(whole_number(0))
      ->group(input);
  add_text_options(command, s.input.text);
  command
      .add_option("--vocab-size", s.input.vocab_size,
                  "most frequent tokens kept, special ones included")
      ->check(whole_number(4, 10'000'000))
      ->group("Tokens");
  command.add_option("--min-count", s.input.min_count, "tokens rarer than this are unknown")
      ->check(whole_number(1))
      ->group("Tokens");
  command
      .add_option("--vocab", s.input.vocab, "a vocabulary instead of counting: what lm vocab wrote")
      ->group("Tokens");
}

void add_learning_options(app::Command& command, TrainSettings& s) {
  const std::string training = "Training";
  command.add_option("--batch", s.batch, "sentences per update")
      ->check(whole_number(1, 1'000'000))
      ->group(training);
  command.add_flag("--shuffle,!--no-shuffle", s.shuffle, "another order in each epoch")
      ->group(training);
  command
      .add_option("--group-lengths", s.group_lengths,
                  "sentences of like length share an update: sorted within N updates (0: off)")
      ->check(whole_number(0))
      ->group(training);
  command.add_option("--optimizer", s.optimizer, "update rule")
      ->check(one_of({"sgd", "adam", "adamw", "rmsprop", "adagrad"}))
      ->group(training);
  command.add_option("--lr", s.lr, "learning rate (0: 0.005 for sgd, 0.001 for others)")
      ->check(number(0))
      ->group(training);
  command
      .add_option("--row-optimizer", s.row_optimizer,
                  "update rule of embedding and softmax (default: that of --optimizer)")
      ->check(one_of({"sgd", "adam", "adamw", "rmsprop", "adagrad"}))
      ->group(training);
  command.add_option("--row-lr", s.row_lr, "its learning rate (0: 0.1 for adagrad, else as --lr)")
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
      ->check(one_of({"constant", "plateau", "step", "cosine", "linear"}))
      ->group(training);
  command.add_option("--warmup", s.warmup, "updates of linear warm-up")
      ->check(whole_number(0))
      ->group(training);
  app::add_count(command, "--schedule-steps", s.schedule_steps,
                 "updates over which the schedule runs (0: those of all epochs)")
      ->group(training);
  command
      .add_option(
          "--average-after", s.average_after,
          "when the held-out loss has not fallen for N epochs, the model becomes the average "
          "of its weights from then on (0: never)")
      ->check(whole_number(0))
      ->group(training);
  app::add_choice<bool>(command, "--state", s.stream, {{"sentence", false}, {"stream", true}},
                        "where a sentence begins: at zero, or in the state of the one before it")
      ->group(training);
}

void add_limits(app::Command& command, TrainSettings& s) {
  const std::string training = "Training";
  command.add_option("--epochs", s.epochs, "passes over the text")
      ->check(whole_number(1))
      ->group(training);
  app::add_count(command, "--max-steps", s.max_steps, "stop after this many updates (0: epochs)")
      ->group(training);
  app::add_count(command, "--max-tokens", s.max_tokens, "stop after this many tokens (0: epochs)")
      ->group(training);
  app::add_duration(command, "--max-time", s.max_time, "stop after this time (0: epochs)")
      ->group(training);
  command
      .add_option("--patience", s.patience,
                  "stop when the held-out loss has not fallen for N epochs (0: never)")
      ->check(whole_number(0))
      ->group(training);
  command.add_option("--seed", s.seed, "of initialisation, order and dropout")
      ->check(whole_number(0))
      ->group(training);
}

void add_parallel_options(app::Command& command, TrainSettings& s) {
  const std::string parallel = "Parallel";
  ParallelSettings& p = s.parallel;
  command.add_option("--workers", p.workers, "workers of the parameter server")
      ->check(whole_number(1, 1024))
      ->group(parallel);
  app::add_choice<UpdatePolicy>(command, "--update", p.update, update_policies(),
                                "how workers share their updates")
      ->group(parallel);
  command.add_option("--staleness", p.staleness, "items a worker may be ahead, for --update ssp")
      ->check(whole_number(0))
      ->group(parallel);
  command.add_option("--shards", p.shards, "locks per large parameter")
      ->check(whole_number(1, 65536))
      ->group(parallel);
  command.add_option("--simulate", p.simulate, "train as N virtual workers on one core (0: off)")
      ->check(whole_number(0, 1024))
      ->group(parallel);
  command
      .add_option("--max-item-tokens", p.max_item_tokens,
                  "update after this many tokens, carrying the state on (0: after a batch)")
      ->check(whole_number(0))
      ->group(parallel);
  command.add_flag("--damp-stale", p.damp_stale, "divide the learning rate by 1 + staleness")
      ->group(parallel);
  command.add_option("--threads", p.threads, "threads inside one update")
      ->check(whole_number(1, 256))
      ->group(parallel);
  command.add_option("--record", p.record, "write the schedule of the workers to a file")
      ->group(parallel);
  command.add_option("--replay", p.replay, "repeat a recorded schedule to the same bits")
      ->group(parallel);
}

void add_rank_options(app::Command& command, TrainSettings& s) {
  const std::string ranks = "Ranks (several processes under mpirun or srun; docs/cluster.md)";
  ParallelSettings& p = s.parallel;
  app::add_choice<Between>(command, "--between", p.between, between_names(),
                           "what ranks share: changes now and then, or the gradients of each round")
      ->group(ranks);
  add_exchange_options(command, p, ranks);
  app::add_choice<bool>(command, "--exchange-by", p.exchange_by_items,
                        {{"time", false}, {"items", true}},
                        "whether a slow rank does less until an exchange, or all wait for it")
      ->group(ranks);
  command
      .add_option("--nodes", p.nodes, "with --dry-run: what so many machines would take (0: none)")
      ->check(whole_number(0, 100000))
      ->group(ranks);
}

void add_output_options(app::Command& command, TrainSettings& s) {
  const std::string output = "Output";
  command.add_option("-o,--output", s.output, "run directory (default: a new one below runs/)")
      ->group(output);
  command.add_flag("--overwrite", s.overwrite, "replace the run in the output directory")
      ->group(output);
  command.add_flag("--resume", s.resume, "continue the run in the output directory")->group(output);
  app::add_count(command, "--save-every", s.save_every,
                 "updates between checkpoints (0: after each epoch)")
      ->group(output);
  command.add_option("--keep", s.keep, "checkpoints kept, besides the best")
      ->check(whole_number(1))
      ->group(output);
  app::add_count(command, "--sample-every", s.sample_every,
                 "updates between sentences of the model in the log (0: none)")
      ->group(output);
  command.add_flag("--dry-run", s.dry_run, "print the plan of the run and stop")->group(output);
  command
      .add_flag("--verify-resume", s.verify_resume,
                "first prove that a resumed run repeats an uninterrupted one to the bit")
      ->group(output);
  command.add_flag("--json", s.json, "print the results as one JSON object")->group(output);
}

}  // namespace

void add_exchange_options(app::Command& command, ParallelSettings& p, const std::string& group) {
  command
      .add_option("--exchange-every", p.exchange_every,
                  "tokens of a rank between exchanges, for --between local; more ranks need "
                  "fewer")
      ->check(whole_number(1))
      ->group(group);
  app::add_choice<OuterStep>(
      command, "--outer", p.outer, outer_names(),
      "what becomes of the ranks' changes: their mean, their sum, the sum of what "
      "differs, or a mean with momentum")
      ->group(group);
  command.add_option("--outer-rate", p.outer_rate, "factor of the mean, for average and momentum")
      ->check(number(0, 100, app::Ends::open_low))
      ->group(group);
  command
      .add_option("--outer-momentum", p.outer_momentum,
                  "of --outer momentum (0: 1 - 1 / the number of ranks)")
      ->check(number(0, 1, app::Ends::open_high))
      ->group(group);
  command.add_option("--network", p.network, "what connects them: 1g, 10g, 100g bits per second")
      ->group(group);
}

void add_model_options(app::Command& command, ModelShape& model, Bptt& bptt) {
  const std::string group = "Model";
  command.add_option("--cell", model.cell, "recurrent cell")
      ->check(app::one_of({"rnn", "lstm", "gru"}))
      ->group(group);
  command.add_option("--hidden", model.hidden, "units in a layer")
      ->check(whole_number(1, 65536))
      ->group(group);
  command.add_option("--layers", model.layers, "recurrent layers")
      ->check(whole_number(1, 64))
      ->group(group);
  command.add_option("--embed", model.embed, "width of the embedding (0: one-hot input)")
      ->check(whole_number(0, 65536))
      ->group(group);
  command.add_flag("--bias,!--no-bias", model.bias, "biases in the cells and the softmax")
      ->group(group);
  command.add_flag("--tied,!--no-tied", model.tied, "softmax and embedding share their weights")
      ->group(group);
  command.add_option("--bptt", bptt.steps, "transitions an error flows back")
      ->check(whole_number(0))
      ->group(group);
  app::add_choice<BpttMode>(
      command, "--bptt-mode", bptt.mode,
      {{"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}},
      "how back-propagation is truncated: a window for each output, windows side by side, not")
      ->group(group);
}

void add_objective_options(app::Command& command, std::string& softmax, int64_t& samples,
                           std::vector<int64_t>& cutoffs) {
  command
      .add_option(
          "--softmax", softmax,
          "over all words, in training over some that are drawn, or with rare words in tails")
      ->check(one_of({"full", "sampled", "adaptive"}))
      ->group("Model");
  command
      .add_option(
          "--cutoffs", cutoffs,
          "words with which the tails of --softmax adaptive begin (default: by their number)")
      ->check(whole_number(1))
      ->group("Model");
  command.add_option("--samples", samples, "words drawn for an update of --softmax sampled")
      ->check(whole_number(1))
      ->group("Model");
}

void add_options(app::Command& command, TrainSettings& s) {
  command.add_option("FILE", s.input.files, "text to train on (- for standard input)");
  command
      .add_option("--preset", s.preset,
                  "defaults: of a known system, or chosen for a minute or ten (fast, quality)")
      ->check(one_of({"reference", "demo", "fast", "quality"}));
  command.add_flag("--quality", s.quality, "--preset quality");

  add_input_options(command, s);
  add_model_options(command, s.model, s.bptt);
  command.add_option("--dropout", s.dropout, "probability of dropping a unit")
      ->check(number(0, 1, app::Ends::open_high))
      ->group("Model");
  command
      .add_flag("--locked-dropout,!--no-locked-dropout", s.locked_dropout,
                "with one mask for all words of a sentence")
      ->group("Model");
  command.add_option("--weight-drop", s.weight_drop, "probability of dropping a recurrent weight")
      ->check(number(0, 1, app::Ends::open_high))
      ->group("Model");
  command
      .add_option("--zoneout", s.zoneout, "probability that a unit of the state stays as it was")
      ->check(number(0, 1, app::Ends::open_high))
      ->group("Model");
  add_objective_options(command, s.softmax, s.samples, s.model.cutoffs);
  command
      .add_flag("--unigram-bias,!--no-unigram-bias", s.unigram_bias,
                "biases of the softmax begin at the words' log frequencies")
      ->group("Model");
  app::add_choice<DType>(command, "--dtype", s.dtype, {{"float", f32}, {"double", f64}},
                         "element type")
      ->group("Model");
  add_learning_options(command, s);
  add_limits(command, s);
  add_parallel_options(command, s);
  add_rank_options(command, s);
  add_output_options(command, s);
  app::add_common_options(command, s.common);
  command.footer(
      "Without options on model and training they are chosen by the size of the text (fast).\n"
      "Examples: lm train --preset demo\n"
      "          lm train TEXT.txt\n"
      "          lm train --preset reference --split-sentences --lower TEXT.txt");
}

}  // namespace tapestry::lm
