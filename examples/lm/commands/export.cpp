// lm export and lm import: models to and from other programs, in their names and layouts.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/examples/lm/model/npz.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/place.h>

namespace tapestry::lm {
namespace {

bool is_npz(const std::string& path) {
  if (path.ends_with(".npz")) return true;
  if (path.ends_with(".safetensors")) return false;
  throw app::UserError(app::ExitCode::usage, path + ": not a format that is known",
                       "name a file that ends with .npz or .safetensors");
}

/// Of a vocabulary that nobody named: the special tokens, then each id.
std::string numbers(int64_t size) {
  std::string out = "<unk>\t0\n<s>\t0\n</s>\t0\n";
  for (int64_t id = 3; id < size; ++id) out += fmt::format("{}\t0\n", id);
  return out;
}

}  // namespace

void add_options(app::Command& command, ExportSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("-o,--output", s.output, "FILE.npz (U, V, W) or FILE.safetensors (PyTorch)")
      ->required();
  command.footer("Example: lm export runs/lm-20240611-120000 -o model.safetensors");
}

app::ExitCode export_model(const ExportSettings& s) {
  const bool npz = is_npz(s.output);
  const Run run = Run::open(s.run);
  ModelTensors model{run.settings.model, run.settings.dtype, {}};
  constexpr std::string_view kPrefix = "model.";
  for (const auto& [name, tensor] : run.state.tensors)
    if (name.starts_with(kPrefix)) model.tensors[name.substr(kPrefix.size())] = tensor;
  Tensors out;
  try {
    out = npz ? to_reference(model) : to_pytorch(model);
  } catch (const ValueError& e) {
    throw app::UserError(app::ExitCode::usage, s.output + ": " + e.what(),
                         "export this model as .safetensors");
  }
  if (npz)
    write_npz(s.output, out);
  else
    write_safetensors(s.output, {.tensors = out, .metadata = {{"format", "pt"}}});
  for (const auto& [name, tensor] : out) {
    std::string sizes;
    for (int i = 0; i < tensor.rank(); ++i)
      sizes += fmt::format("{}{}", i ? " x " : "", tensor.shape()[i]);
    fmt::print("{:<20} {}\n", name, sizes);
  }
  return app::ExitCode::ok;
}

void add_options(app::Command& command, ImportSettings& s) {
  command.add_option("FILE", s.file, "FILE.npz (U, V, W) or FILE.safetensors (PyTorch)")
      ->required();
  command.add_option("-o,--output", s.output, "run directory")->required();
  command.add_option("--vocab", s.vocab, "its vocabulary: token, tab, count for each id in order");
  command.add_flag("--overwrite", s.overwrite, "replace the run in the output directory");
  add_text_options(command, s.text);
  command.footer(
      "Ids 0, 1 and 2 are the unknown, begin and end tokens. The other options say how its text "
      "was read.\nExample: lm import model.safetensors --vocab vocab.txt -o imported");
}

app::ExitCode import_model(const ImportSettings& s) {
  const bool npz = is_npz(s.file);
  ModelTensors model;
  try {
    model = from_other(npz ? read_npz(s.file) : read_safetensors(s.file).tensors);
  } catch (const FormatError& e) {
    const std::string text = e.what();
    fail<FormatError>(text.find(s.file) == std::string::npos ? s.file + ": " : "", text);
  }
  TrainSettings settings;
  settings.input.files = {s.file};
  settings.input.text = s.text;
  settings.model = model.shape;
  settings.dtype = model.dtype;
  resolve(settings);
  if (!s.vocab.empty()) {
    const Vocabulary vocabulary = Vocabulary::load(s.vocab);
    require<FormatError>(vocabulary.size() == model.shape.vocabulary, s.vocab, " has ",
                         vocabulary.size(), " tokens and the model of ", s.file, " has ",
                         model.shape.vocabulary, " (is it the vocabulary of this model?)");
  }
  const app::RunDirectory directory(
      s.output, run_files(), s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  app::write_atomically(directory / "config.json", config_text(settings));
  if (s.vocab.empty()) {
    app::write_atomically(directory / "vocab.txt", numbers(model.shape.vocabulary));
    app::warn("lm", "no --vocab: tokens are the numbers of their ids");
  } else {
    Vocabulary::load(s.vocab).save((directory / "vocab.txt").string());
  }
  NamedTensors state;
  for (const auto& [name, tensor] : model.tensors) state.tensors["model." + name] = tensor;
  Place().save(state);
  CheckpointWriter(directory, 1).write(std::move(state), 0, true);
  fmt::print("{}\nrun {}\n", describe_model(settings), s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
