#pragma once
// What a program tells of its commands and options, made from one table: help, its man page, and
// the completion of its words in bash.

#include <string>
#include <vector>

namespace tapestry::app {

struct OptionTable {
  std::string group;               ///< the heading it stands under
  std::vector<std::string> words;  ///< "-o", "--output"; empty for an argument
  std::string name;                ///< of an argument: "FILE"
  std::string value;               ///< what follows: "N", "auto|bar|none"; empty for a flag
  std::string text, notes;         ///< what it does; "1 to 64, default 2"
  bool required = false, repeated = false;
};

struct CommandTable {
  std::string name, text, footer;
  bool needs_command = false;
  std::vector<OptionTable> options;
  std::vector<CommandTable> commands;
};

/// The help of a command, `path` being the words that lead to it ("lm train"); `all` adds that of
/// its commands. At most 100 columns wide.
std::string help_text(const CommandTable& command, const std::string& path, bool all);
/// In the language of man(7), for section 1.
std::string man_page(const CommandTable& program, const std::string& version);
/// For bash: `complete -F` with the commands, options and choices of the program.
std::string bash_completion(const CommandTable& program);

}  // namespace tapestry::app
