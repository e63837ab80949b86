#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/config.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/text.h>

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>

#include <filesystem>

namespace tapestry::lm {
namespace {

/// The system of the reference: the tanh RNN of a well-known tutorial (Britz, 2015) as its parallel
/// server trained it. One-hot input, no biases, nothing held out.
TrainSettings reference_preset() {
  TrainSettings s;
  s.preset = "reference";
  s.input.valid_split = 0;
  s.model.bias = false;
  s.schedule = "plateau";
  return s;
}

/// Learns all that the built-in corpus holds, words that agree over distances included.
TrainSettings demo_preset() {
  TrainSettings s;
  s.preset = "demo";
  s.model.cell = "lstm";
  s.model.hidden = 64;
  s.bptt.mode = BpttMode::full;
  s.batch = 16;
  s.epochs = 4;
  s.optimizer = "adam";
  s.lr = 0.02;
  s.schedule = "cosine";
  return s;
}

/// Whether a run does the same when it is run again.
bool repeats(const ParallelSettings& p) {
  return p.simulate == 0 && (p.workers == 1 || in_rounds(p));
}

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw app::UserError(app::ExitCode::usage, what, hint);
}

}  // namespace

const std::vector<std::pair<std::string, UpdatePolicy>>& update_policies() {
  static const std::vector<std::pair<std::string, UpdatePolicy>> names = {
      {"async", UpdatePolicy::async},       {"sync", UpdatePolicy::sync},
      {"ssp", UpdatePolicy::ssp},           {"hogwild", UpdatePolicy::hogwild},
      {"critical", UpdatePolicy::critical}, {"critical-push", UpdatePolicy::critical_push}};
  return names;
}

TrainSettings defaults_of(const TrainSettings& asked) {
  const std::string config = asked.output + "/config.json";
  if (asked.resume && !asked.output.empty() && std::filesystem::exists(config))
    return parse_config(read_text(config), config);
  return asked.preset == "reference" ? reference_preset()
         : asked.preset == "demo"    ? demo_preset()
                                     : TrainSettings();
}

