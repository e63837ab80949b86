#include <tapestry/examples/common/interrupt.h>

#include <poll.h>
#include <unistd.h>

#include <csignal>

namespace tapestry::app {
namespace {

constexpr int kStopping[] = {SIGINT, SIGTERM, SIGHUP};

std::atomic<int> signal_seen{0};
std::atomic<bool> save_wanted{false}, has_work{false};
static_assert(std::atomic<int>::is_always_lock_free);  // so a signal handler may use them
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void note_signal(int signal) {
  signal_seen.store(signal);
  for (const int each : kStopping) std::signal(each, SIG_DFL);
}

extern "C" void note_wish(int) { save_wanted.store(true); }

extern "C" void note_broken_pipe(int) {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  if (!has_work.load() && poll(&out, 1, 0) == 1 && (out.revents & POLLERR)) _exit(128 + SIGPIPE);
}

}  // namespace

void catch_interrupts() {
  has_work.store(true);
  std::signal(SIGUSR1, note_wish);
  for (const int signal : kStopping)
    if (std::signal(signal, note_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
}

std::atomic<int>& interrupted() { return signal_seen; }
std::atomic<bool>& save_requested() { return save_wanted; }

std::string signal_name(int signal) {
  return signal == SIGINT ? "SIGINT" : signal == SIGHUP ? "SIGHUP" : "SIGTERM";
}

ExitCode exit_code_of(int signal) { return static_cast<ExitCode>(128 + signal); }

void handle_broken_pipes() {
  struct sigaction action {};
  action.sa_handler = note_broken_pipe;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace tapestry::app
