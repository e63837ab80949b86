#include <tapestry/examples/lm/presets.h>

#include <fmt/format.h>
#include <tapestry/examples/lm/config.h>
#include <tapestry/examples/lm/text/text.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace tapestry::lm {
namespace {

namespace fs = std::filesystem;

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

/// Bytes of the files; of what has no size, like standard input, a medium one.
double text_size(const InputSettings& input) {
  constexpr double kUnknown = 2e6;
  double sum = 0;
  for (const std::string& path : input.files) {
    std::error_code error;
    const auto size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
    sum += size > 0 && !error ? static_cast<double>(size) : kUnknown;
  }
  return sum;
}

/// Ranks of this job on this machine, as Open MPI's and MPICH's mpirun tell them.
unsigned ranks_here() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"})
    if (const char* count = std::getenv(name))
      return std::max(1U, static_cast<unsigned>(std::strtoul(count, nullptr, 10)));
  return 1;
}

/// Threads that train, where nothing asks for one or for another use of them.
int64_t workers_for(const TrainSettings& asked) {
  constexpr unsigned kMost = 4;  // more make gradients too stale for short runs
  const ParallelSettings& p = asked.parallel;
  const bool one = p.threads > 1 || p.simulate > 0 || asked.stream || asked.verify_resume;
  return one ? 1 : std::clamp(std::thread::hardware_concurrency() / ranks_here(), 1U, kMost);
}

/// A good model in a minute ("fast"), or a better one in ten. Chosen on a text of 1.1 MB by its
/// held-out loss; tests/bench/README.md has the figures.
TrainSettings chosen(const std::string& preset, const TrainSettings& asked) {
  const double size = text_size(asked.input);
  const bool quality = preset == "quality";
  TrainSettings s;
  s.preset = preset;
  s.model.cell = "lstm";
  s.model.hidden = s.model.embed = quality ? 400 : 200;
  s.model.tied = true;
  s.dropout = size > 3e7 ? 0.2 : quality ? 0.6 : 0.4;
  s.weight_drop = quality && size <= 3e7 ? 0.3 : 0;
  s.locked_dropout = true;
  s.softmax = "sampled";
  s.samples = quality ? 1024 : 256;
  s.unigram_bias = true;
  s.bptt.mode = BpttMode::full;
  s.batch = 8;
  s.group_lengths = 32;
  s.optimizer = "adam";
  s.lr = 0.003;
  s.row_optimizer = "adagrad";
  s.row_lr = 0.1;
  s.schedule = "linear";
  if (quality &&
      size < 4e6) {  // so many epochs that it learns all it can: then averages are better
    s.schedule = "constant";
    s.lr = 0.002;
    s.average_after = 1;
  }
  s.epochs = 100;
  s.patience = quality ? 10 : 5;
  s.max_time = quality ? 600 : 60;
  s.parallel.workers = workers_for(asked);
  return s;
}

/// Whether nothing was said about what to learn and how; how long, from where and where to may be.
bool says_nothing(const TrainSettings& asked) {
  if (!asked.parallel.record.empty() || !asked.parallel.replay.empty()) return false;
  TrainSettings plain;
  plain.input = asked.input;
  plain.parallel = asked.parallel;
  plain.epochs = asked.epochs, plain.patience = asked.patience;
  plain.max_steps = asked.max_steps, plain.max_tokens = asked.max_tokens;
  plain.max_time = asked.max_time, plain.seed = asked.seed;
  plain.save_every = asked.save_every, plain.keep = asked.keep;
  plain.sample_every = asked.sample_every;
  return config_text(plain) == config_text(asked);
}

}  // namespace

bool chooses(const TrainSettings& s) { return s.preset == "fast" || s.preset == "quality"; }

TrainSettings defaults_of(const TrainSettings& asked) {
  const std::string config = asked.output + "/config.json";
  if (asked.resume && !asked.output.empty() && fs::exists(config))
    return parse_config(read_text(config), config);
  if (asked.preset == "reference") return reference_preset();
  if (asked.preset == "demo") return demo_preset();
  if (chooses(asked)) return chosen(asked.preset, asked);
  if (asked.quality) return chosen("quality", asked);
  const bool text = !asked.input.files.empty() && asked.input.corpus.empty();
  return text && says_nothing(asked) ? chosen("fast", asked) : TrainSettings();
}

void fit_embedding(TrainSettings& s) {
  if (!chooses(s) || !s.model.tied) return;
  if (s.model.embed == chosen(s.preset, s).model.embed) s.model.embed = s.model.hidden;
}

void fit_to_vocabulary(TrainSettings& s, int64_t words) {
  constexpr int64_t kWorthIt = 4;  // words for each sample
  if (chooses(s) && words < kWorthIt * s.samples) s.softmax = "full";
}

std::string describe_choice(const TrainSettings& s) {
  if (!chooses(s)) return "";
  const std::string minutes = s.preset == "fast" ? "a minute" : "ten minutes";
  return fmt::format(
      "chosen for {} and a text of this size; --preset {} --hidden 300, say, changes one of it{}",
      minutes, s.preset, s.preset == "fast" ? "; --quality takes ten minutes" : "");
}

}  // namespace tapestry::lm
