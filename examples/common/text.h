#pragma once
// Small operations on text that the programs print.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::app {

/// The parts with `between` between them. (fmt::join draws false overflow warnings from GCC 12.)
inline std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (&part != parts.data()) out += between;
    out += part;
  }
  return out;
}

/// `text` with bytes that would act on a terminal shown as \xHH; line feeds are kept.
inline std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

}  // namespace tapestry::app
