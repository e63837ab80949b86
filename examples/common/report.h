#pragma once
// How a program tells the user that it failed. run_main() runs the body of main and turns every
// exception into lines on stderr and an exit code:
//   lm: train.csv:1042:17: error: quoted field not closed (opened at line 1040)
//   lm: hint: close the quote, or name another --quote
// so that nobody meets a bare what() or an abort. Results that could not be written (a full disk
// behind stdout) are an error too; a reader that went away (`lm sample RUN | head`) is not. Exit
// codes follow from the types of exceptions and what they carry, never from their words.

#include <fmt/core.h>
#include <tapestry/examples/common/exit_code.h>

#include <exception>
#include <functional>
#include <string_view>

namespace tapestry::app {

/// Runs `body` and returns the exit code for main. `program` is the name that starts each message.
int run_main(const char* program, const std::function<ExitCode()>& body);

/// Prints what `error` is on stderr, as run_main does, and returns its exit code.
ExitCode report(const char* program, const std::exception_ptr& error);

/// Prints "PROGRAM: warning: TEXT" on stderr.
void warn(const char* program, std::string_view text);

/// Prints on stderr, as fmt::print does; what nobody can read is dropped.
void note(std::string_view text);
template <class... T>
void note(fmt::format_string<T...> format, T&&... values) {
  note(std::string_view(fmt::vformat(format, fmt::make_format_args(values...))));
}

}  // namespace tapestry::app
