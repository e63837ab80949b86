#pragma once
// Vectors in the notation of GCC and clang, which compile them for whatever the processor has: of
// 64 bytes with AVX-512, of 32 with AVX, else of 16. Private to the .cpp files of tensor/: nothing
// here is installed.

#include <cstdint>
#include <cstring>

#pragma GCC diagnostic ignored "-Wpsabi"  // no vector crosses a library boundary

namespace tapestry::simd {

#if defined(__AVX512VL__) && defined(__AVX512DQ__)
#define TAPESTRY_VECTOR_BYTES 64  // an attribute takes no constexpr in clang 14
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
#define TAPESTRY_VECTOR_BYTES 32
inline constexpr int kRegisters = 16;
#else
#define TAPESTRY_VECTOR_BYTES 16
inline constexpr int kRegisters = 16;
#endif

template <class T>
struct Types;
template <>
struct Types<float> {
  using Vec [[gnu::vector_size(TAPESTRY_VECTOR_BYTES)]] = float;
  using Int [[gnu::vector_size(TAPESTRY_VECTOR_BYTES)]] = int32_t;
  using Bits = int32_t;
};
template <>
struct Types<double> {
  using Vec [[gnu::vector_size(TAPESTRY_VECTOR_BYTES)]] = double;
  using Int [[gnu::vector_size(TAPESTRY_VECTOR_BYTES)]] = int64_t;
  using Bits = int64_t;
};

template <class T>
using Vec = typename Types<T>::Vec;
template <class T>
using Int = typename Types<T>::Int;
template <class T>
inline constexpr int64_t kLanes = TAPESTRY_VECTOR_BYTES / sizeof(T);

template <class T>
inline Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
inline Vec<T> splat(T x) {
  return x - Vec<T>{};
}
template <class T>
inline Vec<T> max(Vec<T> a, Vec<T> b) {
  return a > b ? a : b;
}

}  // namespace tapestry::simd
