// lm: word-level recurrent language models, trained on text.

#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/tensor/blas.h>

int main(int argc, char** argv) {
  tapestry::restart_with_better_blas(argv);
  return tapestry::app::run_main("lm", [&] {
    return tapestry::lm::command_line({argv, argv + argc});
  });
}
