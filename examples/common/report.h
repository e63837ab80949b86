#pragma once
// How a program tells the user that it failed. run_main() runs the body of main and turns every
// exception into lines on stderr and an exit code:
//   lm: train.csv:1042:17: error: quoted field not closed (opened at line 1040)
//   lm: hint: close the quote, or name another --quote
// so that nobody meets a bare what() or an abort. Results that could not be written (a full disk
// behind stdout) are an error too; a reader that went away (`lm sample RUN | head`) is not.

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

/// Makes a broken pipe an error of the writing call instead of the quiet end of the process; for
/// commands that have work to save when `| tee` dies of the same Ctrl-C.
void survive_broken_pipe();

}  // namespace tapestry::app