void add_model_options(app::Command& command, ModelShape& model, Bptt& bptt) {
  using app::whole_number;
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
  command.add_flag("--tied", model.tied, "softmax and embedding share their weights")->group(group);
  command.add_option("--bptt", bptt.steps, "transitions an error flows back")
      ->check(whole_number(0))
      ->group(group);
  app::add_choice<BpttMode>(
      command, "--bptt-mode", bptt.mode,
      {{"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}},
      "how back-propagation is truncated: a window for each output, windows side by side, not")
      ->group(group);
}

void add_options(app::Command& command, TrainSettings& s) {
  using app::number, app::whole_number, app::one_of;
  command.add_option("FILE", s.input.files, "text to train on (- for standard input)");
  command.add_option("--preset", s.preset, "defaults of a known system")
      ->check(one_of({"reference", "demo"}));

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

  add_model_options(command, s.model, s.bptt);
  command.add_option("--dropout", s.dropout, "probability of dropping a unit")
      ->check(number(0, 1, app::Ends::open_high))
      ->group("Model");
  app::add_choice<DType>(command, "--dtype", s.dtype, {{"float", f32}, {"double", f64}},
                         "element type")
      ->group("Model");

  const std::string training = "Training";
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
  app::add_choice<bool>(command, "--state", s.stream, {{"sentence", false}, {"stream", true}},
                        "where a sentence begins: at zero, or in the state of the one before it")
      ->group(training);
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
  app::add_common_options(command, s.common);
  command.footer(
      "Examples: lm train --preset demo\n"
      "          lm train --preset reference --split-sentences --lower TEXT.txt");
}

void check_model(const ModelShape& model, const Bptt& bptt) {
  if (model.tied && model.embed != model.hidden)
    refuse("--tied needs an embedding as wide as the hidden layer",
           "add --embed " + std::to_string(model.hidden));
  if (bptt.mode == BpttMode::chunk && bptt.steps < 1)
    refuse("--bptt-mode chunk needs --bptt of at least 1", "it is the length of a window");
}

void resolve(TrainSettings& s) {
  InputSettings& in = s.input;
  if (in.files.empty() && in.corpus.empty()) {
    if (s.preset != "demo")
      refuse("no text to train on",
             "name a FILE, - for standard input, or a built-in corpus (--corpus agreement)");
    in.corpus = "agreement";
  } else if (!in.files.empty() && !in.corpus.empty()) {
    refuse("--corpus " + in.corpus + " and " + in.files.front() + " exclude each other",
           "leave one of them out");
  }
  if (!in.valid.empty() && !in.corpus.empty())
    refuse("--valid belongs to files, not to a built-in corpus",
           "leave it out: held-out sentences are drawn from the corpus");
  check_model(s.model, s.bptt);
  if (s.momentum > 0 && s.optimizer != "sgd")
    refuse("--momentum belongs to --optimizer sgd", "leave it out");
  if (s.weight_decay > 0 && s.optimizer != "sgd" && s.optimizer != "adamw")
    refuse("--weight-decay belongs to --optimizer sgd and adamw", "choose one of these");
  if (!in.vocab.empty() && !in.corpus.empty())
    refuse("--vocab belongs to files, not to a built-in corpus", "leave it out");
  const ParallelSettings& p = s.parallel;
  if (p.simulate > 0 && p.workers > 1)
    refuse("--simulate and --workers exclude each other", "the simulated workers are the workers");
  if (p.simulate > 0 && p.update != UpdatePolicy::async)
    refuse("--simulate simulates --update async", "leave --update out");
  if (p.threads > 1 && p.workers > 1)
    refuse("--threads and --workers exclude each other", "one level of parallelism, never two");
  if (p.max_item_tokens > 0 && p.update == UpdatePolicy::sync)
    refuse("--max-item-tokens does not go with --update sync", "a synchronous item has one update");
  if (!p.record.empty() && !p.replay.empty())
    refuse("--record and --replay exclude each other", "record first, then replay");
  if ((!p.record.empty() || !p.replay.empty()) &&
      (p.update != UpdatePolicy::async || p.simulate > 0))
    refuse("--record and --replay are for --update async",
           "the other modes repeat by themselves, or race");
  const bool replayed = !p.record.empty() || !p.replay.empty();
  if (replayed && (s.resume || s.verify_resume || s.save_every > 0 || s.sample_every > 0 ||
                   s.max_steps > 0 || s.max_tokens > 0 || s.max_time > 0))
    refuse("--record and --replay need whole epochs",
           "leave out --resume, --save-every, --sample-every and the --max options");
  if (s.resume && s.output.empty())
    refuse("--resume needs the directory of the run", "name it with -o");
  if (s.resume && s.overwrite)
    refuse("--resume and --overwrite exclude each other", "one continues a run, one removes it");
  if (s.verify_resume && !repeats(p))
    refuse("--verify-resume needs a run that repeats to the bit",
           "give --workers 1 or --update sync");
  if (s.stream && s.bptt.mode != BpttMode::chunk)
    refuse("--state stream is trained in windows of --bptt steps",
           "add --bptt-mode chunk --bptt 35");
  if (s.stream && (p.workers > 1 || p.simulate > 0))
    refuse("--state stream goes with one worker", "a stream has one order");
  if (s.stream && p.max_item_tokens > 0)
    refuse("--state stream and --max-item-tokens exclude each other",
           "a stream is updated every --bptt steps");
  if (s.lr == 0) s.lr = s.optimizer == "sgd" ? 0.005 : 0.001;
}

std::string describe_model(const TrainSettings& s) {
  const ModelShape& m = s.model;
  std::string out = fmt::format("{} {} x {}, ", m.cell, m.layers, m.hidden);
  out += m.embed ? fmt::format("embedding {}", m.embed) : "one-hot input";
  if (!m.bias) out += ", no biases";
  if (m.tied) out += ", tied";
  if (s.dropout > 0) out += fmt::format(", dropout {:g}", s.dropout);
  return out + (s.dtype == f64 ? ", double" : ", float");
}

std::string describe_bptt(const Bptt& bptt) {
  return bptt.mode == BpttMode::full    ? "bptt full"
         : bptt.mode == BpttMode::exact ? fmt::format("bptt exact {}", bptt.steps)
                                        : fmt::format("bptt chunk {}", bptt.steps);
}

bool in_rounds(const ParallelSettings& p) {
  return p.update == UpdatePolicy::sync || (p.update == UpdatePolicy::ssp && p.staleness == 0);
}

const char* policy_name(UpdatePolicy policy) {
  for (const auto& [name, value] : update_policies())
    if (value == policy) return name.c_str();
  return "";
}

std::string describe_training(const TrainSettings& s) {
  return fmt::format("{} lr {:g} {}, {}, {} sentence{} per update, {} epoch{}, seed {}",
                     s.optimizer, s.lr, s.schedule, describe_bptt(s.bptt), s.batch,
                     s.batch == 1 ? "" : "s", s.epochs, s.epochs == 1 ? "" : "s", s.seed);
}

}  // namespace tapestry::lm
