#include <tapestry/examples/lm/run.h>

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/training/checkpoint.h>

#include <tapestry/nn/checkpoint.h>

#include <algorithm>
#include <tuple>

namespace tapestry::lm {

namespace fs = std::filesystem;

const std::vector<std::string>& run_files() {
  static const std::vector<std::string> files = {"config.json",
                                                 "run.json",
                                                 "vocab.txt",
                                                 "ckpt-*.safetensors",
                                                 "last",
                                                 "best",
                                                 "metrics.csv",
                                                 "metrics.jsonl",
                                                 "learning_curve.*",
                                                 "learning_curve_time.*",
                                                 "credit_horizon.*",
                                                 "staleness.*",
                                                 "results.json",
                                                 "server.json"};
  return files;
}

Run Run::open(const std::string& path) {
  using app::ExitCode, app::UserError;
  fs::path directory = path;
  std::error_code ignored;
  const bool whole = fs::is_directory(path, ignored);
  if (!whole && fs::exists(path, ignored))
    directory = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  else if (!whole)
    throw UserError(ExitCode::no_input, path + ": no such run",
                    "name the directory that lm train printed");
  else if (checkpoints(directory).empty() && !fs::exists(directory / "best", ignored))
    throw UserError(ExitCode::no_input, path + " holds no checkpoint",
                    "name the directory of a run that lm train has written");
  const fs::path config = (directory / "config.json").lexically_normal();
  if (!fs::exists(config, ignored))
    throw UserError(ExitCode::no_input, path + " is not (in) a run: there is no " + config.string(),
                    "name the directory of a run that lm train has written");
  Run run{directory,
          path,
          parse_config(read_text(config.string()), config.string()),
          Vocabulary::load((directory / "vocab.txt").string()),
          {}};
  if (whole)
    std::tie(run.checkpoint, run.state) = read_newest(directory, "best", "model.");
  else
    run.state = read_checkpoint(path, "model.");
  require<FormatError>(run.vocabulary.size() == run.settings.model.vocabulary,
                       (directory / "vocab.txt").string(), " has ", run.vocabulary.size(),
                       " tokens and config.json says ", run.settings.model.vocabulary,
                       " (were files of two runs mixed?)");
  return run;
}

LanguageModel Run::model(DType dtype) const {
  Rng rng(0);
  LanguageModel out(settings.model, rng, settings.dtype);
  try {
    from_tensors(out, state, "model.");
  } catch (const FormatError& e) {
    fail<FormatError>(checkpoint.string(), " does not fit config.json: ", e.what());
  }
  out.rnn.set_bptt(settings.bptt);
  if (dtype == settings.dtype) return out;
  return cast(out, dtype);
}

}  // namespace tapestry::lm
