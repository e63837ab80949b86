#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/common/units.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>
#include <sstream>

namespace tapestry::app {
namespace {

constexpr std::size_t kWidth = 96;   // of help; --help-all indents by up to four more
constexpr std::size_t kColumn = 32;  // where descriptions begin
constexpr char kOperand = '\x01';    // before a word that is no option whatever it looks like
constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// `text` in lines that end by kWidth, all but the first indented to `indent`.
std::string wrap(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string out, word;
  std::size_t at = indent;
  while (words >> word) {
    if (at > indent && at + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (at > indent) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out + "\n";
}

std::string two_columns(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  if (out.size() + 2 > kColumn) out += "\n";
  const std::size_t at = out.back() == '\n' ? 0 : out.size();
  return out + std::string(kColumn - at, ' ') + wrap(right, kColumn);
}

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

/// Without trailing spaces and doubled empty lines.
std::string tidy(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.erase(out.find_last_not_of(' ') + 1);
    if (c != '\n' || !out.ends_with("\n\n")) out += c;
  }
  return out.substr(0, out.find_last_not_of('\n') + 1) + "\n";
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { label("Positionals", "Arguments"); }

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    const std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
    return tidy(CLI::detail::find_and_replace(help, "\nSubcommands:", "\nCommands:"));
  }

  std::string make_description(const CLI::App* app) const override {
    return app->get_description().empty() ? "" : wrap(app->get_description(), 0);
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string out = "\nUsage: " + name;
    if (!app->get_subcommands([](const CLI::App*) { return true; }).empty())
      out += app->get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
    out += " [OPTION]...";
    for (const CLI::Option* option : app->get_options())
      if (option->get_positional()) out += " " + make_option_usage(option);
    return out + "\n";
  }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string left = positional ? option->get_name(true) : option->get_name(false, true);
    left = CLI::detail::find_and_replace(left, "{false}", "");  // "--bias,--no-bias{false}"
    for (std::size_t at = 0; (at = left.find(',', at)) != std::string::npos; at += 2)
      left.insert(at + 1, " ");
    std::string notes;
    if (option->get_type_size() != 0) {
      const auto [type, range] = type_and_range(*option);
      if (!positional && !type.empty()) left += " " + type;
      notes = range;
      if (!option->get_default_str().empty() && option->get_default_str() != "[]")
        notes += (notes.empty() ? "default " : ", default ") + option->get_default_str();
      if (option->get_required() && !positional) notes += notes.empty() ? "required" : ", required";
    }
    return two_columns(left, option->get_description() + (notes.empty() ? "" : " (" + notes + ")"));
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return two_columns(command->get_name(), command->get_description());
  }
};

std::string in_quotes(const std::string& text) { return "'" + text + "'"; }

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string best = nearest(word, known);
  return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

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

std::string reworded(const CLI::Error& error) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find(':'));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return name + " needs a value";
  if (text == "A subcommand is required") return "no command given";
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

