#include <tapestry/tensor/softmax_loss.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/tensor/kernels/elementary.h>
#include <tapestry/tensor/kernels/gemm_tiles.h>
#include <tapestry/tensor/threads.h>

namespace tapestry {
namespace {

using namespace simd;

constexpr int64_t kBlock = kSoftmaxBlock;
constexpr int64_t kChunkBytes = 512;  // of a row of lanes: 128 tokens in f32, 64 in f64
// Exponentials are of z - base, where base is at most this much below the largest z so far. It
// seldom changes, so neither do the factors that make up for it, and e^16 overflows nothing.
constexpr int kSlack = 16;

template <class T>
struct Problem {
  int64_t rows, hidden, words;
  const T *h, *weight, *bias;
  const int32_t* targets;
  int32_t ignored;
  const T* scale;
  int64_t scale_step;
  T *loss, *dh, *dweight, *dbias;  // gradients may be null
  RowGuard *weight_guard, *bias_guard;
  int64_t first_block;
};

/// Memory of one chunk of tokens; `lanes` of them, padded to whole vectors.
template <class T>
struct Chunk {
  const Problem<T>& p;
  int64_t first, count, lanes, padded_hidden;
  T* ht;          // (H, lanes): h transposed
  T* hp;          // (threads, count, padded H): h with rows of whole vectors, times what makes
                  // exponentials the gradient of z
  T* e;           // (V, lanes): exp(z - base)
  T* block_base;  // (blocks, lanes): the base that a block was computed with
  T* target_z;    // (lanes)
  T* part_base;   // (threads, lanes): the last base in a range of words ...
  T* part_sum;    // ... and the sum of its exponentials
  T *base, *sum;  // (lanes): of the whole vocabulary
  T* factor;      // (threads, lanes): scale exp(block base - base) / sum
  T* mean;        // (threads, count, padded H): sum of exp(z - base) times the word's weights
  T* target;      // (count, padded H): the weights of the target
  T* spill;       // (threads, kBlock, one vector): last columns of a block of weight or dweight

