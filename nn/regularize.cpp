#include <tapestry/nn/regularize.h>

#include <tapestry/autograd/tape.h>

namespace tapestry {
namespace {

/// 0 or 1/(1-p)
Tensor mask(const Shape& shape, double p, Rng* rng, DType dtype) {
  const Tape::Pause pause;
  return dropout(Tensor::full(shape, 1, dtype), p, rng).value();
}

}  // namespace

Var locked_dropout(const Var& x, const Packing& p, double probability, Rng* rng) {
  require<ShapeError>(x.value().rank() == 2 && x.size(0) == p.rows(), "locked_dropout: ", x.shape(),
                      " for ", p.rows(), " packed rows, expected (rows, width)");
  const Tensor sequences = mask({p.batch(), x.size(1)}, probability, rng, x.dtype());
  if (!rng || probability == 0) return x;
  Tensor slots = Tensor::empty({p.rows()}, i32);
  int32_t* slot = slots.data<int32_t>();
  for (const int64_t count : p.counts)
    for (int32_t i = 0; i < count; ++i) *slot++ = i;
  return x * take_rows("locked_dropout", sequences, slots);
}

Var locked_dropout(const Var& x, double probability, Rng* rng) {
  require<ShapeError>(x.value().rank() == 3, "locked_dropout: ", x.shape(),
                      ", expected (time, batch, width)");
  const Tensor sequences = mask({x.size(1), x.size(2)}, probability, rng, x.dtype());
  return !rng || probability == 0 ? x : x * sequences;
}

}  // namespace tapestry