std::string interval(double low, double high, Ends ends) {
  const bool open_low = ends == Ends::open_low || ends == Ends::open;
  const bool open_high = ends == Ends::open_high || ends == Ends::open;
  if (!open_low && !open_high && std::isfinite(low) && std::isfinite(high))
    return fmt::format("{} to {}", low, high);
  std::string out;
  if (std::isfinite(low)) out = fmt::format("{} {}", open_low ? "above" : "at least", low);
  if (std::isfinite(low) && std::isfinite(high)) out += " and ";
  if (std::isfinite(high)) out += fmt::format("{} {}", open_high ? "below" : "at most", high);
  return out;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  // Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
  const auto distance = [](const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
      for (std::size_t j = 0; j <= b.size(); ++j) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        d[i][j] = std::min(
            {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    return d[a.size()][b.size()];
  };
  const auto letters = [](const std::string& s) {
    return s.substr(std::min(s.find_first_not_of('-'), s.size()));
  };
  const std::string wanted = letters(word);
  std::string best;
  std::size_t least = wanted.size() < 3 ? 1 : 2 + wanted.size() / 4;  // exclusive
  for (const std::string& name : known) {
    const std::string candidate = letters(name);
    std::size_t d = distance(wanted, candidate);
    // A beginning or an end of the name is near too: --vocab for --vocab-size.
    if (wanted.size() >= 3 && (candidate.starts_with(wanted) || candidate.ends_with(wanted)))
      d = std::min<std::size_t>(d, 1);
    if (candidate.size() > 1 && d < least) {
      least = d;
      best = name;
    }
  }
  return best;
}

std::unique_ptr<CLI::App> make_app(const std::string& program, const std::string& description,
                                   const std::string& version) {
  auto app = std::make_unique<CLI::App>(description, program);
  app->formatter(std::make_shared<HelpFormatter>());
  app->set_help_flag("-h,--help", "show this help");
  app->set_help_all_flag("--help-all", "show the help of every command");
  app->set_version_flag("--version", version, "show version and build");
  app->option_defaults()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->always_capture_default();
  app->require_subcommand(0, 1);
  return app;
}

bool parse(CLI::App& app, int argc, const char* const* argv) {
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
    if (!help_asked(app)) fallback = reworded(error);
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

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  const std::string range = high == std::numeric_limits<std::int64_t>::max()
                                ? fmt::format("at least {}", low)
                                : fmt::format("{} to {}", low, high);
  const auto check = [=](std::string& text) -> std::string {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    // CLI11 would read 010 as octal.
    const bool octal = text.size() > 1 && text[text[0] == '-'] == '0';
    if (error != std::errc() || stop != end || octal || value < low || value > high)
      return fmt::format("must be a whole number, {}, not {}", range, in_quotes(text));
    return "";
  };
  return {check, range};
}

CLI::Validator number(double low, double high, Ends ends) {
  const std::string range = interval(low, high, ends);
  const auto check = [=](std::string& text) -> std::string {
    double x = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, x);
    const bool above = ends == Ends::open_low || ends == Ends::open ? x > low : x >= low;
    const bool below = ends == Ends::open_high || ends == Ends::open ? x < high : x <= high;
    if (error == std::errc() && stop == end && std::isfinite(x) && above && below) return "";
    return fmt::format("must be a number{}{}, not {}", range.empty() ? "" : ", ", range,
                       in_quotes(text));
  };
  return {check, range};
}

CLI::Validator one_of(std::vector<std::string> names) {
  const std::string list = join(names, "|");
  const auto check = [names = std::move(names)](std::string& text) -> std::string {
    if (std::find(names.begin(), names.end(), text) != names.end()) return "";
    return fmt::format("must be one of {}, not {}{}", join(names, ", "), in_quotes(text),
                       did_you_mean(text, names));
  };
  return {check, list};
}

CLI::Option* add_count(CLI::App& app, const std::string& flags, std::int64_t& value,
                       const std::string& description) {
  const auto check = [](std::string& text) -> std::string {
    return parse_count(text) ? ""
                             : "must be a count such as 5000, 50k or 10M, not " + in_quotes(text);
  };
  return app
      .add_option_function<std::string>(
          flags, [&value](const std::string& text) { value = *parse_count(text); }, description)
      ->check(CLI::Validator(check, "such as 50k, 10M"))
      ->default_str(fmt::format("{}", value));
}

CLI::Option* add_duration(CLI::App& app, const std::string& flags, double& seconds,
                          const std::string& description) {
  const auto check = [](std::string& text) -> std::string {
    return parse_seconds(text) ? ""
                               : "must be a time such as 90s, 30m or 2h, not " + in_quotes(text);
  };
  return app
      .add_option_function<std::string>(
          flags, [&seconds](const std::string& text) { seconds = *parse_seconds(text); },
          description)
      ->check(CLI::Validator(check, "such as 90s, 30m, 2h"))
      ->default_str(fmt::format("{}", seconds));
}

void add_common_options(CLI::App& command, CommonOptions& options) {
  add_choice<ProgressMode>(command, "--progress", options.progress,
                           {{"auto", ProgressMode::automatic},
                            {"bar", ProgressMode::bar},
                            {"plain", ProgressMode::plain},
                            {"none", ProgressMode::none}},
                           "how to show progress on stderr; auto: a bar on a terminal")
      ->group("Messages");
  command.add_option("--log-every", options.log_every, "seconds between plain progress lines")
      ->check(number(0, kNoLimit, Ends::open_low))
      ->group("Messages");
  add_choice<ColorMode>(
      command, "--color", color_mode(),
      {{"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}},
      "colours; auto: on a terminal, unless NO_COLOR is set")
      ->group("Messages");
  command.add_flag("-q,--quiet", options.quiet, "no progress and no log lines, only results")
      ->group("Messages");
}

ProgressSettings CommonOptions::progress_settings(std::string unit) const {
  ProgressSettings settings;
  settings.mode = progress;
  settings.log_every = log_every;
  settings.quiet = quiet;
  settings.unit = std::move(unit);
  return settings;
}

}  // namespace tapestry::app
