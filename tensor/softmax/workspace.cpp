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
  const T* h = p.h + first * p.hidden;
  if (!few()) {
    for (int64_t t = 0; t < lanes; ++t)
      for (int64_t k = 0; k < p.hidden; ++k)
        ht[k * lanes + t] = t < count ? h[t * p.hidden + k] : T{0};
    return;
  }
  // A last vector that is not full begins with zeros, as that of a row of weights begins with what
  // was read before.
  std::fill_n(ht, kFew * padded_hidden, T{0});
  const int64_t whole = p.hidden / L * L, rest = p.hidden - whole;
  for (int64_t t = 0; t < count; ++t, h += p.hidden) {
    std::copy_n(h, whole, ht + t * padded_hidden);
    std::copy_n(h + whole, rest, ht + (t + 1) * padded_hidden - rest);
  }
}

template Chunk<float>::Chunk(const Problem<float>&, int, int64_t);
template Chunk<double>::Chunk(const Problem<double>&, int, int64_t);
template void Chunk<float>::enter(int64_t, int64_t);
template void Chunk<double>::enter(int64_t, int64_t);

}  // namespace tapestry::fused_softmax
