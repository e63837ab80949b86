#include <tapestry/examples/common/options.h>

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/help.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/common/units.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

namespace tapestry::app {
namespace {

constexpr char kOperand = '\x01';  // before a word that is no option whatever it looks like

/// CLI11 joins the type of an option and what its checks say of themselves by colons.
std::pair<std::string, std::string> type_and_range(const CLI::Option& option) {
  const std::string both = option.get_type_name();
  const std::size_t colon = std::min(both.find(':'), both.size());
  std::string type = both.substr(0, colon);
  std::string range = colon < both.size() ? both.substr(colon + 1) : "";
  if (type == "INT" || type == "UINT") type = "N";
  if (type == "FLOAT") type = "X";
  if (range.find('|') != std::string::npos) type = std::exchange(range, "");
  return {type, range};
}

OptionTable table_of(const CLI::Option& option) {
  OptionTable out;
  out.group = option.get_group();
  for (const std::string& name : option.get_snames()) out.words.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.words.push_back("--" + name);
  if (option.get_positional()) {
    out.words.clear();
    out.name = option.get_name(true);
  }
  out.text = option.get_description();
  out.required = option.get_required();
  out.repeated = option.get_expected_max() > 1;
  if (option.get_type_size() == 0) return out;
  const auto [type, range] = type_and_range(option);
  out.value = type;
  out.notes = range;
  const auto add_note = [&](const std::string& note) {
    out.notes += (out.notes.empty() ? "" : ", ") + note;
  };
  if (!option.get_default_str().empty() && option.get_default_str() != "[]")
    add_note("default " + option.get_default_str());
  if (out.required && !option.get_positional()) add_note("required");
  return out;
}

CommandTable table_of(const CLI::App& app) {
  CommandTable out{app.get_name(), app.get_description(), app.get_footer(), false, {}, {}};
  out.needs_command = app.get_require_subcommand_min() > 0;
  for (const CLI::Option* option : app.get_options()) out.options.push_back(table_of(*option));
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out.commands.push_back(table_of(*command));
  return out;
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    if (name.empty()) name = app->get_name();
    return help_text(table_of(*app), name, mode == CLI::AppFormatMode::All);
  }
};

std::string in_quotes(const std::string& text) { return "'" + text + "'"; }

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

bool has_option(const CLI::App& app, const std::string& name) {
  return app.get_option_no_throw(name) != nullptr;
}

/// What is wrong with the words that CLI11 could not place under `app`.
void report_extras(const CLI::App& app, std::vector<std::string>& problems) {
  bool after_unknown = false;  // then a plain word is most likely the value of that option
  for (std::string word : app.remaining(false)) {
    if (word.starts_with(kOperand)) {
      problems.push_back("unexpected argument " + in_quotes(word.substr(1)));
      continue;
    }
    const bool option = word.size() > 1 && word[0] == '-';
    if (!option && after_unknown) {
      after_unknown = false;
      continue;
    }
    after_unknown = option && word.find('=') == std::string::npos;
    const std::string name = word.substr(0, word.find('='));
    if (!option) {
      std::vector<std::string> commands;
      for (const CLI::App* command : commands_of(app)) commands.push_back(command->get_name());
      if (commands.empty()) {
        problems.push_back("unexpected argument " + in_quotes(word));
        continue;
      }
      problems.push_back("unknown command " + in_quotes(word) + did_you_mean(word, commands));
      return;  // what follows is for that command
    }
    std::string advice = did_you_mean(name, option_names(app));
    for (const CLI::App* command : commands_of(app))
      if (has_option(*command, name) && advice.empty())
        advice = fmt::format(" (it belongs after the command, as in '{} {} {}')", app.get_name(),
                             command->get_name(), name);
    problems.push_back("unknown option " + name + advice);
  }
}

/// CLI11's errors begin with the option's name and carry it nowhere else.
std::string reworded(const CLI::Error& error) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find(':'));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return name + " needs a value";
  return text;
}

/// What is wrong with the options given to `app`, and which required ones are missing.
void report_options(CLI::App& app, std::vector<std::string>& problems) {
  for (CLI::Option* option : app.get_options([](CLI::Option*) { return true; })) {
    if (option == app.get_help_ptr() || option == app.get_help_all_ptr()) continue;
    if (option->count() == 0) {
      if (option->get_required()) problems.push_back(option->get_name() + " is required");
      continue;
    }
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      problems.push_back(reworded(error));
    }
  }
}

