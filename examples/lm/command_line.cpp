// The command line of lm: its commands, and the demo where none is named.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/version.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/experiments/race.h>
#include <tapestry/examples/lm/experiments/sweep.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/train_options.h>

#include <chrono>
#include <thread>

namespace tapestry::lm {

namespace {

/// The defaults of `lm train`, which follow from some of its options: those are read first. What
/// they have wrong is reported when all are read.
TrainSettings train_defaults(const std::vector<const char*>& words) {
  TrainSettings asked;
  if (words.size() < 2 || words[1] != std::string_view("train")) return asked;
  std::vector<const char*> first;
  for (const char* word : words)
    if (const std::string_view w = word; w != "--help" && w != "-h" && w != "--help-all")
      first.push_back(word);
  const auto app = app::make_app("lm", "", "");
  add_options(*app->add_subcommand("train", ""), asked);
  try {
    if (!app::parse(*app, static_cast<int>(first.size()), first.data())) return {};
  } catch (const app::UserError&) {
    return {};
  }
  return defaults_of(asked);
}

}  // namespace

app::ExitCode command_line(std::vector<const char*> words, const Cluster& cluster) {
  if (words.size() == 1) {
    words.insert(words.end(), {"train", "--preset", "demo"});
    if (cluster.first())
      app::note(
          "lm: no command given, so here is the demo: lm train --preset demo\n"
          "lm: all commands: lm --help\n");
  }
  const int argc = static_cast<int>(words.size());
  const auto app = app::make_app("lm", "Trains and uses word-level recurrent language models.",
                                 app::version("lm"));
  app->require_subcommand();

  std::vector<std::pair<app::Command*, std::function<app::ExitCode()>>> commands;
  const auto add = [&](const char* name, const char* text, auto& settings, auto command) {
    app::Command* options = app->add_subcommand(name, text);
    add_options(*options, settings);
    commands.emplace_back(options, [&settings, command] { return command(settings); });
  };
  TrainSettings train_settings = train_defaults(words);
  train_settings.command.assign(words.begin(), words.end());
  EvalSettings eval_settings;
  ScoreSettings score_settings;
  SampleSettings sample_settings;
  InfoSettings info_settings;
  SynthSettings synth_settings;
  GradcheckSettings gradcheck_settings;
  PlotSettings plot_settings;
  SelftestSettings selftest_settings;
  VocabSettings vocab_settings;
  ExportSettings export_settings;
  SweepSettings sweep_settings;
  RaceSettings race_settings;
  ImportSettings import_settings;
  add("train", "train a model on text or on a built-in corpus", train_settings,
      [&](const TrainSettings& s) { return train(s, cluster); });
  add("eval", "loss and perplexity of a model on text", eval_settings, eval);
  add("score", "log-probability of each line of a text", score_settings, score);
  add("sample", "sentences drawn from a model", sample_settings, sample);
  add("info", "what a run is and how it ended", info_settings, info);
  add("vocab", "tokens of a text, and what a vocabulary of which size covers", vocab_settings,
      vocab);
  add("export", "a model for other programs: npz, safetensors", export_settings, export_model);
  add("import", "a run from such a file", import_settings, import_model);
  add("sweep", "time and loss by numbers of workers and batch sizes", sweep_settings, sweep);
  add("race", "asynchronous workers against one update on all cores", race_settings, race);
  add("synth", "sentences of a built-in corpus, and its entropy", synth_settings, synth);
  add("gradcheck", "gradients of a model against finite differences", gradcheck_settings,
      gradcheck);
  add("plot", "learning curves, staleness and credit horizon of runs", plot_settings, plot);
  add("selftest", "gradients, products, determinism and threads on this machine", selftest_settings,
      selftest);

  if (!cluster.first() && words.size() > 1 && words[1] != std::string_view("train"))
    return app::ExitCode::ok;
  if (!app::parse(*app, argc, words.data())) return app::ExitCode::ok;
  for (const auto& [options, command] : commands)
    if (options->parsed()) return command();
  return app::ExitCode::usage;
}

namespace {

app::ExitCode fail_all(const Cluster& cluster, const std::exception_ptr& error) {
  // What all ranks find wrong the first one says for all.
  if (!cluster.first()) std::this_thread::sleep_for(std::chrono::seconds(4));
  app::note("lm: rank {} failed:\n", cluster.rank());
  const app::ExitCode code = app::report("lm", error);
  cluster.communicator()->abort("", static_cast<int>(code));
  return code;
}

}  // namespace

app::ExitCode run_as_rank(std::vector<const char*> words, const Cluster& cluster) try {
  return command_line(std::move(words), cluster);
} catch (const EndedWithFirst& end) {
  return end.code;
} catch (const app::UserError& e) {
  if (!cluster.several() || e.code() >= app::ExitCode::hung_up) throw;
  return fail_all(cluster, std::current_exception());
} catch (...) {
  if (!cluster.several()) throw;
  return fail_all(cluster, std::current_exception());
}

}  // namespace tapestry::lm
