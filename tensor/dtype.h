#pragma once
// DType: the element type of a tensor, chosen at run time. f32 trains, f64 checks gradients, i32
// only holds indices. dispatch() is the one place where a run-time type becomes a template
// argument.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <type_traits>

#include <tapestry/tensor/error.h>

namespace tapestry {

enum class DType : uint8_t { f32, f64, i32 };
inline constexpr DType f32 = DType::f32, f64 = DType::f64, i32 = DType::i32;

constexpr size_t size_of(DType dtype) { return dtype == f64 ? 8 : 4; }
constexpr const char* name_of(DType dtype) {
  return dtype == f32 ? "f32" : dtype == f64 ? "f64" : "i32";
}
std::ostream& operator<<(std::ostream& out, DType dtype);  // its name

template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int32_t>,
                "tensors hold float, double or int32_t (ids beyond 2^31 - 1 have no type)");
  return std::is_same_v<T, float> ? f32 : std::is_same_v<T, double> ? f64 : i32;
}();

/// Calls f(float{}) or f(double{}); throws DTypeError for i32, naming `op`.
template <class F>
decltype(auto) dispatch(const char* op, DType dtype, F&& f) {
  if (dtype == f32) return f(float{});
  require<DTypeError>(dtype == f64, op, ": i32 holds indices only, expected f32 or f64");
  return f(double{});
}

/// Calls f with a value of the C++ type of any dtype, i32 included.
template <class F>
decltype(auto) dispatch_any(DType dtype, F&& f) {
  if (dtype == f32) return f(float{});
  if (dtype == f64) return f(double{});
  return f(int32_t{});
}

}  // namespace tapestry
