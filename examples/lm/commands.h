#pragma once
// The commands of lm, a file each: what they take, and what they do. They throw what
// examples/common/report.h turns into messages. Results go to stdout, everything else to stderr.

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/sampling.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/training/cluster.h>

namespace tapestry::lm {

/// Does what the words of a command line say, the name of the program first; without a command, the
/// demo.
/// Of several ranks all train; other commands are the first one's.
app::ExitCode command_line(std::vector<const char*> words, const Cluster& cluster = Cluster());

/// The same for the main of a rank: an error that the others do not share is reported with the
/// rank's name, and ends them, too.
app::ExitCode run_as_rank(std::vector<const char*> words, const Cluster& cluster);

/// Reads text or draws a built-in corpus, trains a model, leaves a run directory.
app::ExitCode train(TrainSettings settings, const Cluster& cluster = Cluster());

/// Prints the loss and perplexity of a model on text.
struct EvalSettings {
  std::string run;
  std::vector<std::string> files;
  int64_t batch = 32;
  std::string format, column, dtype;  // empty: as trained
  int64_t max_sentences = 0;
  int64_t ngram = 0;  // order of an n-gram model to compare with; 0: none
  bool dynamic = false;
  double dynamic_rate = 0.0002;
  bool json = false;
  app::CommonOptions common;
};
void add_options(app::Command& command, EvalSettings& settings);
app::ExitCode eval(const EvalSettings& settings);

/// Prints one log-probability for each line read, NA for a line that has none.
struct ScoreSettings {
  std::string run;
  std::vector<std::string> files;
  std::string unit = "log10";  // log10, ln, bits
};
void add_options(app::Command& command, ScoreSettings& settings);
app::ExitCode score(const ScoreSettings& settings);

/// Prints sentences drawn from a model.
struct SampleSettings {
  std::string run;
  int64_t n = 5;
  Sampling sampling;
  std::string prompt;
  uint64_t seed = 1;
};
void add_options(app::Command& command, SampleSettings& settings);
app::ExitCode sample(const SampleSettings& settings);

/// Compares the gradients of a small model with finite differences.
struct GradcheckSettings {
  ModelShape model{.hidden = 8};
  Bptt bptt{BpttMode::exact, 4};
  std::string softmax = "full";
  int64_t samples = 16;
  int64_t sentences = 4, elements = 20;
  double tolerance = 1e-6;
  uint64_t seed = 1;
};
void add_options(app::Command& command, GradcheckSettings& settings);
app::ExitCode gradcheck(const GradcheckSettings& settings);

/// Prints what a run is.
struct InfoSettings {
  std::string run;
};
void add_options(app::Command& command, InfoSettings& settings);
app::ExitCode info(const InfoSettings& settings);

/// Counts tokens: what a vocabulary of which size covers.
struct VocabSettings {
  std::vector<std::string> files;
  TextSettings text;
  int64_t size = 8000, min_count = 1;
  std::string output;  // vocab.txt; empty: none
};
void add_options(app::Command& command, VocabSettings& settings);
app::ExitCode vocab(const VocabSettings& settings);

/// Writes a model for other programs.
struct ExportSettings {
  std::string run, output;
};
void add_options(app::Command& command, ExportSettings& settings);
app::ExitCode export_model(const ExportSettings& settings);

/// Makes a run of what they wrote.
struct ImportSettings {
  std::string file, output, vocab;
  std::string unknown, begin, end;  // tokens; empty: by their usual names
  TextSettings text;
  bool overwrite = false;
};
void add_options(app::Command& command, ImportSettings& settings);
app::ExitCode import_model(const ImportSettings& settings);

/// Writes sentences of a built-in corpus.
struct SynthSettings {
  std::string corpus = "agreement";
  int64_t size = 10000, types = 7997;
  uint64_t seed = 1;
  std::string output;  // empty: stdout
};
void add_options(app::Command& command, SynthSettings& settings);
app::ExitCode synth(const SynthSettings& settings);

/// Draws the curves of runs.
struct PlotSettings {
  std::vector<std::string> runs;
  std::string output;  // empty: the first run
  int64_t steps = 20;
  bool quiet = false;
};
void add_options(app::Command& command, PlotSettings& settings);
app::ExitCode plot(const PlotSettings& settings);

/// Checks gradients, products, determinism and threads on this machine.
struct SelftestSettings {};
void add_options(app::Command& command, SelftestSettings& settings);
app::ExitCode selftest(const SelftestSettings& settings);

}  // namespace tapestry::lm
