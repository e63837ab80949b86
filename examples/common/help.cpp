#include <tapestry/examples/common/help.h>

#include <fmt/format.h>
#include <tapestry/examples/common/text.h>

#include <algorithm>

namespace tapestry::app {
namespace {

constexpr std::size_t kWidth = 96;
constexpr std::size_t kColumn = 32;  // where descriptions begin

/// `text` in lines that end by kWidth, all but the first indented to `indent`.
std::string wrap(const std::string& text, std::size_t indent) {
  std::string out;
  std::size_t at = indent;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(" \n", begin)) < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    if (at > indent && at + 1 + (end - begin) > kWidth) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (at > indent) {
      out += ' ';
      ++at;
    }
    out += text.substr(begin, end - begin);
    at += end - begin;
    begin = end;
  }
  return out + "\n";
}

std::string two_columns(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  if (out.size() + 2 > kColumn) out += "\n";
  const std::size_t at = out.back() == '\n' ? 0 : out.size();
  return out + std::string(kColumn - at, ' ') + wrap(right, kColumn);
}

bool is_argument(const OptionTable& option) { return option.words.empty(); }

std::string usage(const CommandTable& command, const std::string& path) {
  std::string out = path;
  if (!command.commands.empty()) out += command.needs_command ? " COMMAND" : " [COMMAND]";
  out += " [OPTION]...";
  for (const OptionTable& option : command.options)
    if (is_argument(option)) {
      const std::string name = option.name + (option.repeated ? "..." : "");
      out += option.required ? " " + name : " [" + name + "]";
    }
  return out;
}

/// The headings of options in their order.
std::vector<std::string> groups(const CommandTable& command) {
  std::vector<std::string> out;
  for (const OptionTable& option : command.options)
    if (!is_argument(option) && std::find(out.begin(), out.end(), option.group) == out.end())
      out.push_back(option.group);
  return out;
}

std::string left_side(const OptionTable& option) {
  if (is_argument(option)) return option.name;
  return join(option.words, ", ") + (option.value.empty() ? "" : " " + option.value);
}

std::string right_side(const OptionTable& option) {
  return option.text + (option.notes.empty() ? "" : " (" + option.notes + ")");
}

// ---- man(7)

/// With what roff would take for commands shown as it stands.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += std::string("\\&") + c;
    else
      out += c;
  }
  return out;
}

std::string man_options(const CommandTable& command) {
  std::string out;
  for (const OptionTable& option : command.options)
    out += ".TP\n.B " + roff(left_side(option)) + "\n" + roff(right_side(option)) + "\n";
  if (!command.footer.empty()) out += ".PP\n" + roff(command.footer) + "\n";
  return out;
}

// ---- bash

std::string words_of(const CommandTable& command) {
  std::string out;
  for (const CommandTable& each : command.commands) out += each.name + " ";
  for (const OptionTable& option : command.options)
    for (const std::string& word : option.words) out += word + " ";
  return out;
}

/// Cases of the word before: what may follow an option that takes a value.
std::string value_cases(const CommandTable& command) {
  std::string out;
  for (const OptionTable& option : command.options) {
    if (is_argument(option) || option.value.empty()) continue;
    std::string choices = option.value.find('|') == std::string::npos ? "" : option.value;
    std::replace(choices.begin(), choices.end(), '|', ' ');
    out +=
        fmt::format("        {}) {} ;;\n", join(option.words, "|"),
                    choices.empty() ? "COMPREPLY=($(compgen -f -- \"$word\")); return"
                                    : fmt::format("COMPREPLY=($(compgen -W \"{}\" -- \"$word\"));"
                                                  " return",
                                                  choices));
  }
  return out;
}

std::string completion_case(const CommandTable& command, const std::string& pattern) {
  const std::string cases = value_cases(command);
  return fmt::format("    {})\n{}      words=\"{}\" ;;\n", pattern,
                     cases.empty() ? "" : "      case $before in\n" + cases + "      esac\n",
                     words_of(command));
}

}  // namespace

std::string help_text(const CommandTable& command, const std::string& path, bool all) {
  std::string out = command.text.empty() ? "" : wrap(command.text, 0);
  out += "\nUsage: " + usage(command, path) + "\n";
  std::string arguments;
  for (const OptionTable& option : command.options)
    if (is_argument(option)) arguments += two_columns(left_side(option), right_side(option));
  if (!arguments.empty()) out += "\nArguments:\n" + arguments;
  for (const std::string& group : groups(command)) {
    out += "\n" + group + ":\n";
    for (const OptionTable& option : command.options)
      if (!is_argument(option) && option.group == group)
        out += two_columns(left_side(option), right_side(option));
  }
  if (!command.commands.empty()) out += "\nCommands:\n";
  for (const CommandTable& each : command.commands) out += two_columns(each.name, each.text);
  if (!command.footer.empty()) out += "\n" + command.footer + "\n";
  if (all)
    for (const CommandTable& each : command.commands)
      out += "\n" + each.name + ": " + help_text(each, path + " " + each.name, false);
  return out;
}

std::string man_page(const CommandTable& program, const std::string& version) {
  std::string title = program.name;
  std::transform(title.begin(), title.end(), title.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  std::string out = fmt::format(".TH {} 1 \"\" \"{}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\n",
                                title, roff(version), program.name, roff(program.text),
                                roff(usage(program, program.name)));
  out += ".SH OPTIONS\n" + man_options(program);
  if (!program.commands.empty()) out += ".SH COMMANDS\n";
  for (const CommandTable& command : program.commands)
    out +=
        fmt::format(".SS {}\n{}.\n.PP\n.B {}\n{}", command.name, roff(command.text),
                    roff(usage(command, program.name + " " + command.name)), man_options(command));
  return out +
         ".SH EXIT STATUS\n"
         "0 success; 1 failure; 2 wrong command line; 10 training diverged; 11 a check failed; 65 "
         "malformed data;\n66 an input is missing; 70 a bug; 71 out of memory; 73 an output cannot "
         "be made; 74 reading or writing failed;\n129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM "
         "after saving.\n";
}

std::string bash_completion(const CommandTable& program) {
  std::string cases;
  for (const CommandTable& command : program.commands)
    cases += completion_case(command, command.name);
  return fmt::format(
      "# bash completion of {0}\n"
      "_{0}() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=\n"
      "  case ${{COMP_WORDS[1]}} in\n"
      "{1}"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  [[ $word == -* ]] || COMPREPLY+=($(compgen -f -- \"$word\"))\n"
      "}}\n"
      "complete -o filenames -F _{0} {0}\n",
      program.name, cases + completion_case(program, "*"));
}

}  // namespace tapestry::app
