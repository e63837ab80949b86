#pragma once
// What tapestry throws. Every error is an exception derived from Error whose message reads
//   op: what was given: what is wrong (hint)
// Checks are always on, also in Release builds.

#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

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
/// Where in a file something is: "FILE:LINE:COLUMN".
struct Place {
  std::string text = {};
};
/// A file whose contents are malformed or do not match what is loaded into. The message begins with
/// the place, where that is known.
struct FormatError : Error {
  using Error::Error;
  FormatError(const Place& where, const std::string& what_is_wrong)
      : Error(where.text + ": " + what_is_wrong), place(where) {}
  /// The message without the place.
  std::string_view problem() const {
    return std::string_view(what()).substr(place.text.empty() ? 0 : place.text.size() + 2);
  }
  /// The same, of a part of something.
  FormatError within(const std::string& whole) const {
    const std::string before = place.text.empty() ? whole : whole + ": " + place.text;
    return {Place{before}, std::string(problem())};
  }
  Place place;
};

/// The text of an error. What needs streams is compiled once, in error.cpp.
class Message {
 public:
  Message();
  ~Message();
  Message(const Message&) = delete;
  template <class T>
  void add(const T& part) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>)
      append(std::string_view(part));
    else if constexpr (std::is_floating_point_v<T>)
      append(static_cast<double>(part));
    else if constexpr (std::is_same_v<T, char>)
      append(std::string_view(&part, 1));
    else if constexpr (std::is_unsigned_v<T>)
      append(static_cast<unsigned long long>(part));
    else if constexpr (std::is_integral_v<T>)
      append(static_cast<long long>(part));
    else
      stream() << part;
  }
  std::string text() const;

 private:
  void append(std::string_view text);
  void append(double number);
  void append(long long number);
  void append(unsigned long long number);
  std::ostream& stream();
  struct Stream;
  Stream* stream_;
};

/// The concatenation of `parts`, numbers in the C locale.
template <class... Parts>
[[gnu::noinline, gnu::cold]] std::string message_of(const Parts&... parts) {
  Message message;
  (message.add(parts), ...);
  return message.text();
}

/// Throws E with the concatenation of `parts`.
template <class E = Error, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw E(message_of(parts...));
}

/// Throws a FormatError about what is at `place`.
template <class E, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Place& place, const Parts&... parts) {
  static_assert(std::is_same_v<E, FormatError>);
  throw FormatError(place, message_of(parts...));
}

/// fail<E>(parts...) unless `condition` holds; parts are only formatted on failure.
template <class E = Error, class... Parts>
inline void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail<E>(parts...);
}

}  // namespace tapestry