/// Takes out of `args` what CLI11 would misread without a word: a long option with one dash is a
/// cluster of short ones to it, and `--name=` takes the next word as the value.
void take_out_misreadings(const CLI::App& app, std::vector<std::string>& args,
                          std::vector<std::string>& problems) {
  const CLI::App* reading = &app;
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    const std::string arg = args[i];
    const std::string name = arg.substr(0, arg.find('='));
    if (reading == &app)
      for (const CLI::App* command : commands_of(app))
        if (command->get_name() == arg) reading = command;
    if (arg.size() > 2 && arg[0] == '-' && arg[1] != '-' && has_option(*reading, "-" + name))
      problems.push_back(fmt::format("unknown option {} (did you mean -{}?)", name, name));
    else if (arg.size() > 3 && arg.starts_with("--") && arg.back() == '=' &&
             name.size() + 1 == arg.size() && has_option(*reading, name))
      problems.push_back(fmt::format("{} has no value (an empty one is {} '')", arg, name));
    else
      continue;
    args.erase(args.begin() + static_cast<std::ptrdiff_t>(i));
    const bool value_follows = arg.find('=') == std::string::npos && i < args.size() &&
                               !args[i].starts_with("-") &&
                               reading->get_option_no_throw("-" + name)->get_type_size() != 0;
    if (value_follows) args.erase(args.begin() + static_cast<std::ptrdiff_t>(i));
    --i;
  }
}

/// Gives "--" its usual meaning; CLI11 forgets it at the border between command and program.
void mark_operands(CLI::App& app, std::vector<std::string>& args) {
  const auto dashes = std::find(args.begin(), args.end(), "--");
  if (dashes == args.end()) return;
  for (auto word = args.erase(dashes); word != args.end(); ++word) word->insert(0, 1, kOperand);
  const auto unmark = [](std::string word) {
    return word.starts_with(kOperand) ? word.substr(1) : word;
  };
  std::vector<CLI::App*> commands = app.get_subcommands([](CLI::App*) { return true; });
  commands.push_back(&app);
  for (CLI::App* command : commands)
    for (CLI::Option* option : command->get_options([](CLI::Option*) { return true; }))
      if (option->get_positional()) option->transform(unmark, "");
}

bool help_asked(const CLI::App& app) {
  const auto asked = [](const CLI::Option* option) { return option && option->count() > 0; };
  if (asked(app.get_help_ptr()) || asked(app.get_help_all_ptr())) return true;
  const auto commands = app.get_subcommands();
  return std::any_of(commands.begin(), commands.end(),
                     [](const CLI::App* command) { return help_asked(*command); });
}

/// Binds a value by its type; the policies of make_app() hold.
template <class T>
CLI::Option* bind(CLI::App& app, const std::string& names, T& value, const std::string& text) {
  return app.add_option(names, value, text);
}

}  // namespace

Option* Option::check(Check check) {
  option_.check(CLI::Validator(
      [problem = std::move(check.problem)](std::string& text) { return problem(text); },
      check.range));
  return this;
}
Option* Option::group(const std::string& heading) { return option_.group(heading), this; }
Option* Option::required() { return option_.required(), this; }
Option* Option::delimiter(char between) { return option_.delimiter(between), this; }
Option* Option::default_str(const std::string& text) { return option_.default_str(text), this; }

Option* Command::keep(CLI::Option* option) { return &options_.emplace_back(*option); }

