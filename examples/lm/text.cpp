#include <tapestry/examples/lm/text.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <system_error>

namespace tapestry::lm {
namespace {

uint32_t byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

// The length of the well-formed character at `i`, 0 if there is none (Unicode 15, table 3-7).
size_t character_length(std::string_view text, size_t i) {
  const uint32_t lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() - i < length) return 0;
  for (size_t k = 1; k < length; ++k)
    if ((byte_at(text, i + k) & 0xC0) != 0x80) return 0;
  const uint32_t second = byte_at(text, i + 1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool too_large = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

// The length of the white space at `i`, 0 if there is none.
size_t space_length(std::string_view text, size_t i) {
  const uint32_t c = byte_at(text, i);
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r') ? 1 : 0;
  const std::string_view rest = text.substr(i);
  if (rest.starts_with("\u0085")) return 2;
  if (rest.size() < 3) return 0;
  const uint32_t last = byte_at(rest, 2);
  if (rest.starts_with("\xE2\x80"))  // U+2000 to U+203F
    return (last <= 0x8A && last != 0x87) || last == 0xA8 || last == 0xA9 ? 3 : 0;
  return rest.starts_with("\u1680") || rest.starts_with("\u205F") || rest.starts_with("\u3000") ? 3
                                                                                                : 0;
}

uint32_t lower_code_point(uint32_t c) {
  const auto in = [c](uint32_t first, uint32_t last) { return first <= c && c <= last; };
  const uint32_t even_is_upper = c | 1, odd_is_upper = c + (c & 1);
  if (in('A', 'Z') || (in(0xC0, 0xDE) && c != 0xD7)) return c + 0x20;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xFF;
  if (in(0x100, 0x12F) || in(0x132, 0x137) || in(0x14A, 0x177)) return even_is_upper;
  if (in(0x139, 0x148) || in(0x179, 0x17E)) return odd_is_upper;
  if (in(0x391, 0x3AB) && c != 0x3A2) return c + 0x20;
  if (c == 0x386) return 0x3AC;
  if (in(0x388, 0x38A)) return c + 0x25;
  if (c == 0x38C) return 0x3CC;
  if (in(0x38E, 0x38F)) return c + 0x3F;
  if (in(0x400, 0x40F)) return c + 0x50;
  if (in(0x410, 0x42F)) return c + 0x20;
  if (c == 0x4C0) return 0x4CF;
  if (in(0x4C1, 0x4CE)) return odd_is_upper;
  if (in(0x460, 0x481) || in(0x48A, 0x4BF) || in(0x4D0, 0x52F)) return even_is_upper;
  return c;
}

std::string read_bytes(const std::string& path) {
  const auto check = [&](bool good) {
    if (good) return;
    const int error = errno;
    require<FileError>(error != EISDIR, input_name(path), ": is a directory, expected a text file");
    fail<FileError>(input_name(path), ": ", std::generic_category().message(error),
                    " (expected a readable text file, or - for standard input)");
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> opened;
  if (path != "-") {
    opened.reset(std::fopen(path.c_str(), "rb"));
    check(opened != nullptr);
  }
  std::FILE* const file = path == "-" ? stdin : opened.get();
  std::string bytes;
  for (size_t chunk = 1 << 16, got = chunk; got == chunk;) {
    const size_t size = bytes.size();
    bytes.resize(size + chunk);
    got = std::fread(bytes.data() + size, 1, chunk, file);
    bytes.resize(size + got);
  }
  check(std::ferror(file) == 0);
  return bytes;
}

}  // namespace

std::string input_name(const std::string& path) { return path == "-" ? "<stdin>" : path; }

std::string position(const std::string& path, std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto column = 1 + std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start),
                                        before.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return input_name(path) + ':' + std::to_string(line) + ':' + std::to_string(column) + ": ";
}

size_t first_bad_byte(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = text[i] == '\0' ? 0 : character_length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return text.size();
}

std::string read_text(const std::string& path) {
  std::string text = read_bytes(path);
  if (text.starts_with("\uFEFF")) text.erase(0, 3);
  if (const size_t bad = first_bad_byte(text); bad < text.size()) {
    const std::string where = position(path, text, bad);
    require<FormatError>(text[bad] != '\0', where, "NUL byte: not a text file (expected UTF-8)");
    char hex[8];
    std::snprintf(hex, sizeof hex, "0x%02X", byte_at(text, bad));
    fail<FormatError>(where, "invalid UTF-8 byte ", hex,
                      " (convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8)");
  }
  return text;
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

void split_at_spaces(std::string_view line, std::vector<std::string_view>& tokens) {
  tokens.clear();
  size_t start = 0;
  for (size_t i = 0; i <= line.size();) {
    const size_t space = i < line.size() ? space_length(line, i) : 1;
    if (space > 0 && i > start) tokens.push_back(line.substr(start, i - start));
    i += std::max<size_t>(space, 1);
    if (space > 0) start = i;
  }
}

std::string lower(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = byte_at(text, i);
    const bool two_bytes = c >= 0xC2 && c < 0xE0 && i + 1 < text.size();
    if (two_bytes) c = (c & 0x1F) << 6 | (byte_at(text, ++i) & 0x3F);
    if (two_bytes || c < 0x80) c = lower_code_point(c);
    // Two-byte characters stay below U+0800; bytes of longer ones pass through one by one.
    if (two_bytes && c >= 0x80) {
      result += static_cast<char>(0xC0 | c >> 6);
      c = 0x80 | (c & 0x3F);
    }
    result += static_cast<char>(c);
  }
  return result;
}

}  // namespace tapestry::lm
