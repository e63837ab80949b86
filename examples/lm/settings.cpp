#include <tapestry/examples/lm/settings.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tapestry/examples/common/exit_code.h>

namespace tapestry::lm {
namespace {

/// Whether a run does the same when it is run again.
bool repeats(const ParallelSettings& p) {
  return p.simulate == 0 && (p.workers == 1 || in_rounds(p));
}

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw app::UserError(app::ExitCode::usage, what, hint);
}

void resolve_objective(const TrainSettings& s) {
  if (s.unigram_bias && !s.model.bias)
    refuse("--unigram-bias and --no-bias exclude each other", "leave one of them out");
  if (!s.adaptive() && !s.model.cutoffs.empty())
    refuse("--cutoffs belongs to --softmax adaptive", "leave it out");
  if (s.adaptive() && s.model.tied)
    refuse("--softmax adaptive and --tied exclude each other",
           "add --no-tied: its tails are narrower");
}

/// In which order sentences are read.
void check_order(const TrainSettings& s) {
  const ParallelSettings& p = s.parallel;
  if (s.stream && s.bptt.mode != BpttMode::chunk)
    refuse("--state stream is trained in windows of --bptt steps",
           "add --bptt-mode chunk --bptt 35");
  if (s.stream && (p.workers > 1 || p.simulate > 0))
    refuse("--state stream goes with one worker", "a stream has one order");
  if (s.stream && s.group_lengths > 0)
    refuse("--state stream and --group-lengths exclude each other", "a stream has one order");
  if (!s.shuffle && s.group_lengths > 0)
    refuse("--group-lengths and --no-shuffle exclude each other",
           "sorting within blocks is another order");
  if (s.stream && p.max_item_tokens > 0)
    refuse("--state stream and --max-item-tokens exclude each other",
           "a stream is updated every --bptt steps");
}

/// Rules and their rates.
void resolve_rules(TrainSettings& s) {
  if (s.momentum > 0 && s.optimizer != "sgd")
    refuse("--momentum belongs to --optimizer sgd", "leave it out");
  if (s.weight_decay > 0 && s.optimizer != "sgd" && s.optimizer != "adamw")
    refuse("--weight-decay belongs to --optimizer sgd and adamw", "choose one of these");
  if (s.row_lr > 0 && s.row_optimizer.empty())
    refuse("--row-lr belongs to --row-optimizer", "name one, or give --lr for all");
  const auto usual = [](const std::string& rule) { return rule == "sgd" ? 0.005 : 0.001; };
  if (s.lr == 0) s.lr = usual(s.optimizer);
  if (s.row_lr == 0 && !s.row_optimizer.empty())
    s.row_lr = s.row_optimizer == "adagrad" ? 0.1 : usual(s.row_optimizer);
}

}  // namespace

const std::vector<std::pair<std::string, UpdatePolicy>>& update_policies() {
  static const std::vector<std::pair<std::string, UpdatePolicy>> names = {
      {"async", UpdatePolicy::async},       {"sync", UpdatePolicy::sync},
      {"ssp", UpdatePolicy::ssp},           {"hogwild", UpdatePolicy::hogwild},
      {"critical", UpdatePolicy::critical}, {"critical-push", UpdatePolicy::critical_push}};
  return names;
}

const std::vector<std::pair<std::string, Between>>& between_names() {
  static const std::vector<std::pair<std::string, Between>> names = {{"local", Between::local},
                                                                     {"sync", Between::sync}};
  return names;
}

const std::vector<std::pair<std::string, OuterStep>>& outer_names() {
  static const std::vector<std::pair<std::string, OuterStep>> names = {
      {"average", OuterStep::average},
      {"sum", OuterStep::sum},
      {"diversity", OuterStep::diversity},
      {"momentum", OuterStep::momentum}};
  return names;
}