Option* Command::add_option(const std::string& names, std::string& value, const std::string& text) {
  return keep(bind(*app_, names, value, text));
}
Option* Command::add_option(const std::string& names, int& value, const std::string& text) {
  return keep(bind(*app_, names, value, text));
}
Option* Command::add_option(const std::string& names, std::int64_t& value,
                            const std::string& text) {
  return keep(bind(*app_, names, value, text));
}
Option* Command::add_option(const std::string& names, std::uint64_t& value,
                            const std::string& text) {
  return keep(bind(*app_, names, value, text));
}
Option* Command::add_option(const std::string& names, double& value, const std::string& text) {
  return keep(bind(*app_, names, value, text));
}
Option* Command::add_option(const std::string& names, std::vector<std::string>& values,
                            const std::string& text) {
  return keep(bind(*app_, names, values, text));
}
Option* Command::add_option(const std::string& names, std::vector<std::int64_t>& values,
                            const std::string& text) {
  return keep(bind(*app_, names, values, text));
}
Option* Command::add_option(const std::string& names, std::vector<double>& values,
                            const std::string& text) {
  return keep(bind(*app_, names, values, text));
}
Option* Command::add_option(const std::string& names, std::function<void(const std::string&)> set,
                            const std::string& initial, const std::string& text) {
  return keep(app_->add_option_function<std::string>(names, std::move(set), text))
      ->default_str(initial);
}
Option* Command::add_flag(const std::string& names, bool& value, const std::string& text) {
  return keep(app_->add_flag(names, value, text));
}

Command* Command::add_subcommand(const std::string& name, const std::string& text) {
  return &commands_.emplace_back(std::shared_ptr<CLI::App>(app_, app_->add_subcommand(name, text)));
}
void Command::require_subcommand() { app_->require_subcommand(1); }
void Command::footer(const std::string& text) { app_->footer(text); }
bool Command::parsed() const { return app_->parsed(); }
std::string Command::name() const { return app_->get_name(); }

std::string Command::first_given() const {
  for (const CLI::Option* option : static_cast<const CLI::App&>(*app_).get_options())
    if (option->count() > 0) return option->get_name();
  return "";
}

std::unique_ptr<Command> make_app(const std::string& program, const std::string& description,
                                  const std::string& version) {
  auto app = std::make_shared<CLI::App>(description, program);
  app->formatter(std::make_shared<HelpFormatter>());
  app->set_help_flag("-h,--help", "show this help");
  app->set_help_all_flag("--help-all", "show the help of every command");
  app->set_version_flag("--version", version, "show version and build");
  app->option_defaults()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->always_capture_default();
  app->require_subcommand(0, 1);
  return std::make_unique<Command>(std::move(app));
}

bool parse(Command& command_line, int argc, const char* const* argv) {
  CLI::App& app = command_line.app();
  // For the build: what is installed beside the program.
  if (argc == 2 && argv[1] == std::string("--man-page")) {
    fmt::print("{}", man_page(table_of(app), app.get_name() + " (tapestry)"));
    return false;
  }
  if (argc == 2 && argv[1] == std::string("--bash-completion")) {
    fmt::print("{}", bash_completion(table_of(app)));
    return false;
  }
  std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  std::vector<std::string> problems;
  take_out_misreadings(app, args, problems);
  mark_operands(app, args);
  std::string fallback;
  try {
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return false;
  } catch (const CLI::CallForAllHelp&) {
    fmt::print("{}", app.help("", CLI::AppFormatMode::All));
    return false;
  } catch (const CLI::ParseError& error) {
    if (help_asked(app) && problems.empty()) {
      fmt::print("{}", app.help());
      return false;
    }
    const bool none =
        app.get_subcommands().empty() && dynamic_cast<const CLI::RequiredError*>(&error);
    if (!help_asked(app)) fallback = none ? "no command given" : reworded(error);
  }
  std::string help = app.get_name();
  std::vector<CLI::App*> reading{&app};
  for (CLI::App* command : app.get_subcommands()) {
    reading.push_back(command);
    help += " " + command->get_name();
  }
  if (!fallback.empty())
    for (CLI::App* part : reading) {
      report_extras(*part, problems);
      report_options(*part, problems);
    }
  if (problems.empty() && !fallback.empty()) problems.push_back(fallback);
  if (problems.empty()) return true;
  throw UserError(ExitCode::usage, join(problems, "\n"), fmt::format("see '{} --help'", help));
}

Option* add_count(Command& command, const std::string& flags, std::int64_t& value,
                  const std::string& text) {
  const auto set = [&value](const std::string& word) { value = *parse_count(word); };
  return command.add_option(flags, set, fmt::format("{}", value), text)->check(count());
}

Option* add_duration(Command& command, const std::string& flags, double& seconds,
                     const std::string& text) {
  const auto set = [&seconds](const std::string& word) { seconds = *parse_seconds(word); };
  return command.add_option(flags, set, fmt::format("{}", seconds), text)->check(duration());
}

}  // namespace tapestry::app
