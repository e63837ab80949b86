#pragma once
// Signals as requests: the first SIGINT, SIGTERM or SIGHUP asks the program to finish what it is
// doing, save and end; a second one ends it at once. SIGUSR1 asks it to save and go on. A signal
// that was ignored at the start (nohup) stays ignored.

#include <tapestry/examples/common/exit_code.h>

#include <atomic>
#include <string>

namespace tapestry::app {

/// From here on the first signal is only noted, and a reader of the results that went away no
/// longer ends the program, which has work to save.
void catch_interrupts();
/// The signal that came, 0 before.
std::atomic<int>& interrupted();
/// "SIGINT", and the exit code that it ends with after saving.
std::string signal_name(int signal);
ExitCode exit_code_of(int signal);

/// Whether SIGUSR1 came since this was last set to false.
std::atomic<bool>& save_requested();

/// What a pipe without a reader does: if it is the one of the results (standard output), the
/// program ends quietly, as SIGPIPE would do; if it is that of messages, they are lost and the
/// program goes on. run_main() calls it.
void handle_broken_pipes();

}  // namespace tapestry::app
