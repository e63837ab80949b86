#include <tapestry/examples/lm/text/text.h>
#include <tapestry/tensor/error.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdio>

namespace tapestry::lm {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

bool is_space(UChar32 c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return u_isUWhiteSpace(c) && c != 0xA0 && c != 0x2007 && c != 0x202F;
}

void check_icu(UErrorCode code, const char* what) {
  if (code == U_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  require<Error>(U_SUCCESS(code), what, ": ICU says ", u_errorName(code));
}

icu::StringPiece piece(std::string_view text) {
  require<FormatError>(text.size() < size_t{1} << 30, "a line of more than a gigabyte");
  return {text.data(), static_cast<int32_t>(text.size())};
}

}  // namespace

Place position(const std::string& path, std::string_view text, size_t offset, int64_t line,
               int64_t column) {
  const std::string_view before = text.substr(0, offset);
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  if (line_start > 0) column = 1;
  line += std::count(before.begin(), before.end(), '\n');
  column += std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start), before.end(),
                          [](char c) { return (c & 0xC0) != 0x80; });
  return {message_of(input_name(path), ":", line, ":", column)};
}

std::string read_text(const std::string& path) {
  const std::string text = read_bytes(path);
  check_text(path, text);
  return text;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // in the macro
int32_t next_character(std::string_view text, size_t& i) {
  UChar32 c;
  U8_NEXT(text.data(), i, text.size(), c);
  return c;
}
#pragma GCC diagnostic pop

size_t first_bad_byte(std::string_view text) {
  for (size_t i = 0, start = 0; i < text.size(); start = i)
    if (next_character(text, i) <= 0) return start;
  return text.size();
}

void refuse_wide(const std::string& path, std::string_view text) {
  using namespace std::string_view_literals;
  const auto zero = [&](size_t i) { return i < text.size() && text[i] == '\0'; };
  const char* encoding = text.starts_with("\xFF\xFE\0\0"sv)                             ? "UTF-32"
                         : text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ? "UTF-16"
                         : !zero(0) && zero(1) && !zero(2) && zero(3)                   ? "UTF-16LE"
                         : zero(0) && !zero(1) && zero(2) && text.size() > 3 && !zero(3)
                             ? "UTF-16BE"
                             : nullptr;
  if (encoding)
    fail<FormatError>(position(path, text, 0), "the text is ", encoding,
                      " (convert the file: iconv -f ", encoding, " -t UTF-8)");
}

void check_text(const std::string& path, std::string_view text, int64_t line, int64_t column) {
  const size_t bad = first_bad_byte(text);
  if (bad == text.size()) return;
  if (line == 1 && column == 1) refuse_wide(path, text);
  const Place where = position(path, text, bad, line, column);
  require<FormatError>(text[bad] != '\0', where, "NUL byte: not a text file (expected UTF-8)");
  char hex[8];
  std::snprintf(hex, sizeof hex, "0x%02X", static_cast<unsigned char>(text[bad]));
  fail<FormatError>(where, "invalid UTF-8 byte ", hex,
                    " (convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8)");
}

std::string repair(std::string_view text, std::string_view replacement) {
  std::string out;
  for (size_t i = 0, start = 0; i < text.size(); start = i)
    out += next_character(text, i) <= 0 ? replacement : text.substr(start, i - start);
  return out;
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

void split_at_spaces(std::string_view line, std::vector<std::string_view>& tokens) {
  tokens.clear();
  size_t token = 0;  // where it begins
  for (size_t i = 0, start = 0; start < line.size(); start = i) {
    if (!is_space(next_character(line, i))) continue;
    if (start > token) tokens.push_back(line.substr(token, start - token));
    token = i;
  }
  if (token < line.size()) tokens.push_back(line.substr(token));
}

std::string lower(std::string_view text) {
  std::string out;
  if (is_ascii(text)) {
    out = text;
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
  }
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode code = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, piece(text), sink, nullptr, code);
  check_icu(code, "lower");
  return out;
}

std::string nfc(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode code = U_ZERO_ERROR;
  icu::Normalizer2::getNFCInstance(code)->normalizeUTF8(0, piece(text), sink, nullptr, code);
  check_icu(code, "nfc");
  return out;
}

}  // namespace tapestry::lm
