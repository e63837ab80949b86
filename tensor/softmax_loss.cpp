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
constexpr int64_t kChunkBytes = 256;  // of a row of lanes: 64 tokens in f32, 32 in f64

template <class T>
struct Problem {
  int64_t rows, hidden, words;
  const T *h, *weight, *bias;
  const int32_t* targets;
  int32_t ignored;
  const T* scale;
  int64_t scale_step;
  T *loss, *dh, *dweight, *dbias;  // gradients may be null
  const RowAccess* access;
  int64_t first_block;
};

/// Memory of one chunk of tokens; `lanes` of them, padded to whole vectors.
template <class T>
struct Chunk {
  const Problem<T>& p;
  int64_t first, count, lanes, padded_hidden;
  T* ht;           // (H, lanes): h transposed
  T* hp;           // (count, padded H): h with rows of whole vectors
  T* e;            // (V, lanes): exp(z - block maximum), later the gradient of z
  T* block_max;    // (blocks, lanes): the running maximum that a block was computed with
  T* target_z;     // (lanes)
  T *top, *total;  // (threads, lanes): maximum and sum of the exponentials, per range of words
  T* dht;          // (threads, H, lanes)
  T* spill;        // (threads, kBlock, one vector): the last columns of dweight

  const T* weight(int64_t word) const { return p.weight + word * p.hidden; }
  /// The tiles touch rows in patterns that the processor does not foresee: ask for what comes next,
  /// a row at a time while exponentials are computed.
  template <int for_writing>
  static void fetch(const T* row, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(T)))
      __builtin_prefetch(row + i, for_writing);
  }
  void fetch_next_weight(int64_t word) const {
    if (word + kBlock < p.words) fetch<0>(weight(word + kBlock), p.hidden);
  }
  int64_t words_of(int64_t block) const { return std::min(kBlock, p.words - block * kBlock); }
  /// The i-th block of a sweep over [begin, end).
  int64_t block_at(int64_t i, int64_t begin, int64_t end) const {
    return begin + (i - begin + p.first_block) % (end - begin);
  }
  void transpose_in();
  void forward(int thread, int64_t block_begin, int64_t block_end);
  void join(int threads);
  void backward(int thread, int64_t block_begin, int64_t block_end, bool accumulate);
  void transpose_out(int threads);
};

template <class T>
void Chunk<T>::transpose_in() {
  for (int64_t t = 0; t < lanes; ++t)
    for (int64_t k = 0; k < p.hidden; ++k)
      ht[k * lanes + t] = t < count ? p.h[(first + t) * p.hidden + k] : T{0};
  if (!p.dweight) return;
  for (int64_t t = 0; t < count; ++t) {
    std::copy_n(p.h + (first + t) * p.hidden, p.hidden, hp + t * padded_hidden);
    std::fill_n(hp + t * padded_hidden + p.hidden, padded_hidden - p.hidden, T{0});
  }
}

/// Blocks of logits, their running maxima, exponentials and sums (one pass, online).
template <class T>
void Chunk<T>::forward(int thread, int64_t block_begin, int64_t block_end) {
  constexpr int64_t L = kLanes<T>;
  T *m = top + thread * lanes, *s = total + thread * lanes;
  std::fill_n(m, lanes, std::numeric_limits<T>::lowest());
  std::fill_n(s, lanes, T{0});
  for (int64_t i = block_begin; i < block_end; ++i) {
    const int64_t b = block_at(i, block_begin, block_end), word = b * kBlock, n = words_of(b);
    T* z = e + word * lanes;
    if (p.bias)
      for (int64_t w = 0; w < n; ++w) std::fill_n(z + w * lanes, lanes, p.bias[word + w]);
    {
      const RowHold hold(p.access, word, word + n);
      multiply<T>(n, lanes, p.hidden, {weight(word), p.hidden, 1}, ht, lanes, z, lanes,
                  p.bias != nullptr);
    }
    for (int64_t t = 0; t < count; ++t) {
      const int64_t target = p.targets[first + t] - word;
      if (target >= 0 && target < n) target_z[t] = z[target * lanes + t];
    }
    for (int64_t t = 0; t < lanes; t += L) {
      const Vec<T> before = load(m + t);
      Vec<T> maximum = before;
      for (int64_t w = 0; w < n; ++w) maximum = simd::max<T>(maximum, load(z + w * lanes + t));
      Vec<T> sum = load(s + t) * exp_nonpositive<T>(before - maximum);
      for (int64_t w = 0; w < n; ++w) {
        if (t == 0) fetch_next_weight(word + w);
        const Vec<T> x = exp_nonpositive<T>(load(z + w * lanes + t) - maximum);
        store(z + w * lanes + t, x);
        sum += x;
      }
      store(m + t, maximum);
      store(s + t, sum);
      store(block_max + b * lanes + t, maximum);
    }
  }
}

/// Joins the ranges in their order; top[0] and total[0] become those of the whole vocabulary.
template <class T>
void Chunk<T>::join(int threads) {
  for (int64_t t = 0; t < lanes; ++t) {
    T maximum = top[t];
    for (int k = 1; k < threads; ++k) maximum = std::max(maximum, top[k * lanes + t]);
    T sum = 0;
    for (int k = 0; k < threads; ++k)
      sum += total[k * lanes + t] * std::exp(top[k * lanes + t] - maximum);
    top[t] = maximum;
    total[t] = sum;
    if (t >= count) continue;
    const bool skip = p.targets[first + t] == p.ignored;
    p.loss[first + t] = skip ? T{0}
                             : static_cast<T>(std::log(static_cast<double>(sum)) +
                                              static_cast<double>(maximum - target_z[t]));
  }
}

