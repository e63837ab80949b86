#pragma once
// How a program ends: the exit codes that scripts may rely on, and the exception that carries one
// of them together with what the user should read. The codes from 64 up keep the meanings of BSD's
// sysexits.h; 130 and 143 are 128 + the signal, as a shell reports it.

#include <stdexcept>
#include <string>
#include <utility>

namespace tapestry::app {

enum class ExitCode : int {
  ok = 0,
  failure = 1,         ///< a run-time failure without a code of its own
  usage = 2,           ///< the command line
  diverged = 10,       ///< a non-finite loss or gradient
  check_failed = 11,   ///< gradient check, self-test, resume check
  bad_data = 65,       ///< a malformed input file
  no_input = 66,       ///< an input file missing or unreadable
  internal = 70,       ///< a bug in the program
  no_memory = 71,      ///< not enough memory, or a limit on it
  cannot_create = 73,  ///< an output file or directory that cannot be made
  io_error = 74,       ///< reading or writing failed half way, for instance on a full disk
  hung_up = 129,       ///< SIGHUP, after saving
  interrupted = 130,   ///< SIGINT, after saving
  terminated = 143,    ///< SIGTERM, after saving
};

/// An error the user can act on. `where` is empty or a place such as "train.csv:1042:17"; each line
/// of `message` is reported as an error of its own.
class UserError : public std::runtime_error {
 public:
  UserError(ExitCode code, const std::string& message, std::string hint = "",
            std::string where = "")
      : std::runtime_error(message),
        code_(code),
        hint_(std::move(hint)),
        where_(std::move(where)) {}

  ExitCode code() const { return code_; }
  const std::string& hint() const { return hint_; }
  const std::string& where() const { return where_; }

 private:
  ExitCode code_;
  std::string hint_, where_;
};

}  // namespace tapestry::app
