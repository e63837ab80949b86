#include <fcntl.h>
#include <tapestry/examples/lm/text/input_file.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tapestry::lm {
namespace {

constexpr std::string_view kByteOrderMark = "\uFEFF";
constexpr size_t kPart = size_t{1} << 20, kBlock = size_t{1} << 16;

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

std::string input_name(const std::string& path) { return path == "-" ? "<stdin>" : path; }

InputFile::InputFile(const std::string& path, Lines lines)
    : path_(path),
      lines_(lines),
      file_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  check(file_ >= 0);
}

InputFile::~InputFile() {
  if (file_ > STDIN_FILENO) ::close(file_);
}

void InputFile::check(bool good) const {
  if (good) return;
  const int error = errno;
  require<FileError>(error != EISDIR, input_name(path_), ": is a directory, expected a text file");
  throw FileError(message_of(input_name(path_), ": ", std::generic_category().message(error),
                             " (expected a readable file, or - for standard input)"),
                  FileError::While::reading, error);
}

void InputFile::fill() {
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_, begin_ = 0;
  if (buffer_.size() < end_ + kBlock) buffer_.resize(std::max(2 * buffer_.size(), 2 * kBlock));
  ssize_t got;
  do got = ::read(file_, buffer_.data() + end_, buffer_.size() - end_);
  while (got < 0 && errno == EINTR);
  check(got >= 0);
  at_end_ = got == 0;
  end_ += static_cast<size_t>(got);
}

size_t InputFile::find_end() {
  for (size_t seen = 0;;) {
    const std::string_view text(buffer_.data() + begin_, end_ - begin_);
    if (const size_t end = text.find(line_end_, seen); end < text.size()) return end + 1;
    const bool first = number_ == 1 && begins_ && line_end_ == '\n';
    if (first && (at_end_ || (seen <= kPart && text.size() > kPart)))
      if (text.find('\r') < text.size() - 1) {  // the last byte may be what is left of a CRLF
        line_end_ = '\r', seen = 0;
        continue;
      }
    if (at_end_) return text.size();
    if (lines_ == Lines::in_parts && text.size() > kPart) {
      const auto from = text.begin() + static_cast<std::ptrdiff_t>(std::max(seen, kPart));
      const auto cut = std::find_if(from, text.end(), is_white);
      if (cut != text.end()) return static_cast<size_t>(cut - text.begin());
    }
    seen = text.size();
    fill();
  }
}

std::string_view InputFile::line() {
  if (ends_) {
    ++number_, column_ = 1;
  } else {
    column_ += characters({buffer_.data() + begin_, given_});
  }
  begins_ = ends_;
  begin_ += given_;
  given_ = find_end();
  std::string_view out(buffer_.data() + begin_, given_);
  ends_ = out.ends_with(line_end_) || (at_end_ && begin_ + given_ == end_);
  if (number_ > 1 || !begins_ || !out.starts_with(kByteOrderMark)) return out;
  out.remove_prefix(kByteOrderMark.size());
  return out.empty() ? line() : out;
}

std::string read_bytes(const std::string& path) {
  InputFile file(path);
  std::string bytes;
  for (std::string_view line; !(line = file.line()).empty();) bytes += line;
  return bytes;
}

}  // namespace tapestry::lm
