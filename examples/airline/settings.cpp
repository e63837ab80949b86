#include <tapestry/examples/airline/settings.h>
#include <tapestry/examples/common/options.h>

namespace tapestry::airline {

void add_options(CLI::App& command, ForecastSettings& s) {
  using app::number, app::whole_number;
  command.add_option("FILE", s.file,
                     "CSV file with a header (- for standard input; default: the built-in series)");

  const std::string input = "Input";
  command.add_option("--time-column", s.input.time_column, "default: the first with dates")
      ->group(input);
  command.add_option("--value-column", s.input.value_column, "default: the first with numbers")
      ->group(input);
  app::add_choice<std::optional<Frequency>>(command, "--freq", s.input.frequency,
                                            {{"auto", std::nullopt},
                                             {"H", Frequency::hourly},
                                             {"D", Frequency::daily},
                                             {"W", Frequency::weekly},
                                             {"M", Frequency::monthly},
                                             {"Q", Frequency::quarterly},
                                             {"none", Frequency::none}},
                                            "how often there is a value")
      ->group(input);
  app::add_choice<Missing>(
      command, "--missing", s.input.missing,
      {{"error", Missing::error}, {"interpolate", Missing::interpolate}, {"drop", Missing::drop}},
      "what to do about missing values")
      ->group(input);
  command.add_option("--test", s.test, "values held out at the end")
      ->check(whole_number(1, 1'000'000))
      ->group(input);

  const std::string model = "Model";
  command.add_flag("--log,!--no-log", s.lstm.log, "forecast logarithms: relative growth (default)")
      ->group(model);
  command.add_option("--lookback", s.lstm.lookback, "values the network sees at once")
      ->check(whole_number(1, 10'000))
      ->group(model);
  command.add_option("--hidden", s.lstm.hidden, "units of the LSTM")
      ->check(whole_number(1, 4096))
      ->group(model);

  const std::string training = "Training";
  command.add_option("--epochs", s.lstm.epochs, "passes over the training part")
      ->check(whole_number(1, 1'000'000))
      ->group(training);
  command.add_option("--lr", s.lstm.lr, "learning rate at the start, of Adam")
      ->check(number(0, 1e9, app::Ends::open_low))
      ->group(training);
  command.add_option("--seed", s.lstm.seed, "of initialisation and order")
      ->check(whole_number(0))
      ->group(training);

  const std::string output = "Output";
  command.add_option("-o,--output", s.output, "run directory (default: a new one below runs/)")
      ->group(output);
  command.add_flag("--overwrite", s.overwrite, "replace the run in the output directory")
      ->group(output);
  command.add_flag("--json", s.json, "print the measures of error as one JSON object")
      ->group(output);
  app::add_common_options(command, s.common);
  command.footer("Example: airline sales.csv --value-column units --test 12");
}

}  // namespace tapestry::airline
