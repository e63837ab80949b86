#pragma once
// What a pass of the fused softmax loss works on: the problem, and the arrays of one chunk of its
// tokens. Forward and backward are the two passes over the vocabulary.

#include <algorithm>

#include <tapestry/tensor/kernels/simd.h>
#include <tapestry/tensor/softmax/softmax_loss.h>

namespace tapestry::fused_softmax {

using namespace simd;

inline constexpr int64_t kBlock = kSoftmaxBlock;

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

/// Hands out pieces of one block of memory, each on whole vectors; without one it only counts.
template <class T>
struct Arena {
  T* memory = nullptr;
  int64_t taken = 0;
  T* take(int64_t n) {
    constexpr int64_t L = kLanes<T>;
    T* const piece = memory ? memory + taken : nullptr;
    taken += (n + L - 1) / L * L;
    return piece;
  }
};

/// So few tokens leave most of a vector empty: it holds their logits of several words then.
inline constexpr int64_t kFew = 4;

/// The arrays of one chunk of tokens; `lanes` of them, padded to whole vectors.
template <class T>
struct Chunk {
  /// Memory for chunks of up to `widest` lanes.
  Chunk(const Problem<T>& problem, int threads, int64_t widest);

  const Problem<T>& p;
  int64_t padded_hidden;
  int64_t first = 0, count = 0, lanes = 0;  // which tokens
  int64_t step = 0;                         // from a word to the next in e: lanes, or kFew
  T* ht;                                    // (H, lanes): h transposed; for few tokens (kFew, H)
  T* hp;          // (threads, count, padded H): h with rows of whole vectors, times what makes
                  // exponentials the gradient of z
  T* e;           // (V, step): exp(z - base)
  T* block_base;  // (blocks, lanes): the base that a block was computed with
  T* target_z;    // (lanes)
  T* part_base;   // (threads, lanes): the last base in a range of words ...
  T* part_sum;    // ... and the sum of its exponentials
  T *base, *sum;  // (lanes): of the whole vocabulary
  T* factor;      // (threads, lanes): scale exp(block base - base) / sum
  T* mean;        // (threads, count, padded H): sum of exp(z - base) times the word's weights
  T* target;      // (count, padded H): the weights of the target
  T* spill;       // (threads, kBlock, one vector): last columns of a block of weight or dweight
  Storage memory;

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
  /// Of `tokens` tokens from `begin`.
  void enter(int64_t begin, int64_t tokens);
  bool few() const { return step < lanes; }
  void logits(int64_t word, int64_t n, T* z);
  void forward(int thread, int64_t block_begin, int64_t block_end);
  void add_to_mean(int thread, int64_t word, int64_t n);
  void join(int threads);
  void finish_dh(int threads);
  void scale_h(int thread, const T* base_of_block);
  void backward(int thread, int64_t block_begin, int64_t block_end, bool accumulate);

 private:
  int64_t lay_out(Arena<T> arena, int64_t threads, int64_t widest);  // its size
};

}  // namespace tapestry::fused_softmax
