#pragma once
// Products with a matrix that is used many times, packed once for all of them, and sums of products
// over groups of rows. An element of a product is one sum in order of k, begun at 0, to which what
// it is added to comes last: its bits depend neither on the number of rows nor on where its row
// stands.

#include <algorithm>
#include <span>

#include <tapestry/tensor/kernels/gemm_tiles.h>

namespace tapestry::simd {

/// Vectors side by side in a panel, and rows of a tile: R * kPanel sums, kPanel loads and a
/// broadcast fit the registers.
inline constexpr int kPanel = 3, kTileRows = kRegisters == 32 ? 8 : 4;
template <class T>
inline constexpr int64_t kPanelWidth = kPanel* kLanes<T>;

/// Numbers that a packed matrix (depth x width) takes: panels, one behind the other.
template <class T>
int64_t packed_size(int64_t depth, int64_t width) {
  return depth * ((width + kLanes<T> - 1) / kLanes<T>)*kLanes<T>;
}

/// A panel of `columns` <= kPanelWidth columns of b, depth rows, filled up with zeros to vectors.
template <class T>
void pack_panel(const T* b, int64_t row_step, int64_t column_step, int64_t depth, int64_t columns,
                T* out) {
  const int64_t padded = packed_size<T>(1, columns);
  for (int64_t k = 0; k < depth; ++k, out += padded) {
    const T* row = b + k * row_step;
    if (column_step == 1 && columns == kPanelWidth<T>)
      std::copy_n(row, kPanelWidth<T>, out);
    else
      for (int64_t n = 0; n < padded; ++n) out[n] = n < columns ? row[n * column_step] : T{0};
  }
}

/// b (depth x width) with any steps, packed.
template <class T>
void pack(const T* b, int64_t row_step, int64_t column_step, int64_t depth, int64_t width, T* out) {
  for (int64_t n = 0; n < width; n += kPanelWidth<T>) {
    const int64_t columns = std::min(kPanelWidth<T>, width - n);
    pack_panel(b + n * column_step, row_step, column_step, depth, columns, out);
    out += packed_size<T>(depth, columns);
  }
}

/// Rows of a matrix with unit stride; what is added to may be another, or one row for all (step 0).
template <class T>
struct Result {
  T* to;
  int64_t step;
  const T* from;  // null: nothing
  int64_t from_step;
};

/// R rows of N vectors.
template <class T, int R, int N>
inline void packed_tile(Strided<T> a, const T* b, int64_t depth, const Result<T>& c) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sum[R][N] = {};
#pragma GCC unroll 4
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> x[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) x[n] = load<T>(b + (k * N + n) * L);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const T y = a.data[r * a.row_step + k * a.k_step];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[r][n] += y * x[n];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < N; ++n)
      store<T>(c.to + r * c.step + n * L,
               c.from ? load<T>(c.from + r * c.from_step + n * L) + sum[r][n] : sum[r][n]);
}

/// `rows` <= R rows of `columns` <= N vectors, of which the last may be in part.
template <class T, int R, int N>
inline void packed_tile_of(int64_t rows, int64_t columns, Strided<T> a, const T* b, int64_t depth,
                           const Result<T>& c) {
  if constexpr (R > 1)
    if (rows < R) return packed_tile_of<T, R - 1, N>(rows, columns, a, b, depth, c);
  if constexpr (N > 1)
    if (columns <= (N - 1) * kLanes<T>)
      return packed_tile_of<T, R, N - 1>(rows, columns, a, b, depth, c);
  constexpr int64_t W = N * kLanes<T>;
  if (columns == W) return packed_tile<T, R, N>(a, b, depth, c);
  T whole[R * W] = {};
  for (int r = 0; c.from && r < R; ++r)
    std::copy_n(c.from + r * c.from_step, columns, whole + r * W);
  packed_tile<T, R, N>(a, b, depth, {whole, W, c.from ? whole : nullptr, W});
  for (int r = 0; r < R; ++r) std::copy_n(whole + r * W, columns, c.to + r * c.step);
}

/// c (rows x width) = c.from + a b, with b (depth x width) packed; tiles of nearly equal height.
/// Deep products are made of parts, for which a panel stays in the first cache.
template <class T>
void multiply_packed(int64_t rows, int64_t width, int64_t depth, Strided<T> a, const T* b,
                     const Result<T>& c) {
  const int64_t kDepth = 16384 / kPanelWidth<T> / int64_t{sizeof(T)};
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  if (tiles == 0) return;
  const int64_t low = rows / tiles, higher = rows % tiles;
  for (int64_t n = 0; n < width; n += kPanelWidth<T>) {
    const int64_t columns = std::min(kPanelWidth<T>, width - n);
    for (int64_t k = 0; k < depth; k += kDepth) {
      const int64_t part = std::min(kDepth, depth - k);
      const T* from = k > 0 ? c.to : c.from;
      const int64_t from_step = k > 0 ? c.step : c.from_step;
      for (int64_t i = 0, row = 0; i < tiles; ++i) {
        const int64_t height = low + (i < higher ? 1 : 0);
        packed_tile_of<T, kTileRows, kPanel>(
            height, columns, {a.data + row * a.row_step + k * a.k_step, a.row_step, a.k_step}, b,
            part,
            {c.to + row * c.step + n, c.step, from ? from + row * from_step + n : nullptr,
             from_step});
        row += height;
      }
      b += packed_size<T>(part, columns);
    }
  }
}

}  // namespace tapestry::simd
