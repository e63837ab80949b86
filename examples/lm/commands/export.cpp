// lm export: a model for other programs, in their names and layouts.

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/examples/lm/model/npz.h>
#include <tapestry/examples/lm/run.h>

namespace tapestry::lm {

void add_options(app::Command& command, ExportSettings& s) {
  command.add_option("RUN", s.run, "run directory or checkpoint file")->required();
  command.add_option("-o,--output", s.output, "FILE.npz (U, V, W) or FILE.safetensors (PyTorch)")
      ->required();
  command.footer("Example: lm export runs/lm-20240611-120000 -o model.safetensors");
}

app::ExitCode export_model(const ExportSettings& s) {
  const bool npz = is_npz(s.output);
  const Run run = Run::open(s.run);
  if (run.settings.adaptive())
    throw app::UserError(app::ExitCode::usage,
                         s.run + " has an adaptive softmax, which neither format can describe",
                         "train with --softmax full or sampled to export");
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

}  // namespace tapestry::lm
