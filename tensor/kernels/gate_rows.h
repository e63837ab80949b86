#pragma once
// One row of the pointwise half of a recurrent step: tensor/gates.h has the formulas. Rows that are
// written overlap no others.

#include <algorithm>

#include <tapestry/tensor/kernels/elementary.h>

namespace tapestry::simd {

/// z: gates i, f, g, o before activation; gate: these activated, and tanh(c').
template <class T>
void lstm_row(const T* z, const T* old, T* __restrict h, T* __restrict cell, T* __restrict gate,
              int64_t width) {
  map_row(z, gate, 2 * width, sigmoid<T>);
  map_row(z + 2 * width, gate + 2 * width, width, tanh<T>);
  map_row(z + 3 * width, gate + 3 * width, width, sigmoid<T>);
  const T *i = gate, *f = gate + width, *g = gate + 2 * width, *o = gate + 3 * width;
  T* squashed = gate + 4 * width;
  for (int64_t k = 0; k < width; ++k) cell[k] = f[k] * old[k] + i[k] * g[k];
  map_row(cell, squashed, width, tanh<T>);
  for (int64_t k = 0; k < width; ++k) h[k] = o[k] * squashed[k];
}

/// d_h and d_c are read only where there are such.
template <bool has_h, bool has_c, class T>
void lstm_row_backward(const T* d_h, const T* d_c, const T* gate, const T* old, T* __restrict dz,
                       T* __restrict d_old, int64_t width) {
  const T *i = gate, *f = gate + width, *g = gate + 2 * width, *o = gate + 3 * width;
  const T* squashed = gate + 4 * width;
  for (int64_t k = 0; k < width; ++k) {
    const T y = has_h ? d_h[k] : T{0}, cell = has_c ? d_c[k] : T{0};
    const T e = cell + y * o[k] * (1 - squashed[k] * squashed[k]);
    dz[k] = e * g[k] * i[k] * (1 - i[k]);
    dz[k + width] = e * old[k] * f[k] * (1 - f[k]);
    dz[k + 2 * width] = e * i[k] * (1 - g[k] * g[k]);
    dz[k + 3 * width] = y * squashed[k] * o[k] * (1 - o[k]);
    d_old[k] = e * f[k];
  }
}

/// in, rec: input and recurrent parts of the gates r, z, n; gate: these activated, and rec's n.
template <class T>
void gru_row(const T* in, const T* rec, const T* old, T* __restrict y, T* __restrict gate,
             int64_t width) {
  T *r = gate, *z = gate + width, *n = gate + 2 * width, *un = gate + 3 * width;
  for (int64_t k = 0; k < 2 * width; ++k) gate[k] = in[k] + rec[k];
  map_row(gate, gate, 2 * width, sigmoid<T>);
  std::copy_n(rec + 2 * width, width, un);
  for (int64_t k = 0; k < width; ++k) n[k] = in[k + 2 * width] + r[k] * un[k];
  map_row(n, n, width, tanh<T>);
  for (int64_t k = 0; k < width; ++k) y[k] = (1 - z[k]) * n[k] + z[k] * old[k];
}

template <class T>
void gru_row_backward(const T* d, const T* gate, const T* old, T* __restrict dx, T* __restrict du,
                      T* __restrict dh, int64_t width) {
  const T *r = gate, *z = gate + width, *n = gate + 2 * width, *un = gate + 3 * width;
  for (int64_t k = 0; k < width; ++k) {
    const T dn = d[k] * (1 - z[k]) * (1 - n[k] * n[k]);
    dx[k] = du[k] = dn * un[k] * r[k] * (1 - r[k]);
    dx[k + width] = du[k + width] = d[k] * (old[k] - n[k]) * z[k] * (1 - z[k]);
    dx[k + 2 * width] = dn;
    du[k + 2 * width] = dn * r[k];
    dh[k] = d[k] * z[k];
  }
}

}  // namespace tapestry::simd
