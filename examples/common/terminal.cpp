#include <sys/ioctl.h>
#include <tapestry/examples/common/terminal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace tapestry::app {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

ColorMode& color_mode() {
  static ColorMode mode = ColorMode::automatic;
  return mode;
}

bool is_terminal(int fd) {
  const std::string_view type = environment("TERM");
  return isatty(fd) == 1 && !type.empty() && type != "dumb";
}

int terminal_columns(int fd, int fallback) {
  winsize size{};
  const bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return std::min(known ? static_cast<int>(size.ws_col) : fallback, 100);
}

bool use_color(int fd) {
  if (color_mode() != ColorMode::automatic) return color_mode() == ColorMode::always;
  return is_terminal(fd) && environment("NO_COLOR").empty();
}

bool use_utf8(int fd) {
  // The fonts of the Linux console lack most drawing characters.
  return is_terminal(fd) && utf8_locale() && environment("TERM") != "linux";
}

}  // namespace tapestry::app