void resolve_ranks(TrainSettings& s, int ranks) {
  ParallelSettings& p = s.parallel;
  if (p.nodes > 0 && !s.dry_run)
    refuse("--nodes belongs to --dry-run", "ranks are started by mpirun or ./run cluster");
  if (p.outer_rate != 1 && p.outer != OuterStep::average && p.outer != OuterStep::momentum)
    refuse("--outer-rate belongs to --outer average and momentum", "choose one of these");
  if (p.outer_momentum > 0 && p.outer != OuterStep::momentum)
    refuse("--outer-momentum belongs to --outer momentum", "choose it, or leave this out");
  if (ranks == 1) return;
  if (p.simulate > 0 || !p.record.empty() || !p.replay.empty() || s.verify_resume)
    refuse("--simulate, --record, --replay and --verify-resume are for one rank",
           "leave them out, or start one process");
  if (s.stream) refuse("--state stream goes with one rank", "a stream has one order");
  for (const std::string& file : s.input.files)
    if (file == "-")
      refuse("several ranks cannot read standard input", "name a file that all of them can read");
  if (p.between == Between::sync && p.workers > 1 && !in_rounds(p))
    refuse("--between sync needs --update sync", "one update is made of the workers of all ranks");
  if (p.between == Between::sync) p.update = UpdatePolicy::sync;
  if (p.between == Between::sync && p.max_item_tokens > 0)
    refuse("--max-item-tokens does not go with --between sync",
           "a synchronous item has one update");
  // Blockwise model updates: what a mean of so many loses is made up for (Chen & Huo, 2016).
  if (p.outer == OuterStep::momentum && p.outer_momentum == 0) p.outer_momentum = 1 - 1.0 / ranks;
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
  if (s.quality && s.preset != "quality")
    refuse(
        "--quality and " + (s.resume ? "--resume" : "--preset " + s.preset) + " exclude each other",
        "leave one of them out");
  check_model(s.model, s.bptt);
  resolve_objective(s);
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
  check_order(s);
  resolve_rules(s);
}

void resolve_cutoffs(TrainSettings& s) {
  std::vector<int64_t>& cutoffs = s.model.cutoffs;
  if (!s.adaptive()) return;
  if (cutoffs.empty()) cutoffs = default_cutoffs(s.model.vocabulary);
  int64_t before = 0;
  for (const int64_t cutoff : cutoffs) {
    if (cutoff <= before || cutoff >= s.model.vocabulary)
      refuse(fmt::format("--cutoffs {}: {} is out of order", fmt::join(cutoffs, ","), cutoff),
             fmt::format("they rise, from 1 to {}, the last word of the vocabulary",
                         s.model.vocabulary - 1));
    before = cutoff;
  }
}

std::string describe_model(const TrainSettings& s) {
  const ModelShape& m = s.model;
  std::string out = fmt::format("{} {} x {}, ", m.cell, m.layers, m.hidden);
  out += m.embed ? fmt::format("embedding {}", m.embed) : "one-hot input";
  if (!m.bias) out += ", no biases";
  if (m.tied) out += ", tied";
  if (!m.cutoffs.empty())
    out += fmt::format(", adaptive softmax, tails from {}", fmt::join(m.cutoffs, ","));
  if (s.dropout > 0)
    out += fmt::format(", {}dropout {:g}", s.locked_dropout ? "locked " : "", s.dropout);
  if (s.weight_drop > 0) out += fmt::format(", weight drop {:g}", s.weight_drop);
  if (s.zoneout > 0) out += fmt::format(", zoneout {:g}", s.zoneout);
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
  const std::string rows =
      s.row_optimizer.empty() ? "" : fmt::format(", rows {} lr {:g}", s.row_optimizer, s.row_lr);
  const std::string objective =
      s.sampled() ? fmt::format("sampled softmax of {}, ", s.samples) : "";
  const std::string averages =
      s.average_after > 0
          ? fmt::format(", averages after {} epochs without progress", s.average_after)
          : "";
  return fmt::format("{}{} lr {:g} {}{}{}, {}, {} sentence{} per update, {} epoch{}, seed {}",
                     objective, s.optimizer, s.lr, s.schedule, rows, averages,
                     describe_bptt(s.bptt), s.batch, s.batch == 1 ? "" : "s", s.epochs,
                     s.epochs == 1 ? "" : "s", s.seed);
}

std::string train_loss_name(const TrainSettings& s) {
  return s.sampled() ? "sampled train loss" : "train loss";
}

}  // namespace tapestry::lm
