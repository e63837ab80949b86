#pragma once
// What the other end of a file descriptor can show: whether it is a terminal, how wide it is, and
// whether colours, escape sequences and UTF-8 drawing characters are welcome there. A pipe or a
// file gets plain ASCII. NO_COLOR (no-color.org) and TERM=dumb are honoured.

namespace tapestry::app {

enum class ColorMode { automatic, always, never };

/// The process-wide choice that --color sets; automatic at start.
ColorMode& color_mode();

/// Whether `fd` is a terminal that understands cursor movement (TERM is set and not "dumb").
bool is_terminal(int fd);

/// Columns of the terminal at `fd`, `fallback` where there is none or it does not say; at most 100.
int terminal_columns(int fd, int fallback = 80);

/// Whether text written to `fd` may be coloured under color_mode().
bool use_color(int fd);

/// Whether UTF-8 drawing characters may be written to `fd`: a terminal in a UTF-8 locale.
bool use_utf8(int fd);

}  // namespace tapestry::app