/// exp -> dz = scale (softmax - onehot), then its three products, a block at a time.
template <class T>
void Chunk<T>::backward(int thread, int64_t block_begin, int64_t block_end, bool accumulate) {
  constexpr int64_t L = kLanes<T>;
  T* dh_part = dht + thread * p.hidden * lanes;
  T* last = spill + thread * kBlock * L;
  std::fill_n(dh_part, p.hidden * lanes, T{0});
  const auto scale = [&](int64_t t) {
    return t < count && p.targets[first + t] != p.ignored ? p.scale[(first + t) * p.scale_step]
                                                          : T{0};
  };
  for (int64_t at = block_begin; at < block_end; ++at) {
    const int64_t b = block_at(at, block_begin, block_end), word = b * kBlock, n = words_of(b);
    T* g = e + word * lanes;
    for (int64_t t = 0; t < lanes; t += L) {
      T scales[L];
      for (int64_t i = 0; i < L; ++i) scales[i] = scale(t + i);
      const Vec<T> factor = exp_nonpositive<T>(load(block_max + b * lanes + t) - load(top + t)) /
                            load(total + t) * load(scales);
      for (int64_t w = 0; w < n; ++w) {
        if (t == 0) {
          fetch_next_weight(word + w);
          if (p.dweight) fetch<1>(p.dweight + (word + w) * p.hidden, p.hidden);
        }
        store(g + w * lanes + t, load(g + w * lanes + t) * factor);
      }
    }
    for (int64_t t = 0; t < count; ++t) {
      const int64_t target = p.targets[first + t] - word;
      if (target >= 0 && target < n) g[target * lanes + t] -= scale(t);
    }
    if (p.dh) {
      const RowHold hold(p.access, word, word + n);
      multiply<T>(p.hidden, lanes, n, {weight(word), 1, p.hidden}, g, lanes, dh_part, lanes, true);
    }
    if (p.dweight) {
      T* dw = p.dweight + word * p.hidden;
      const int64_t whole = p.hidden / L * L, rest = p.hidden - whole;
      multiply<T>(n, whole, count, {g, lanes, 1}, hp, padded_hidden, dw, p.hidden, accumulate);
      if (rest > 0) {
        multiply<T>(n, L, count, {g, lanes, 1}, hp + whole, padded_hidden, last, L, false);
        for (int64_t w = 0; w < n; ++w)
          for (int64_t k = 0; k < rest; ++k) {
            T& to = dw[w * p.hidden + whole + k];
            to = last[w * L + k] + (accumulate ? to : T{0});
          }
      }
    }
    if (p.dbias)
      for (int64_t w = 0; w < n; ++w) {
        Vec<T> sum{};
        for (int64_t t = 0; t < lanes; t += L) sum += load(g + w * lanes + t);
        T all = accumulate ? p.dbias[word + w] : T{0};
        for (int64_t i = 0; i < L; ++i) all += sum[i];
        p.dbias[word + w] = all;
      }
  }
}

template <class T>
void Chunk<T>::transpose_out(int threads) {
  for (int64_t t = 0; t < count; ++t)
    for (int64_t k = 0; k < p.hidden; ++k) {
      T sum = 0;
      for (int i = 0; i < threads; ++i) sum += dht[(i * p.hidden + k) * lanes + t];
      p.dh[(first + t) * p.hidden + k] = sum;
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
  const bool gradients = p.dh || p.dweight || p.dbias;
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
  const int64_t ht = piece(p.hidden * widest), hp = piece(widest * padded_hidden),
                e = piece(p.words * widest), block_max = piece(blocks * widest),
                target_z = piece(widest), top = piece(threads * widest),
                total = piece(threads * widest), dht = piece(threads * p.hidden * widest),
                spill = piece(threads * kBlock * L);
  const Storage memory(static_cast<size_t>(taken) * sizeof(T));
  T* base = reinterpret_cast<T*>(memory.data());

  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t begin = vectors * c / chunks, end = vectors * (c + 1) / chunks;
    Chunk<T> chunk{p,
                   begin * L,
                   std::min(end * L, p.rows) - begin * L,
                   (end - begin) * L,
                   padded_hidden,
                   base + ht,
                   base + hp,
                   base + e,
                   base + block_max,
                   base + target_z,
                   base + top,
                   base + total,
                   base + dht,
                   base + spill};
    chunk.transpose_in();
    const auto first_block = [&](int thread) { return blocks * thread / threads; };
    on_threads(threads, [&](int k) { chunk.forward(k, first_block(k), first_block(k + 1)); });
    chunk.join(threads);
    if (!gradients) continue;
    on_threads(threads,
               [&](int k) { chunk.backward(k, first_block(k), first_block(k + 1), c > 0); });
    if (p.dh) chunk.transpose_out(threads);
  }
}

}  // namespace

SoftmaxLoss softmax_loss(const Tensor& h, const Tensor& weight, const Tensor& bias,
                         const Tensor& targets, int32_t ignored, const Tensor& scale,
                         SoftmaxLossWanted wanted, const RowAccess* access) {
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
            data(out.dbias), access, access ? access->first_row / kBlock : 0});
  });
  return out;
}

}  // namespace tapestry