  const T* weight(int64_t word) const { return p.weight + word * p.hidden; }
  int64_t words_of(int64_t block) const { return std::min(kBlock, p.words - block * kBlock); }
  /// The i-th block of a sweep over [begin, end).
  int64_t block_at(int64_t i, int64_t begin, int64_t end) const {
    return begin + (i - begin + p.first_block) % (end - begin);
  }
  T scale(int64_t t) const {
    return t < count && p.targets[first + t] != p.ignored ? p.scale[(first + t) * p.scale_step]
                                                          : T{0};
  }
  void transpose_in();
  void forward(int thread, int64_t block_begin, int64_t block_end);
  void add_to_mean(int thread, int64_t word, int64_t n);
  void join(int threads);
  void finish_dh(int threads);
  void scale_h(int thread, const T* base_of_block);
  void backward(int thread, int64_t block_begin, int64_t block_end, bool accumulate);
};

template <class T>
void Chunk<T>::transpose_in() {
  for (int64_t t = 0; t < lanes; ++t)
    for (int64_t k = 0; k < p.hidden; ++k)
      ht[k * lanes + t] = t < count ? p.h[(first + t) * p.hidden + k] : T{0};
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
    T* z = e + word * lanes;
    if (p.bias) {
      const RowHold hold(p.bias_guard, word, word + n);
      for (int64_t w = 0; w < n; ++w) std::fill_n(z + w * lanes, lanes, p.bias[word + w]);
    }
    const RowHold hold(p.weight_guard, word, word + n);
    multiply<T>(n, lanes, p.hidden, {weight(word), p.hidden, 1}, ht, lanes, z, lanes,
                p.bias != nullptr);
    for (int64_t t = 0; t < count; ++t) {
      const int64_t w = p.targets[first + t] - word;
      if (w < 0 || w >= n) continue;
      target_z[t] = z[w * lanes + t];
      if (p.dh) std::copy_n(weight(word + w), p.hidden, target + t * padded_hidden);
    }
    for (int64_t t = 0; t < lanes; t += L) {
      const Vec<T> before = load(base_now + t);
      Vec<T> highest = before;
      for (int64_t w = 0; w < n; ++w) highest = simd::max<T>(highest, load(z + w * lanes + t));
      const Vec<T> after = highest > before + T(kSlack) ? highest : before;
      const Vec<T> shrink = exp_bounded<T>(before - after);
      Vec<T> total = load(s + t) * shrink;
      for (int64_t w = 0; w < n; ++w) {
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
}

/// Adds exp(z) times the weights of n words. The last vector of a row ends where the row ends: it
/// begins with columns that were there already and are left out by finish_dh().
template <class T>
void Chunk<T>::add_to_mean(int thread, int64_t word, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  T* sums = mean + thread * count * padded_hidden;
  const Strided<T> exponentials{e + word * lanes, 1, lanes};
  const int64_t whole = p.hidden / L * L;
  multiply<T>(count, whole, n, exponentials, weight(word), p.hidden, sums, padded_hidden, true);
  if (whole == p.hidden) return;
  const T* last = weight(word) + p.hidden - L;
  int64_t step = p.hidden;
  if (whole == 0) {  // rows shorter than a vector
    T* rows = spill + thread * kBlock * L;
    for (int64_t w = 0; w < n; ++w)
      std::copy_n(weight(word + w), p.hidden, rows + w * L + L - p.hidden);
    last = rows, step = L;
  }
  multiply<T>(count, L, n, exponentials, last, step, sums + whole, padded_hidden, true);
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

    const T* x = e + word * lanes;
    if (p.dweight) {
      T* dw = p.dweight + word * p.hidden;
      const Strided<T> exponentials{x, lanes, 1};
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
        Vec<T> all{};
        for (int64_t t = 0; t < lanes; t += L) all += load(x + w * lanes + t) * load(f + t);
        T d = accumulate ? p.dbias[word + w] : T{0};
        for (int64_t i = 0; i < L; ++i) d += all[i];
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

/// f(thread) on each of `threads` threads; with one, right here.
template <class F>
void on_threads(int threads, F f) {
  if (threads == 1) {
    f(0);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) f(thread);
}

template <class T>
void run(const Problem<T>& p) {
  constexpr int64_t L = kLanes<T>;
  const bool words_wanted = p.dweight || p.dbias;
  const int64_t blocks = (p.words + kBlock - 1) / kBlock;
  const int threads = static_cast<int>(std::min<int64_t>(kernel_threads, blocks));
  const int64_t vectors = (p.rows + L - 1) / L,
                most = kChunkBytes / static_cast<int64_t>(sizeof(T)) / L;
  const int64_t chunks = (vectors + most - 1) / most;
  const int64_t widest = (vectors + chunks - 1) / chunks * L;
  const int64_t padded_hidden = (p.hidden + L - 1) / L * L;

  // One buffer, handed out in pieces that start on whole vectors.
  int64_t taken = 0;
  const auto piece = [&](int64_t n) { return std::exchange(taken, taken + (n + L - 1) / L * L); };
  const int64_t ht = piece(p.hidden * widest),
                hp = piece(words_wanted ? threads * widest * padded_hidden : 0),
                e = piece(p.words * widest), block_base = piece(blocks * widest),
                target_z = piece(widest), part_base = piece(threads * widest),
                part_sum = piece(threads * widest), base = piece(widest), sum = piece(widest),
                factor = piece(threads * widest),
                mean = piece(p.dh ? threads * widest * padded_hidden : 0),
                target = piece(p.dh ? widest * padded_hidden : 0),
                spill = piece(threads * kBlock * L);
  const Storage memory(static_cast<size_t>(taken) * sizeof(T));
  T* start = reinterpret_cast<T*>(memory.data());

  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t begin = vectors * c / chunks, end = vectors * (c + 1) / chunks;
    Chunk<T> chunk{p,
                   begin * L,
                   std::min(end * L, p.rows) - begin * L,
                   (end - begin) * L,
                   padded_hidden,
                   start + ht,
                   start + hp,
                   start + e,
                   start + block_base,
                   start + target_z,
                   start + part_base,
                   start + part_sum,
                   start + base,
                   start + sum,
                   start + factor,
                   start + mean,
                   start + target,
                   start + spill};
    chunk.transpose_in();
    const auto first_block = [&](int thread) { return blocks * thread / threads; };
    on_threads(threads, [&](int k) { chunk.forward(k, first_block(k), first_block(k + 1)); });
    chunk.join(threads);
    if (p.dh) chunk.finish_dh(threads);
    if (words_wanted)
      on_threads(threads,
                 [&](int k) { chunk.backward(k, first_block(k), first_block(k + 1), c > 0); });
  }
}

}  // namespace

SoftmaxLoss softmax_loss(const Tensor& h, const Guarded& guarded_weight,
                         const Guarded& guarded_bias, const Tensor& targets, int32_t ignored,
                         const Tensor& scale, SoftmaxLossWanted wanted) {
  const Tensor &weight = guarded_weight.tensor, &bias = guarded_bias.tensor;
  RowGuard* const guard = guarded_weight.guard;
  constexpr const char* kOp = "linear_cross_entropy";
  require_same_dtype(kOp, h, weight);
  require_same_dtype(kOp, h, scale);
  if (bias.defined()) require_same_dtype(kOp, h, bias);
  require_defined(kOp, targets);
  require<DTypeError>(targets.dtype() == i32, kOp, ": the targets are ", targets.dtype(),
                      ", expected i32");
  require<ShapeError>(h.rank() == 2 && weight.rank() == 2 && h.shape()[1] == weight.shape()[1], kOp,
                      ": h ", h.shape(), " and weight ", weight.shape(),
                      ": expected (rows, hidden) and (words, hidden)");
  const int64_t rows = h.shape()[0], hidden = h.shape()[1], words = weight.shape()[0];
  require<ShapeError>(hidden > 0 && words > 0, kOp, ": weight ", weight.shape(), " is empty");
  require<ShapeError>(targets.shape() == Shape{rows}, kOp, ": h ", h.shape(), " and targets ",
                      targets.shape(), ": expected (rows)");
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{words}, kOp, ": bias ", bias.shape(),
                      ": expected (", words, ")");
  require<ShapeError>(scale.rank() == 0 || scale.shape() == Shape{rows}, kOp, ": scale ",
                      scale.shape(), ": expected (rows) or a scalar");
  const Tensor ts = targets.to_contiguous();
  for (int64_t t = 0; t < rows; ++t) {
    const int32_t target = ts.data<int32_t>()[t];
    require<IndexError>(target == ignored || (target >= 0 && target < words), kOp, ": targets[", t,
                        "] = ", target, " is outside ", words, " words");
  }
  const Tensor hs = h.to_contiguous(), ws = weight.to_contiguous(), ss = scale.to_contiguous();
  const Tensor bs = bias.defined() ? bias.to_contiguous() : bias;
  SoftmaxLoss out{Tensor::empty({rows}, h.dtype()), {}, {}, {}};
  if (wanted.h) out.dh = Tensor::empty(h.shape(), h.dtype());
  // every element is assigned by the first chunk of rows, if there is one
  if (wanted.weight)
    out.dweight =
        rows ? Tensor::empty(weight.shape(), h.dtype()) : Tensor::zeros(weight.shape(), h.dtype());
  if (wanted.bias)
    out.dbias = rows ? Tensor::empty({words}, h.dtype()) : Tensor::zeros({words}, h.dtype());
  if (rows == 0) return out;
  dispatch(kOp, h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto data = [](const Tensor& t) { return t.defined() ? t.data<T>() : nullptr; };
    run<T>({rows, hidden, words, data(hs), data(ws), data(bs), ts.data<int32_t>(), ignored,
            data(ss), scale.rank() == 0 ? 0 : 1, data(out.loss), data(out.dh), data(out.dweight),
            data(out.dbias), guard, guarded_bias.guard, guard ? guard->first_row() / kBlock : 0});
  });
  return out;
}

}  // namespace tapestry
