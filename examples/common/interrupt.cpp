#include <tapestry/examples/common/interrupt.h>

#include <csignal>

namespace tapestry::app {
namespace {

std::atomic<int> signal_seen{0};
std::atomic<bool> save_wanted{false};
static_assert(std::atomic<int>::is_always_lock_free);  // so a signal handler may use them
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void note_signal(int signal) {
  signal_seen.store(signal);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

extern "C" void note_wish(int) { save_wanted.store(true); }

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
  std::signal(SIGUSR1, note_wish);
}

std::atomic<int>& interrupted() { return signal_seen; }
std::atomic<bool>& save_requested() { return save_wanted; }

}  // namespace tapestry::app
