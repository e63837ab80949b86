#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/terminal.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cerrno>
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

/// A device that fails differs from a wrong name.
ExitCode code_of(const FileError& error) {
  for (const int failing : {ENOSPC, EDQUOT, EFBIG, EIO, EROFS})
    if (error.reason == failing) return ExitCode::io_error;
  return error.doing == FileError::While::writing ? ExitCode::cannot_create : ExitCode::no_input;
}

ExitCode code_of(const std::filesystem::filesystem_error& error) {
  const bool name = error.code() == std::errc::no_such_file_or_directory ||
                    error.code() == std::errc::permission_denied;
  return name ? ExitCode::no_input : ExitCode::io_error;
}

/// Whether stdout is a pipe that nobody reads any more.
bool reader_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

[[noreturn]] void on_terminate() {
  if (const std::exception_ptr error = std::current_exception())
    std::_Exit(static_cast<int>(report(running_program, error)));
  print_error(running_program, "", "internal: terminated without an exception", "");
  std::_Exit(static_cast<int>(ExitCode::internal));
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

/// OpenBLAS asks for its work space again and again for ever where it gets none: a limit that is
/// too low is refused here. It takes 128 MB for each thread, and threads come and go.
void require_address_space() {
  constexpr std::size_t needed = std::size_t{384} << 20;
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  void* room = mmap(nullptr, needed, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    throw UserError(ExitCode::no_memory,
                    fmt::format("the limit on memory of {} MB is too low", limit.rlim_cur >> 20),
                    "set a limit of 1000 MB or more: ulimit -v 1000000");
  munmap(room, needed);
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
    print_error(program, e.place.text, e.problem(), "");
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
    return ExitCode::no_memory;
  } catch (const MemoryError& e) {
    say(e.what(), small);
    return ExitCode::no_memory;
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::broken_pipe && reader_gone()) return ExitCode::ok;
    say(e.what());
    return ExitCode::failure;
  } catch (const std::exception& e) {
    say(fmt::format("internal: {}", e.what()).c_str(), bug.c_str());
  } catch (...) {
    say("internal: an exception of unknown type", bug.c_str());
  }
  return ExitCode::internal;
}

int run_main(const char* program, const std::function<ExitCode()>& body) {
  running_program = program;
  handle_broken_pipes();
  const std::terminate_handler previous = std::set_terminate(on_terminate);
  ExitCode code = ExitCode::ok;
  try {
    require_address_space();
  } catch (...) {  // the end of the process would wait for threads that OpenBLAS could not start
    std::_Exit(static_cast<int>(report(program, std::current_exception())));
  }
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

void note(std::string_view text) { print(text); }

}  // namespace tapestry::app
