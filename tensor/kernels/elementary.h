#pragma once
// exp, log, tanh, sigmoid on vectors, without branches: the same instructions for every element, so
// the bits of f(x) depend on x alone. Accuracy (checked in tests/vector_math_test.cpp, exhaustively
// for f32 in tests/bench): at most 2 ulp in f32, 1e-15 relative in f64; subnormals included.
// Argument reduction after Cody & Waite (1980); log after fdlibm's e_log.c (Sun, 1993).

#include <limits>

#include <tapestry/tensor/kernels/simd.h>

namespace tapestry::simd {

template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float ln2_high = 0x1.62e4p-1f,
                         ln2_low = 0x1.7f7d1cp-20f;        // n * ln2_high is exact
  static constexpr float magic = 0x1.8p23f;                // rounds to an integer when added
  static constexpr float lowest = -104.f, highest = 89.f;  // e^x is 0, inf beyond
  static constexpr float saturated = 20.f;                 // tanh(x / 2) is 1
  static constexpr float log_scale = 0x1p24f, log_shift = 24.f;
};
template <>
struct FloatFormat<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double magic = 0x1.8p52;
  static constexpr double lowest = -746., highest = 710.;
  static constexpr double saturated = 40.;
  static constexpr double log_scale = 0x1p54, log_shift = 54.;
};

/// 2^n for n in the range of normal numbers.
template <class T>
inline Vec<T> power_of_two(Int<T> n) {
  using F = FloatFormat<T>;
  const Int<T> bits = (n + static_cast<typename Types<T>::Bits>(F::bias)) << F::mantissa;
  return (Vec<T>)bits;
}

/// x = n ln 2 + r with |r| <= ln(2)/2; returns r.
template <class T>
inline Vec<T> reduce(Vec<T> x, Int<T>* n) {
  using F = FloatFormat<T>;
  const Vec<T> shifted = x * T(1.4426950408889634) + F::magic;
  *n = (Int<T>)shifted - (Int<T>)splat<T>(F::magic);
  const Vec<T> whole = shifted - F::magic;
  return (x - whole * F::ln2_high) - whole * F::ln2_low;
}

/// e^r - 1 for |r| <= ln(2)/2.
inline Vec<float> expm1_reduced(Vec<float> r) {
  Vec<float> p = r * 1.9875691500e-4f + 1.3981999507e-3f;  // Cephes, expf
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r;
}
inline Vec<double> expm1_reduced(Vec<double> r) {
  Vec<double> p = r * (1. / 6227020800) + 1. / 479001600;  // Taylor: the remainder is below 1e-17
  p = p * r + 1. / 39916800;
  p = p * r + 1. / 3628800;
  p = p * r + 1. / 362880;
  p = p * r + 1. / 40320;
  p = p * r + 1. / 5040;
  p = p * r + 1. / 720;
  p = p * r + 1. / 120;
  p = p * r + 1. / 24;
  p = p * r + 1. / 6;
  p = p * r + 0.5;
  return p * (r * r) + r;
}

template <class T>
inline Vec<T> exp(Vec<T> x) {
  using F = FloatFormat<T>;
  x = x < F::lowest ? splat<T>(F::lowest) : x;  // NaN stays
  x = x > F::highest ? splat<T>(F::highest) : x;
  Int<T> n;
  const Vec<T> p = expm1_reduced(reduce<T>(x, &n)) + T(1);
  const Int<T> half = n >> 1;  // two factors reach subnormals and infinity
  return p * power_of_two<T>(half) * power_of_two<T>(n - half);
}

/// e^x for x <= 80 down to where it underflows, and 0 below: cheaper, for softmax.
template <class T>
inline Vec<T> exp_bounded(Vec<T> x) {
  using F = FloatFormat<T>;
  constexpr T smallest = T(-(F::bias - 2) * 0.6931471805599453);
  const Int<T> zero = x < smallest;
  x = x < smallest ? splat<T>(smallest) : x;
  Int<T> n;
  const Vec<T> p = expm1_reduced(reduce<T>(x, &n)) + T(1);
  const Vec<T> y = p * power_of_two<T>(n);
  return zero ? Vec<T>{} : y;
}

/// e^y - 1 for 0 <= y <= saturated.
template <class T>
inline Vec<T> expm1_nonnegative(Vec<T> y) {
  Int<T> n;
  const Vec<T> p = expm1_reduced(reduce<T>(y, &n));
  const Vec<T> scale = power_of_two<T>(n);
  return scale * p + (scale - T(1));
}

template <class T>
inline Vec<T> abs(Vec<T> x) {
  const Int<T> mask = Int<T>{} + std::numeric_limits<typename Types<T>::Bits>::max();
  return (Vec<T>)((Int<T>)x & mask);
}
template <class T>
inline Vec<T> copy_sign(Vec<T> magnitude, Vec<T> sign) {
  const Int<T> mask = Int<T>{} + std::numeric_limits<typename Types<T>::Bits>::min();
  return (Vec<T>)(((Int<T>)sign & mask) | ((Int<T>)magnitude & ~mask));
}

