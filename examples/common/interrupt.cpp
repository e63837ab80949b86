#include <tapestry/examples/common/interrupt.h>

#include <csignal>

namespace tapestry::app {
namespace {

std::atomic<int> signal_seen{0};
static_assert(std::atomic<int>::is_always_lock_free);  // so a signal handler may use it

extern "C" void note_signal(int signal) {
  signal_seen.store(signal);
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

std::atomic<int>& interrupted() { return signal_seen; }

}  // namespace tapestry::app
