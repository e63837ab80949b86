// lm info: what a run is, how far it came, and what lies in its directory.

#include <fmt/format.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/text.h>

#include <algorithm>
#include <sstream>

namespace tapestry::lm {
namespace {

namespace fs = std::filesystem;

/// Of results.json: the losses that a finished run ended with.
std::string describe_results(const fs::path& path, const TrainSettings& s) {
  if (!fs::exists(path)) return "the run has not ended";
  try {
    const auto results = app::Json::parse(read_text(path.string()));
    const char* const key = s.sampled() ? "sampled_train_loss" : "train_loss";
    std::string out = fmt::format("{} {:.4f}", train_loss_name(s), results.at(key).get<double>());
    if (const auto& loss = results.at("valid_loss"); loss.is_number())
      out += fmt::format(", held-out loss {:.4f}", loss.get<double>());
    if (const auto& floor = results.at("floor"); floor.is_number())
      out += fmt::format(", floor {:.4f}", floor.get<double>());
    return out + fmt::format(" nats per token; {:.1f} s of training",
                             results.at("train_seconds").get<double>());
  } catch (const app::JsonError&) {
    fail<FormatError>(path.string(), ": not the results of a run");
  }
}

}  // namespace

void add_options(app::Command& command, InfoSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.footer("Example: lm info runs/lm-20240611-120000");
}

app::ExitCode info(const InfoSettings& settings) {
  const Run run = Run::open(settings.run);
  const TrainSettings& s = run.settings;
  fmt::print("run         {}\n", run.directory.string());
  const bool sampled = s.sampled() && !run.state.metadata.contains("valid_loss");
  fmt::print("checkpoint  {}: epoch {}, {} tokens, {}loss {:.4f}\n",
             fs::canonical(run.checkpoint).filename().string(), run.state.number<int64_t>("epoch"),
             run.state.number<int64_t>("tokens"), sampled ? "sampled " : "",
             run.state.number<double>("loss"));
  fmt::print("input       {}{}\n",
             s.input.corpus.empty()
                 ? app::join(s.input.files, ", ")
                 : fmt::format("built-in corpus {}, {} sentences", s.input.corpus, s.input.size),
             s.input.text.lower ? ", lower-cased" : "");
  fmt::print("vocabulary  {} tokens\n", run.vocabulary.size());
  fmt::print("model       {}\n", describe_model(s));
  fmt::print("training    {}{}\n", s.preset.empty() ? "" : fmt::format("preset {}: ", s.preset),
             describe_training(s));
  fmt::print("result      {}\n\n", describe_results(run.directory / "results.json", s));

  std::ostringstream parameters;
  summary(parameters, run.model());
  fmt::print("{}\n", parameters.str());

  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(run.directory))
    files.push_back(entry.is_symlink()
                        ? fmt::format("{} -> {}", entry.path().filename().string(),
                                      fs::read_symlink(entry.path()).string())
                        : fmt::format("{}  {} bytes", entry.path().filename().string(),
                                      entry.is_regular_file() ? entry.file_size() : 0));
  std::sort(files.begin(), files.end());
  fmt::print("{}\n", app::join(files, "\n"));
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
