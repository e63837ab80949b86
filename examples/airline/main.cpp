// airline: forecasts of a series by an LSTM, beside the simple forecasts it has to beat.

#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/version.h>
#include <tapestry/tensor/blas.h>

int main(int argc, char** argv) {
  using namespace tapestry;
  restart_with_better_blas(argv);
  return app::run_main("airline", [&] {
    airline::ForecastSettings settings;
    const auto app = app::make_app("airline",
                                   "Forecasts the last values of a series with an LSTM that was "
                                   "trained on those before.",
                                   app::version("airline"));
    airline::add_options(*app, settings);
    if (!app::parse(*app, argc, argv)) return app::ExitCode::ok;
    return airline::forecast(settings);
  });
}
