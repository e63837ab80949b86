#pragma once
// The command line as both programs read it, a thin layer on CLI11: help within 100 columns, ranges
// named in help and in messages, every bad option reported at once with the nearest known name, the
// last of a repeated option wins, no abbreviations. A program builds its options on make_app(),
// calls parse(), and then looks at got_subcommand(); CLI11 callbacks are not needed.
//
//   auto app = make_app("lm", "Trains and uses word-level language models.", version_text);
//   CLI::App* train = app->add_subcommand("train", "train a model on text");
//   train->add_option("--hidden", hidden, "units in a layer")->check(whole_number(1, 65536));
//   if (!parse(*app, argc, argv)) return ExitCode::ok;

#include <tapestry/examples/common/common_options.h>
#include <tapestry/examples/common/terminal.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tapestry::app {

/// An app with --help, --help-all and --version and the house's help layout.
std::unique_ptr<CLI::App> make_app(const std::string& program, const std::string& description,
                                   const std::string& version);

/// Reads the command line into the variables bound to `app`. False: help or the version was asked
/// for and is on stdout. Throws UserError (usage) that lists every problem.
bool parse(CLI::App& app, int argc, const char* const* argv);

/// Accepts a decimal whole number from `low` to `high`.
CLI::Validator whole_number(std::int64_t low,
                            std::int64_t high = std::numeric_limits<std::int64_t>::max());

enum class Ends { closed, open_low, open_high, open };
/// Accepts a finite decimal number in the interval from `low` to `high`, whose ends belong to it
/// unless `ends` says otherwise.
CLI::Validator number(double low, double high = std::numeric_limits<double>::infinity(),
                      Ends ends = Ends::closed);

/// Accepts one of `names`.
CLI::Validator one_of(std::vector<std::string> names);

/// Adds an option whose names stand for the values of an enum; the default is what `value` holds.
template <class Enum>
CLI::Option* add_choice(CLI::App& app, const std::string& flags, Enum& value,
                        std::vector<std::pair<std::string, Enum>> choices,
                        const std::string& description) {
  std::vector<std::string> names;
  std::string initial;
  for (const auto& [name, choice] : choices) {
    names.push_back(name);
    if (choice == value) initial = name;
  }
  auto set = [&value, choices = std::move(choices)](const std::string& text) {
    for (const auto& [name, choice] : choices)
      if (name == text) value = choice;
  };
  return app.add_option_function<std::string>(flags, set, description)
      ->check(one_of(std::move(names)))
      ->default_str(initial);
}

/// Adds an option that takes a count such as 1200, 50k or 10M, or a time such as 90s, 30m or 2h,
/// which becomes seconds. 0 means that there is no limit.
CLI::Option* add_count(CLI::App& app, const std::string& flags, std::int64_t& value,
                       const std::string& description);
CLI::Option* add_duration(CLI::App& app, const std::string& flags, double& seconds,
                          const std::string& description);

/// The entry of `known` that `word` was most likely meant to be; empty when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace tapestry::app