/// tanh x = (e^2|x| - 1) / (e^2|x| + 1) with the sign of x.
template <class T>
inline Vec<T> tanh(Vec<T> x) {
  using F = FloatFormat<T>;
  Vec<T> y = abs<T>(x) * T(2);
  y = y > F::saturated ? splat<T>(F::saturated) : y;
  const Vec<T> e = expm1_nonnegative<T>(y);
  Vec<T> t = e / (e + T(2));
  if constexpr (sizeof(T) == 4) {  // three roundings are one too many near 0
    const Vec<T> z = x * x;
    Vec<T> p = z * -5.70498872745e-3f + 2.06390887954e-2f;  // Cephes, tanhf
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const Vec<T> a = y * T(0.5);
    t = a < 0.625f ? p * z * a + a : t;
  }
  return copy_sign<T>(t, x);
}

/// 1 / (1 + e^-x). With e^-|x| = 2^n (1 + p): 2^-n / D for x >= 0 and (1 + p) / D for x < 0, where
/// D = 2^-n + 1 + p. What rounding 1 + p and D loses is put back.
template <class T>
inline Vec<T> sigmoid(Vec<T> x) {
  using F = FloatFormat<T>;
  Vec<T> y = -abs<T>(x);
  y = y < F::lowest ? splat<T>(F::lowest) : y;
  Int<T> n;
  const Vec<T> p = expm1_reduced(reduce<T>(y, &n)), top = p + T(1), top_low = p - (top - T(1));
  const Int<T> half = n >> 1, limit = Int<T>{} - 60, m = n < limit ? limit : n;
  const Vec<T> small = top * power_of_two<T>(half) * power_of_two<T>(n - half);  // e^-|x|
  const Vec<T> c = power_of_two<T>(-m), c1 = c + T(1), d = c1 + p, d_low = p - (d - c1);
  const Int<T> negative = x < T(0);
  const Vec<T> q = (negative ? top : c) / d;
  const Vec<T> inverse = negative ? q : q * power_of_two<T>(m);
  const Vec<T> y0 = q + q * ((negative ? top_low : Vec<T>{}) - d_low * inverse);
  return (negative & (n < limit)) ? small : y0;
}

template <class T>
inline Vec<T> log(Vec<T> x) {
  using F = FloatFormat<T>;
  using B = typename Types<T>::Bits;
  const Int<T> tiny = x < std::numeric_limits<T>::min();
  // Makes subnormals normal; negative numbers are answered below.
  const Vec<T> scaled = abs<T>(tiny ? x * F::log_scale : x);
  // scaled = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2))
  const Vec<T> root = splat<T>(T(0.70710678118654752));
  const Int<T> offset = (Int<T>)scaled - (Int<T>)root;
  const Int<T> k = offset >> F::mantissa;
  const Vec<T> f = (Vec<T>)((Int<T>)scaled - (k << F::mantissa)) - T(1);
  const Vec<T> exponent =
      __builtin_convertvector(k, Vec<T>) - (tiny ? splat<T>(F::log_shift) : Vec<T>{});
  const Vec<T> s = f / (f + T(2)), z = s * s, half = f * f * T(0.5);
  Vec<T> r;
  if constexpr (sizeof(T) == 4) {
    r = z * (z * (z * (z * 0.24279078841f + 0.28498786688f) + 0.40000972152f) + 0.66666662693f);
  } else {
    r = z * 1.479819860511658591e-01 + 1.531383769920937332e-01;
    r = r * z + 1.818357216161805012e-01;
    r = r * z + 2.222219843214978396e-01;
    r = r * z + 2.857142874366239149e-01;
    r = r * z + 3.999999999940941908e-01;
    r = (r * z + 6.666666666666735130e-01) * z;
  }
  const Vec<T> y = exponent * F::ln2_high - ((half - (s * (half + r) + exponent * F::ln2_low)) - f);
  const T infinity = std::numeric_limits<T>::infinity();
  Vec<T> out = x == infinity ? x : y;
  out = x == T(0) ? splat<T>(-infinity) : out;
  const Vec<T> invalid = splat<T>(std::numeric_limits<T>::quiet_NaN());
  out = x < T(0) ? invalid : out;
  out = x != x ? x : out;
  static_assert(sizeof(B) == sizeof(T));
  return out;
}

/// y[i] = f(x[i]); the tail goes through the same instructions in a padded vector.
template <class T, class F>
inline void map_row(const T* x, T* y, int64_t n, F f) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) store<T>(y + i, f(load<T>(x + i)));
  if (i == n) return;
  T tail[L] = {};
  std::memcpy(tail, x + i, static_cast<size_t>(n - i) * sizeof(T));
  store<T>(tail, f(load<T>(tail)));
  std::memcpy(y + i, tail, static_cast<size_t>(n - i) * sizeof(T));
}

}  // namespace tapestry::simd
