#include <cmath>
#include <limits>
#include <utility>

#include <tapestry/tensor/kernels/elementary.h>
#include <tapestry/tensor/kernels/gemm_tiles.h>
#include <tapestry/tensor/softmax/workspace.h>

namespace tapestry::fused_softmax {

// Exponentials are of z - base, where base is at most this much below the largest z so far. It
// seldom changes, so neither do the factors that make up for it, and e^16 overflows nothing.
constexpr int kSlack = 16;

/// In each lane f over those of the same token, where a vector holds kFew tokens.
template <class T, class F>
Vec<T> over_words(Vec<T> x, F f) {
  for (int64_t s = kFew; s < kLanes<T>; s *= 2) {
    Vec<T> turned;
    for (int64_t l = 0; l < kLanes<T>; ++l) turned[l] = x[l ^ s];
    x = f(x, turned);
  }
  return x;
}

/// From a where bit S of the lane is not set, from b where it is: that lane plus the one beside it.
template <class T, int S, int... l>
Vec<T> pair_sums(Vec<T> a, Vec<T> b, std::integer_sequence<int, l...>) {
  constexpr int L = kLanes<T>;
  return __builtin_shufflevector(a, b, (l & S ? L + l : l)...) +
         __builtin_shufflevector(a, b, (l & S ? L + l - S : l + S)...);
}

/// Lane j of x[0] becomes the sum of the lanes of x[j].
template <class T, int S = 1>
void fold(Vec<T>* x) {
  constexpr int L = kLanes<T>;
#pragma GCC unroll 16
  for (int j = 0; j < L; j += 2 * S)
    x[j] = pair_sums<T, S>(x[j], x[j + S], std::make_integer_sequence<int, L>());
  if constexpr (2 * S < L) fold<T, 2 * S>(x);
}

/// One vector of the L / R rows at `a` times R rows of b, which are b_step apart: element (i, r) at
/// i * R + r. Rows are read in vectors. The last one of a row of a ends where the row ends, so that
/// of b has zeros where a was read before.
template <class T, int R>
Vec<T> inner_products(const T* const* a, int64_t depth, const T* b, int64_t b_step) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sum[L] = {};
  const auto add = [&](int64_t from, int64_t to) {
    Vec<T> y[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) y[r] = load(b + r * b_step + to);
#pragma GCC unroll 16
    for (int64_t i = 0; i < L / R; ++i) {
      const Vec<T> x = load(a[i] + from);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sum[i * R + r] += x * y[r];
    }
  };
  int64_t k = 0;
  for (; k + L <= depth; k += L) add(k, k);
  if (k < depth) add(depth - L, k);
  fold<T>(sum);
  return sum[0];
}

/// z = weights h + bias, for n words.
template <class T>
void Chunk<T>::logits(int64_t word, int64_t n, T* z) {
  constexpr int64_t L = kLanes<T>, W = std::max<int64_t>(1, L / kFew);
  if (p.bias) {
    const RowHold hold(p.bias_guard, word, word + n);
    for (int64_t w = 0; w < n; ++w) std::fill_n(z + w * step, step, p.bias[word + w]);
  }
  if (!few()) {
    multiply<T>(n, lanes, p.hidden, {weight(word), p.hidden, 1}, ht, lanes, z, lanes,
                p.bias != nullptr);
    return;
  }
  if constexpr (L > kFew)
    for (int64_t w = 0; w < n; w += W) {
      const T* rows[W];
      for (int64_t i = 0; i < W; ++i) rows[i] = weight(word + std::min(w + i, n - 1));
      const Vec<T> products = inner_products<T, kFew>(rows, p.hidden, ht, padded_hidden);
      T* to = z + w * step;
      store(to, p.bias ? load(to) + products : products);
    }
  std::fill(z + n * step, z + (n + W - 1) / W * W * step, std::numeric_limits<T>::lowest());
}

