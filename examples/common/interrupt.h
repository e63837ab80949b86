#pragma once
// SIGINT and SIGTERM as a request: the first asks the program to finish what it is doing, save and
// end; a second one ends it at once.

#include <atomic>

namespace tapestry::app {

/// From here on the first signal is only noted.
void catch_interrupts();
/// The signal that came, 0 before.
std::atomic<int>& interrupted();

}  // namespace tapestry::app
