#include <tapestry/tensor/kernels/elementary.h>
#include <tapestry/tensor/kernels/gemm_tiles.h>
#include <tapestry/tensor/softmax/workspace.h>

namespace tapestry::fused_softmax {

/// Makes `factor` and `hp` what blocks of this base need.
template <class T>
void Chunk<T>::scale_h(int thread, const T* base_of_block) {
  constexpr int64_t L = kLanes<T>;
  T *f = factor + thread * lanes, *rows = hp + thread * count * padded_hidden;
  for (int64_t t = 0; t < lanes; t += L) {
    T scales[L];
    for (int64_t i = 0; i < L; ++i) scales[i] = scale(t + i);
    store(f + t,
          exp_bounded<T>(load(base_of_block + t) - load(base + t)) / load(sum + t) * load(scales));
  }
  for (int64_t t = 0; t < count; ++t) {
    const T* h = p.h + (first + t) * p.hidden;
    for (int64_t k = 0; k < p.hidden; ++k) rows[t * padded_hidden + k] = f[t] * h[k];
    std::fill_n(rows + t * padded_hidden + p.hidden, padded_hidden - p.hidden, T{0});
  }
}

/// What the words get from dz = scale (softmax - onehot), a block at a time.
template <class T>
void Chunk<T>::backward(int thread, int64_t block_begin, int64_t block_end, bool accumulate) {
  constexpr int64_t L = kLanes<T>;
  const T *f = factor + thread * lanes, *rows = hp + thread * count * padded_hidden;
  T* last = spill + thread * kBlock * L;
  const T* scaled_for = nullptr;
  const int64_t whole = p.hidden / L * L, rest = p.hidden - whole;
  for (int64_t at = block_begin; at < block_end; ++at) {
    const int64_t b = block_at(at, block_begin, block_end), word = b * kBlock, n = words_of(b);
    const T* base_of_block = block_base + b * lanes;
    if (!scaled_for || !std::equal(scaled_for, scaled_for + lanes, base_of_block))
      scale_h(thread, base_of_block);
    scaled_for = base_of_block;

    const T* x = e + word * step;
    if (p.dweight) {
      T* dw = p.dweight + word * p.hidden;
      const Strided<T> exponentials{x, step, 1};
      multiply<T>(n, whole, count, exponentials, rows, padded_hidden, dw, p.hidden, accumulate);
      if (rest > 0) {
        multiply<T>(n, L, count, exponentials, rows + whole, padded_hidden, last, L, false);
        for (int64_t w = 0; w < n; ++w)
          for (int64_t k = 0; k < rest; ++k) {
            T& to = dw[w * p.hidden + whole + k];
            to = last[w * L + k] + (accumulate ? to : T{0});
          }
      }
    }
    if (p.dbias)
      for (int64_t w = 0; w < n; ++w) {
        T d = accumulate ? p.dbias[word + w] : T{0};
        if (few()) {
          for (int64_t t = 0; t < count; ++t) d += x[w * step + t] * f[t];
        } else {
          Vec<T> all{};
          for (int64_t t = 0; t < lanes; t += L) all += load(x + w * step + t) * load(f + t);
          for (int64_t i = 0; i < L; ++i) d += all[i];
        }
        p.dbias[word + w] = d;
      }
    for (int64_t t = 0; t < count; ++t) {
      const int64_t w = p.targets[first + t] - word;
      if (w < 0 || w >= n) continue;
      const T s = scale(t), *h = p.h + (first + t) * p.hidden;
      if (p.dbias) p.dbias[word + w] -= s;
      if (p.dweight)
        for (int64_t k = 0; k < p.hidden; ++k) p.dweight[(word + w) * p.hidden + k] -= s * h[k];
    }
  }
}

template void Chunk<float>::backward(int, int64_t, int64_t, bool);
template void Chunk<double>::backward(int, int64_t, int64_t, bool);

}  // namespace tapestry::fused_softmax