/// Blocks of logits, exponentials and sums (one pass, online); while a block of weights is in
/// cache, also the mean of the weights under the softmax, which dh needs.
template <class T>
void Chunk<T>::forward(int thread, int64_t block_begin, int64_t block_end) {
  constexpr int64_t L = kLanes<T>;
  T *base_now = part_base + thread * lanes, *s = part_sum + thread * lanes;
  std::fill_n(base_now, lanes, std::numeric_limits<T>::lowest());
  std::fill_n(s, lanes, T{0});
  T* sums = mean + thread * count * padded_hidden;
  if (p.dh) std::fill_n(sums, count * padded_hidden, T{0});
  for (int64_t i = block_begin; i < block_end; ++i) {
    const int64_t b = block_at(i, block_begin, block_end), word = b * kBlock, n = words_of(b);
    const int64_t rows = (n * step + lanes - 1) / lanes;  // of lanes
    T* z = e + word * step;
    const RowHold hold(p.weight_guard, word, word + n);
    logits(word, n, z);
    for (int64_t t = 0; t < count; ++t) {
      const int64_t w = p.targets[first + t] - word;
      if (w < 0 || w >= n) continue;
      target_z[t] = z[w * step + t];
      if (p.dh) std::copy_n(weight(word + w), p.hidden, target + t * padded_hidden);
    }
    for (int64_t t = 0; t < lanes; t += L) {
      const Vec<T> before = load(base_now + t);
      Vec<T> highest = before;
      for (int64_t w = 0; w < rows; ++w) highest = simd::max<T>(highest, load(z + w * lanes + t));
      if (few()) highest = over_words<T>(highest, simd::max<T>);
      const Vec<T> after = highest > before + T(kSlack) ? highest : before;
      const Vec<T> shrink = exp_bounded<T>(before - after);
      Vec<T> total = load(s + t) * shrink;
      for (int64_t w = 0; w < rows; ++w) {
        const Vec<T> x = exp_bounded<T>(load(z + w * lanes + t) - after);
        store(z + w * lanes + t, x);
        total += x;
      }
      store(base_now + t, after);
      store(s + t, total);
      store(block_base + b * lanes + t, after);
      if (!p.dh) continue;
      for (int64_t l = 0; l < L && t + l < count; ++l)
        if (shrink[l] != T{1})
          for (int64_t k = 0; k < padded_hidden; k += L)
            store(sums + (t + l) * padded_hidden + k,
                  load(sums + (t + l) * padded_hidden + k) * shrink[l]);
    }
    if (p.dh) add_to_mean(thread, word, n);
  }
  if (few()) store(s, over_words<T>(load(s), [](Vec<T> a, Vec<T> b) { return a + b; }));
}

/// Adds exp(z) times the weights of n words. The last vector of a row ends where the row ends: it
/// begins with columns that were there already and are left out by finish_dh().
template <class T>
void Chunk<T>::add_to_mean(int thread, int64_t word, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  T* sums = mean + thread * count * padded_hidden;
  const Strided<T> exponentials{e + word * step, 1, step};
  const int64_t whole = p.hidden / L * L;
  multiply<T>(count, whole, n, exponentials, weight(word), p.hidden, sums, padded_hidden, true);
  if (whole == p.hidden) return;
  const T* last = weight(word) + p.hidden - L;
  int64_t apart = p.hidden;
  if (whole == 0) {  // rows shorter than a vector
    T* rows = spill + thread * kBlock * L;
    for (int64_t w = 0; w < n; ++w)
      std::copy_n(weight(word + w), p.hidden, rows + w * L + L - p.hidden);
    last = rows, apart = L;
  }
  multiply<T>(count, L, n, exponentials, last, apart, sums + whole, padded_hidden, true);
}

/// Joins the ranges of words in their order.
template <class T>
void Chunk<T>::join(int threads) {
  for (int64_t t = 0; t < lanes; ++t) {
    base[t] = part_base[t];
    for (int k = 1; k < threads; ++k) base[t] = std::max(base[t], part_base[k * lanes + t]);
    sum[t] = 0;
    for (int k = 0; k < threads; ++k)
      sum[t] += part_sum[k * lanes + t] * std::exp(part_base[k * lanes + t] - base[t]);
    if (t >= count) continue;
    const bool skip = p.targets[first + t] == p.ignored;
    p.loss[first + t] = skip ? T{0}
                             : static_cast<T>(std::log(static_cast<double>(sum[t])) +
                                              static_cast<double>(base[t] - target_z[t]));
  }
}

/// dh = scale (mean of the weights under the softmax - weights of the target)
template <class T>
void Chunk<T>::finish_dh(int threads) {
  const int64_t whole = p.hidden / kLanes<T> * kLanes<T>, skipped = padded_hidden - p.hidden;
  for (int64_t t = 0; t < count; ++t) {
    T* out = p.dh + (first + t) * p.hidden;
    const T scale_of_t = scale(t);
    if (scale_of_t == 0) {
      std::fill_n(out, p.hidden, T{0});
      continue;
    }
    for (int64_t k = 0; k < p.hidden; ++k) out[k] = -scale_of_t * target[t * padded_hidden + k];
    for (int i = 0; i < threads; ++i) {
      const T* sums = mean + (i * count + t) * padded_hidden;
      const T share = scale_of_t * std::exp(part_base[i * lanes + t] - base[t]) / sum[t];
      for (int64_t k = 0; k < whole; ++k) out[k] += share * sums[k];
      for (int64_t k = whole; k < p.hidden; ++k) out[k] += share * sums[k + skipped];
    }
  }
}

template void Chunk<float>::forward(int, int64_t, int64_t);
template void Chunk<double>::forward(int, int64_t, int64_t);
template void Chunk<float>::join(int);
template void Chunk<double>::join(int);
template void Chunk<float>::finish_dh(int);
template void Chunk<double>::finish_dh(int);

}  // namespace tapestry::fused_softmax
