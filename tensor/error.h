#pragma once
// What tapestry throws. Every error is an exception derived from Error whose message reads
//   op: what was given: what is wrong (hint)
// Checks are always on, also in Release builds.

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tapestry {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Sizes that do not fit an operation.
struct ShapeError : Error {
  using Error::Error;
};
/// An index outside its range.
struct IndexError : Error {
  using Error::Error;
};
/// An element type that an operation does not take, or two that differ.
struct DTypeError : Error {
  using Error::Error;
};
/// A number outside its documented range.
struct ValueError : Error {
  using Error::Error;
};
/// Recording or reversing in a way the tape does not allow.
struct TapeError : Error {
  using Error::Error;
};
/// A NaN or an infinity where a finite number is needed.
struct NonFiniteError : Error {
  using Error::Error;
};
/// A file that cannot be opened, read, written or renamed.
struct FileError : Error {
  enum class While { reading, writing };
  /// `error_number` is the system's error number, 0 where it gave none.
  explicit FileError(const std::string& text, While what = While::reading, int error_number = 0)
      : Error(text), doing(what), reason(error_number) {}
  While doing;
  int reason;
};
/// No memory for a tensor.
struct MemoryError : Error {
  using Error::Error;
};
/// A file whose contents are malformed or do not match what is loaded into.
struct FormatError : Error {
  using Error::Error;
};

/// The concatenation of `parts`, numbers in the C locale.
template <class... Parts>
[[gnu::noinline, gnu::cold]] std::string message_of(const Parts&... parts) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  (text << ... << parts);
  return text.str();
}

/// Throws E with the concatenation of `parts`.
template <class E = Error, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw E(message_of(parts...));
}

/// fail<E>(parts...) unless `condition` holds; parts are only formatted on failure.
template <class E = Error, class... Parts>
inline void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail<E>(parts...);
}

}  // namespace tapestry
