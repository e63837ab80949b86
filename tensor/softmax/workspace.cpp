#include <tapestry/tensor/softmax/workspace.h>

namespace tapestry::fused_softmax {

template <class T>
int64_t Chunk<T>::lay_out(Arena<T> arena, int64_t threads, int64_t widest) {
  const int64_t blocks = (p.words + kBlock - 1) / kBlock;
  const int64_t for_h = p.dh ? widest * padded_hidden : 0;
  const int64_t for_words = p.dweight || p.dbias ? threads * widest * padded_hidden : 0;
  ht = arena.take(padded_hidden * widest);
  hp = arena.take(for_words);
  e = arena.take(p.words * widest);
  block_base = arena.take(blocks * widest);
  target_z = arena.take(widest);
  part_base = arena.take(threads * widest);
  part_sum = arena.take(threads * widest);
  base = arena.take(widest);
  sum = arena.take(widest);
  factor = arena.take(threads * widest);
  mean = arena.take(threads * for_h);
  target = arena.take(for_h);
  spill = arena.take(threads * kBlock * kLanes<T>);
  return arena.taken;
}

template <class T>
Chunk<T>::Chunk(const Problem<T>& problem, int threads, int64_t widest)
    : p(problem), padded_hidden((p.hidden + kLanes<T> - 1) / kLanes<T> * kLanes<T>) {
  memory = Storage(static_cast<size_t>(lay_out({}, threads, widest)) * sizeof(T));
  lay_out({reinterpret_cast<T*>(memory.data())}, threads, widest);
}

template <class T>
void Chunk<T>::enter(int64_t begin, int64_t tokens) {
  constexpr int64_t L = kLanes<T>;
  first = begin, count = tokens, lanes = (tokens + L - 1) / L * L;
  step = count <= kFew && kFew < L && p.hidden >= L ? kFew : lanes;
  const int64_t to_token = few() ? padded_hidden : 1, to_unit = few() ? 1 : lanes;
  if (few()) std::fill_n(ht, kFew * padded_hidden, T{0});
  // Rows of few tokens end with a vector that begins with zeros, as rows of weights are read.
  const int64_t whole = few() ? p.hidden / L * L : p.hidden, skipped = padded_hidden - p.hidden;
  for (int64_t t = 0; t < step; ++t)
    for (int64_t k = 0; k < p.hidden; ++k)
      ht[t * to_token + (k < whole ? k : k + skipped) * to_unit] =
          t < count ? p.h[(first + t) * p.hidden + k] : T{0};
}

template Chunk<float>::Chunk(const Problem<float>&, int, int64_t);
template Chunk<double>::Chunk(const Problem<double>&, int, int64_t);
template void Chunk<float>::enter(int64_t, int64_t);
template void Chunk<double>::enter(int64_t, int64_t);

}  // namespace tapestry::fused_softmax
