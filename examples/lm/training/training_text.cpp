#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/training/fingerprint.h>
#include <tapestry/examples/lm/training/training_text.h>

#include <algorithm>

namespace tapestry::lm {

Data training_text(const Run& run, const std::string& what, const std::string& option) {
  const InputSettings& input = run.settings.input;
  const auto no_text = [&](const std::string& why) {
    return app::UserError(
        app::ExitCode::no_input,
        run.directory.string() + ": no " + what + " without its training text: " + why,
        "leave out " + option + ", or train on a file");
  };
  if (input.files.empty() && input.corpus.empty()) throw no_text("the model was imported");
  for (const auto* files : {&input.files, &input.valid})
    if (std::find(files->begin(), files->end(), "-") != files->end())
      throw no_text("it was read from standard input");
  InputSettings again = input;
  again.vocab = (run.directory / "vocab.txt").string();
  Data data = [&] {
    try {
      return read_data(again);
    } catch (const FileError& e) {
      throw no_text(e.what());
    }
  }();
  const auto known = run.state.metadata.find("data");
  require<FormatError>(
      known == run.state.metadata.end() || known->second == hex(data.fingerprint()),
      run.directory.string(), ": no ", what, ": its training text is not what it was (",
      input.corpus.empty() ? input.files[0] : input.corpus, ")");
  return data;
}

}  // namespace tapestry::lm
