// lm train: reads text or draws a built-in corpus, trains a model, leaves a run directory.

#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/training/cluster_plan.h>
#include <tapestry/examples/lm/training/curves.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/manifest.h>
#include <tapestry/examples/lm/training/pace.h>
#include <tapestry/examples/lm/training/plan.h>
#include <tapestry/examples/lm/training/ranks_report.h>
#include <tapestry/examples/lm/training/report_lines.h>
#include <tapestry/examples/lm/training/trainer.h>
#include <tapestry/examples/lm/training/verify_resume.h>

#include <algorithm>
#include <ctime>
#include <sstream>

namespace tapestry::lm {
namespace {

using app::Json;

Json results_of(const TrainSettings& s, const Data& data, const TrainResult& result,
                int64_t parameters) {
  const auto or_null = [](std::optional<double> x) { return x ? Json(*x) : Json(nullptr); };
  const Position& place = result.position;
  Json out = {{"train_seconds", place.seconds},
              {"tokens_per_second",
               result.seconds > 0 ? static_cast<double>(result.tokens) / result.seconds : 0},
              {"epochs", place.epoch},
              {"updates", place.updates},
              {"tokens", place.tokens},
              {s.sampled() ? "sampled_train_loss" : "train_loss", place.train_loss},
              {"valid_loss", or_null(place.valid_loss)},
              {"floor", or_null(data.valid_floor)},
              {"entropy", or_null(data.entropy)},
              {"best_loss", std::isfinite(place.best_loss) ? Json(place.best_loss) : Json(nullptr)},
              {"best_epoch", place.best_epoch},
              {"parameters", parameters},
              {"fingerprint", result.fingerprint},
              {"run", s.output}};
  if (!result.server.ranks.empty()) out["ranks"] = ranks_json(result.server.ranks);
  return out;
}

void print_results(const TrainSettings& s, const Data& data, const TrainResult& r) {
  const Position& place = r.position;
  fmt::print("{} {:.4f}", train_loss_name(s), place.train_loss);
  if (place.valid_loss)
    fmt::print(", held-out loss {:.4f}, perplexity {}", *place.valid_loss,
               perplexity(*place.valid_loss, 2));
  else if (data.has_valid())
    fmt::print(", held-out loss not measured in time");
  const double epochs =
      static_cast<double>(place.tokens) / static_cast<double>(data.train.tokens());
  if (r.whole_epochs)
    fmt::print(" after {} epoch{}", place.epoch, place.epoch == 1 ? "" : "s");
  else
    fmt::print(" after {:.2f} epochs", epochs);
  if (r.tokens > 0) fmt::print(", {:.0f} tokens/s", static_cast<double>(r.tokens) / r.seconds);
  fmt::print("\n");
  if (!r.ended.empty()) fmt::print("ended by {}\n", r.ended);
  if (place.valid_loss && data.valid_floor)
    fmt::print(
        "held-out loss is {:.4f} nats above the floor {:.4f} (entropy of the grammar {:.4f})\n",
        *place.valid_loss - *data.valid_floor, *data.valid_floor, *data.entropy);
  if (place.best_updates > 0 && place.best_updates < place.updates)
    fmt::print("best {} {:.4f} after {} updates, which is what the other commands use\n",
               place.valid_loss ? "loss" : train_loss_name(s), place.best_loss, place.best_updates);
  fmt::print("parameters {}, seed {}\n", r.fingerprint, s.seed);
}

/// Refuses to resume a run under settings that contradict what it has learnt.
void check_same_run(const TrainSettings& s) {
  const std::string path = s.output + "/config.json";
  if (!std::filesystem::exists(path)) return;
  const auto changed = changed_settings(parse_config(read_text(path), path), s);
  if (!changed.empty())
    throw app::UserError(app::ExitCode::usage, app::join(changed, "\n"),
                         "leave these options out to resume, or start another run with -o",
                         s.output);
}

/// The checkpoint to go on from, if there is one.
std::optional<NamedTensors> checkpoint_of(const TrainSettings& s,
                                          const app::RunDirectory& directory) {
  if (!s.resume) return {};
  if (checkpoints(directory.path()).empty()) {
    app::note("lm: no checkpoint in {} yet: starting from the beginning\n", s.output);
    return {};
  }
  return read_newest(directory.path(), "last").second;
}

/// Before a text is read: whether its run may stand where it should.
void check_directory(const TrainSettings& s) {
  if (s.dry_run || s.output.empty() || !std::filesystem::is_directory(s.output)) return;
  if (s.resume && !checkpoints(s.output).empty()) check_same_run(s);
  if (!s.resume && !s.overwrite)
    const app::RunDirectory free(s.output, run_files(), app::IfRunExists::refuse);
}

/// config.json, run.json, vocab.txt: what the run is.
void write_description(const TrainSettings& s, const Data& data,
                       const app::RunDirectory& directory) {
  TrainSettings kept = s;
  kept.input = with_absolute_paths(s.input);
  app::write_atomically(directory / "config.json", config_text(kept));
  app::write_atomically(directory / "run.json", manifest(s, data));
  data.vocabulary.save((directory / "vocab.txt").string());
}

/// results.json, server.json, the learning curve; with --json the results on stdout.
void leave_results(const TrainSettings& s, const Data& data, const TrainResult& result,
                   int64_t parameters, const app::RunDirectory& directory) {
  const std::string results = results_of(s, data, result, parameters).dump(2) + "\n";
  app::write_atomically(directory / "results.json", results);
  if (!s.common.quiet) app::note("{}", ranks_table(result.server.ranks));
  if (s.parallel.workers > 1 || s.parallel.simulate > 0) {
    app::write_atomically(directory / "server.json", result.server.json() + "\n");
    if (!s.common.quiet) {
      std::ostringstream text;
      result.server.print(text);
      app::note("{}", text.str());
    }
  }
  app::draw(learning_curve(s, read_curves(directory.path()), data.valid_floor),
            directory / "learning_curve", "lm", s.common.quiet);
  if (s.json) fmt::print("{}", results);
}

/// Of a preset that chooses: lets the rate fall to 0 when the time is over.
void fit_to_time(TrainSettings& s, const Data& data) {
  if (!chooses(s) || s.resume || s.stream || s.max_time == 0 || s.schedule != "linear" ||
      s.schedule_steps + s.max_steps + s.max_tokens > 0)
    return;
  s.schedule_steps = s.max_steps = updates_in_time(s, data);
  if (s.max_steps == 0) return;
  const int64_t in_epoch = Items(s, data.train).updates();
  s.epochs = std::min(s.epochs, (s.max_steps + in_epoch - 1) / in_epoch);
  if (!s.common.quiet)
    app::note("pace   {} updates fit into {:g} s, and the learning rate falls to 0 over them\n",
              s.schedule_steps, s.max_time);
}

/// What the run is, before it trains.
void announce(const TrainSettings& s, const Data& data, const Trainer& trainer, bool resumed,
              const Cluster& cluster) {
  print_banner(s, data, trainer.parameters());
  if (cluster.several()) app::note("ranks  {}\n", describe_ranks(s.parallel, cluster.size()));
  if (resumed)
    app::note("resume after {} updates, {} tokens\n", trainer.position().updates,
              trainer.position().tokens);
}

}  // namespace

app::ExitCode train(TrainSettings s, const Cluster& cluster) {
  fit_embedding(s);
  resolve(s);
  resolve_ranks(s, cluster.size());
  notice_lone_ranks(cluster);
  if (cluster.first()) check_directory(s);
  Data data = read_data(s.input);
  cluster.require_same_text(data.fingerprint());
  s.model.vocabulary = data.vocabulary.size();
  fit_to_vocabulary(s, s.model.vocabulary);
  resolve_cutoffs(s);
  if (!s.dry_run && cluster.size() == 1) fit_to_time(s, data);  // ranks would not agree
  if (s.dry_run) {
    if (!cluster.first()) return app::ExitCode::ok;
    if (!s.common.quiet) print_banner(s, data, parameter_count(s.model));
    print_plan(s, data);
    if (s.parallel.nodes > 0) print_cluster_plan(s, data);
    return app::ExitCode::ok;
  }
  if (s.verify_resume) verify_resume(s, data);
  std::optional<app::RunDirectory> directory;
  std::optional<NamedTensors> checkpoint;
  if (cluster.first()) {
    if (s.output.empty()) s.output = app::create_default_run("lm", std::time(nullptr)).string();
    directory.emplace(s.output, run_files(),
                      s.overwrite ? app::IfRunExists::overwrite
                      : s.resume  ? app::IfRunExists::resume
                                  : app::IfRunExists::refuse);
    checkpoint = checkpoint_of(s, *directory);
  }
  s.output = cluster.text_of_first(s.output);
  checkpoint = cluster.tensors_of_first(std::move(checkpoint));
  app::catch_interrupts();

  std::optional<Trainer> trainer;
  trainer.emplace(s, data, directory ? &*directory : nullptr, checkpoint ? &*checkpoint : nullptr,
                  cluster);
  const bool resumed = checkpoint.has_value();
  checkpoint.reset();
  if (!cluster.first()) {
    trainer->run();
    return app::ExitCode::ok;
  }
  write_description(s, data, *directory);
  if (!s.common.quiet) announce(s, data, *trainer, resumed, cluster);
  const TrainResult result = trainer->run();
  leave_results(s, data, result, trainer->parameters(), *directory);
  trainer.reset();  // its memory: the model that is sampled from is read again
  if (s.json) return app::ExitCode::ok;
  print_results(s, data, result);
  fmt::print("five sentences of the model:\n");
  sample({.run = s.output, .n = 5, .sampling = {}, .prompt = "", .seed = s.seed});
  fmt::print("run {}\n", s.output);
  std::fflush(stdout);
  if (!s.common.quiet) app::note("next: lm sample {0}, lm info {0}, lm eval {0} FILE\n", s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
