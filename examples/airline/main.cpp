// airline: forecasts of a series by LSTMs, beside the classical forecasts they have to beat.

#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/tensor/blas.h>

int main(int argc, char** argv) {
  tapestry::restart_with_better_blas(argv);
  return tapestry::app::run_main("airline", [&] {
    return tapestry::airline::command_line({argv, argv + argc});
  });
}
