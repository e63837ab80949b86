#pragma once
// SIGINT and SIGTERM as a request: the first asks the program to finish what it is doing, save and
// end; a second one, of either kind, ends it at once. SIGUSR1 asks it to save and go on.

#include <atomic>

namespace tapestry::app {

/// From here on the first signal is only noted.
void catch_interrupts();
/// The signal that came, 0 before.
std::atomic<int>& interrupted();

/// Whether SIGUSR1 came since this was last set to false.
std::atomic<bool>& save_requested();

}  // namespace tapestry::app
