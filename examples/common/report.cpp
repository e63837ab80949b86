#include <fmt/format.h>
#include <poll.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/terminal.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <system_error>

namespace tapestry::app {
namespace {

const char* running_program = "tapestry";

void print(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void print_error(const char* program, std::string_view where, std::string_view message,
                 std::string_view hint) {
  const char* label = use_color(STDERR_FILENO) ? "\x1b[1;31merror:\x1b[0m" : "error:";
  const std::string place = where.empty() ? "" : printable(where) + ": ";
  const std::string text = printable(message);
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += fmt::format("{}: {}{} {}\n", program, place, label, text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (!hint.empty()) out += fmt::format("{}: hint: {}\n", program, printable(hint));
  print(out);
}

/// FileError says in words what the system said: a device that fails differs from a wrong name.
ExitCode code_of(const FileError& error) {
  const bool written = std::string_view(error.what()).starts_with("write:");
  for (const int number : {ENOSPC, EDQUOT, EFBIG, EIO, EROFS})
    if (std::strstr(error.what(), std::strerror(number))) return ExitCode::io_error;
  return written ? ExitCode::cannot_create : ExitCode::no_input;
}

/// The length of "FILE:LINE:COLUMN" at the begin of a message, 0 if there is none.
std::size_t length_of_place(std::string_view message) {
  const auto drop_number = [](std::string_view& text) {
    const std::size_t end = text.find_last_not_of("0123456789");
    if (end == std::string_view::npos || end + 1 == text.size() || text[end] != ':') return false;
    text = text.substr(0, end);
    return true;
  };
  for (std::size_t at = 0; (at = message.find(": ", at)) != std::string_view::npos; ++at)
    if (std::string_view place = message.substr(0, at); drop_number(place) && drop_number(place))
      return at;
  return 0;
}

void print_format_error(const char* program, std::string_view message) {
  const std::size_t place = length_of_place(message);
  print_error(program, message.substr(0, place), message.substr(place ? place + 2 : 0), "");
}

ExitCode code_of(const std::filesystem::filesystem_error& error) {
  const bool name = error.code() == std::errc::no_such_file_or_directory ||
                    error.code() == std::errc::permission_denied;
  return name ? ExitCode::no_input : ExitCode::io_error;
}

[[noreturn]] void on_terminate() {
  if (const std::exception_ptr error = std::current_exception())
    std::_Exit(static_cast<int>(report(running_program, error)));
  print_error(running_program, "", "internal: terminated without an exception", "");
  std::_Exit(static_cast<int>(ExitCode::internal));
}

/// Whether stdout is a pipe that nobody reads any more.
bool reader_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/// Brings buffered results out; the last moment at which their loss can be noticed.
ExitCode flush_results(const char* program) {
  errno = 0;
  std::cout.flush();
  const bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) || !std::cout;
  if (!failed || reader_gone()) return ExitCode::ok;
  print_error(program, "standard output", errno ? std::strerror(errno) : "writing failed",
              "the results are incomplete");
  return ExitCode::io_error;
}

}  // namespace

ExitCode report(const char* program, const std::exception_ptr& error) {
  const auto say = [&](const char* message, const char* hint = "") {
    print_error(program, "", message, hint);
  };
  const std::string bug = fmt::format(
      "this is a bug in {}; please report it with the command line that led here", program);
  const char* const small = "a smaller model, batch or vocabulary needs less";
  try {
    std::rethrow_exception(error);
  } catch (const UserError& e) {
    print_error(program, e.where(), e.what(), e.hint());
    return e.code();
  } catch (const FormatError& e) {
    print_format_error(program, e.what());
    return ExitCode::bad_data;
  } catch (const FileError& e) {
    say(e.what());
    return code_of(e);
  } catch (const NonFiniteError& e) {
    say(e.what(), "a smaller learning rate or gradient clipping often helps");
    return ExitCode::diverged;
  } catch (const std::filesystem::filesystem_error& e) {
    print_error(program, e.path1().string(), e.code().message(), "");
    return code_of(e);
  } catch (const std::bad_alloc&) {
    say("out of memory", small);
    return ExitCode::failure;
  } catch (const std::system_error& e) {
    say(e.what());
    return ExitCode::failure;
  } catch (const std::exception& e) {
    if (std::string_view(e.what()).starts_with("out of memory")) {
      say(e.what(), small);
      return ExitCode::failure;
    }
    say(fmt::format("internal: {}", e.what()).c_str(), bug.c_str());
  } catch (...) {
    say("internal: an exception of unknown type", bug.c_str());
  }
  return ExitCode::internal;
}

int run_main(const char* program, const std::function<ExitCode()>& body) {
  running_program = program;
  const std::terminate_handler previous = std::set_terminate(on_terminate);
  ExitCode code = ExitCode::ok;
  try {
    code = body();
  } catch (...) {
    code = report(program, std::current_exception());
  }
  if (code == ExitCode::ok) code = flush_results(program);
  std::set_terminate(previous);
  return static_cast<int>(code);
}

void warn(const char* program, std::string_view text) {
  print(fmt::format("{}: warning: {}\n", program, printable(text)));
}

void survive_broken_pipe() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace tapestry::app
