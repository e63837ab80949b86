#pragma once
// What the fuzz targets share. A reader may refuse its input with the errors it documents; any
// other exception, and whatever the sanitizers notice, is a bug.

#include <sys/mman.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

/// A file in memory with these contents.
class File {
 public:
  explicit File(std::string_view bytes) : fd_(memfd_create("fuzz", 0)) {
    if (write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Runs `read`; false where it refuses the input.
template <class F>
bool accepts(F&& read) {
  try {
    read();
    return true;
  } catch (const tapestry::FormatError&) {
    return false;
  }
}

inline void check(bool good) {
  if (!good) std::abort();
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// One of `choices`, by a byte of the input.
template <size_t N>
const char* choose(const char* const (&choices)[N], unsigned byte) {
  return choices[byte % N];
}

}  // namespace fuzz
