#pragma once
// The command line as both programs read it, a thin layer on CLI11, which only options.cpp
// includes: help within 100 columns, ranges named in help and in messages, every bad option
// reported at once with the nearest known name, the last of a repeated option wins, no
// abbreviations. A program builds its options on make_app(), calls parse(), and then looks at
// parsed().
//
//   const auto app = make_app("lm", "Trains and uses word-level language models.", version_text);
//   Command* train = app->add_subcommand("train", "train a model on text");
//   train->add_option("--hidden", hidden, "units in a layer")->check(whole_number(1, 65536));
//   if (!parse(*app, argc, argv)) return ExitCode::ok;

#include <tapestry/examples/common/checks.h>
#include <tapestry/examples/common/common_options.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tapestry::app {

/// An option of a command; each member returns the option itself.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(option) {}
  Option* check(Check check);
  Option* group(const std::string& heading);  ///< where help shows it
  Option* required();
  Option* delimiter(char between);               ///< of the values of a list
  Option* default_str(const std::string& text);  ///< what help shows as the default

 private:
  CLI::Option& option_;
};

/// A command, or the whole program with its commands. The variables bound to options must outlive
/// it; their values are the defaults that help shows.
class Command {
 public:
  explicit Command(std::shared_ptr<CLI::App> app) : app_(std::move(app)) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  /// `names` as in "-o,--output", or "FILE" for an argument.
  Option* add_option(const std::string& names, std::string& value, const std::string& text);
  Option* add_option(const std::string& names, int& value, const std::string& text);
  Option* add_option(const std::string& names, std::int64_t& value, const std::string& text);
  Option* add_option(const std::string& names, std::uint64_t& value, const std::string& text);
  Option* add_option(const std::string& names, double& value, const std::string& text);
  Option* add_option(const std::string& names, std::vector<std::string>& values,
                     const std::string& text);
  Option* add_option(const std::string& names, std::vector<std::int64_t>& values,
                     const std::string& text);
  Option* add_option(const std::string& names, std::vector<double>& values,
                     const std::string& text);
  /// Hands the word given to `set`; `initial` is what help shows as the default.
  Option* add_option(const std::string& names, std::function<void(const std::string&)> set,
                     const std::string& initial, const std::string& text);
  /// "--bias,!--no-bias": the second one sets `value` to false.
  Option* add_flag(const std::string& names, bool& value, const std::string& text);

  Command* add_subcommand(const std::string& name, const std::string& text);
  void require_subcommand();  ///< a command line without a command is refused
  void footer(const std::string& text);

  bool parsed() const;              ///< whether the command line named this command
  std::string name() const;         ///< as it was made or added
  std::string first_given() const;  ///< the first of its own options that was given, or ""
  CLI::App& app() { return *app_; }

 private:
  Option* keep(CLI::Option* option);

  std::shared_ptr<CLI::App> app_;
  std::deque<Option> options_;
  std::deque<Command> commands_;
};

/// An app with --help, --help-all and --version and the house's help layout.
std::unique_ptr<Command> make_app(const std::string& program, const std::string& description,
                                  const std::string& version);

/// Reads the command line into the variables bound to `app`. False: help or the version was asked
/// for and is on stdout. Throws UserError (usage) that lists every problem.
bool parse(Command& app, int argc, const char* const* argv);

/// Adds an option whose names stand for the values of an enum; the default is what `value` holds.
template <class Enum>
Option* add_choice(Command& command, const std::string& flags, Enum& value,
                   std::vector<std::pair<std::string, Enum>> choices, const std::string& text) {
  std::vector<std::string> names;
  std::string initial;
  for (const auto& [name, choice] : choices) {
    names.push_back(name);
    if (choice == value) initial = name;
  }
  const auto set = [&value, choices = std::move(choices)](const std::string& word) {
    for (const auto& [name, choice] : choices)
      if (name == word) value = choice;
  };
  return command.add_option(flags, set, initial, text)->check(one_of(std::move(names)));
}

/// Adds an option that takes a count such as 1200, 50k or 10M, or a time such as 90s, 30m or 2h,
/// which becomes seconds. 0 means that there is no limit.
Option* add_count(Command& command, const std::string& flags, std::int64_t& value,
                  const std::string& text);
Option* add_duration(Command& command, const std::string& flags, double& seconds,
                     const std::string& text);

}  // namespace tapestry::app
