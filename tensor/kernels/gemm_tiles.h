#pragma once
// Register-tiled products for operands that stay in cache: c (+)= a b, where a is read by broadcast
// in any layout and b and c have unit stride. Nothing is packed.

#include <algorithm>

#include <tapestry/tensor/kernels/simd.h>

namespace tapestry::simd {

template <class T>
struct Strided {  // element (row, k) is data[row * row_step + k * k_step]
  const T* data;
  int64_t row_step, k_step;
  Strided from_row(int64_t row) const { return {data + row * row_step, row_step, k_step}; }
};

/// c[R][N vectors] = start + sum over k of a(r, k) b[k][N vectors], where start is c or 0. Asks for
/// the rows of a and c below, which the next tile needs: the processor does not foresee the
/// pattern.
template <class T, int R, int N>
inline void tile(Strided<T> a, const T* b, int64_t b_step, int64_t depth, T* c, int64_t c_step,
                 bool add) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sum[R][N];
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < N; ++n) {
      sum[r][n] = add ? load<T>(c + r * c_step + n * L) : Vec<T>{};
      __builtin_prefetch(c + (R + r) * c_step + n * L, 1);
    }
  const T* ahead = a.data + R * a.row_step;
  const int64_t ahead_step = a.k_step == 1 ? R : 0;  // rows that lie one after the other
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    __builtin_prefetch(ahead + k * ahead_step);
    Vec<T> x[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) x[n] = load<T>(b + k * b_step + n * L);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const T y = a.data[r * a.row_step + k * a.k_step];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[r][n] += y * x[n];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < N; ++n) store<T>(c + r * c_step + n * L, sum[r][n]);
}

/// The tile of `rows` <= R rows.
template <class T, int R, int N>
inline void tile_of(int64_t rows, Strided<T> a, const T* b, int64_t b_step, int64_t depth, T* c,
                    int64_t c_step, bool add) {
  if constexpr (R > 1)
    if (rows < R) return tile_of<T, R - 1, N>(rows, a, b, b_step, depth, c, c_step, add);
  tile<T, R, N>(a, b, b_step, depth, c, c_step, add);
}

/// All rows of a panel N vectors wide, in tiles of nearly equal height: a low one takes as long as
/// one of eight sums. R * N sums, N loads and a broadcast fit the registers.
template <class T, int N>
inline void panel(int64_t rows, Strided<T> a, const T* b, int64_t b_step, int64_t depth, T* c,
                  int64_t c_step, bool add) {
  constexpr int R = kRegisters == 32 ? (N == 1 ? 16 : 8) : (N == 3 ? 4 : N == 2 ? 6 : 8);
  const int64_t tiles = (rows + R - 1) / R;
  if (tiles == 0) return;
  const int64_t low = rows / tiles, higher = rows % tiles;
  for (int64_t i = 0, row = 0; i < tiles; ++i) {
    const int64_t height = low + (i < higher ? 1 : 0);
    tile_of<T, R, N>(height, a.from_row(row), b, b_step, depth, c + row * c_step, c_step, add);
    row += height;
  }
}

/// c (rows x width) (+)= a b; width is a multiple of the lanes.
template <class T>
inline void multiply(int64_t rows, int64_t width, int64_t depth, Strided<T> a, const T* b,
                     int64_t b_step, T* c, int64_t c_step, bool add) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t v = 0, n = width / L; v < n;) {
    const int64_t left = n - v, take = left == 4 ? 2 : std::min<int64_t>(left, 3);
    const T* bv = b + v * L;
    T* cv = c + v * L;
    if (take == 3)
      panel<T, 3>(rows, a, bv, b_step, depth, cv, c_step, add);
    else if (take == 2)
      panel<T, 2>(rows, a, bv, b_step, depth, cv, c_step, add);
    else
      panel<T, 1>(rows, a, bv, b_step, depth, cv, c_step, add);
    v += take;
  }
}

}  // namespace tapestry::simd
