#include <tapestry/tensor/softmax/softmax_loss.h>

#include <algorithm>

#include <tapestry/tensor/interruption.h>
#include <tapestry/tensor/softmax/workspace.h>
#include <tapestry/tensor/threads.h>

namespace tapestry {
namespace fused_softmax {
namespace {

constexpr int64_t kChunkBytes = 512;  // of a row of lanes: 128 tokens in f32, 64 in f64

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
  const int64_t blocks = (p.words + kBlock - 1) / kBlock;
  const int threads = static_cast<int>(std::min<int64_t>(kernel_threads, blocks));
  const int64_t vectors = (p.rows + L - 1) / L,
                most = kChunkBytes / static_cast<int64_t>(sizeof(T)) / L;
  const int64_t chunks = (vectors + most - 1) / most;
  Chunk<T> chunk(p, threads, (vectors + chunks - 1) / chunks * L);
  for (int64_t c = 0; c < chunks; ++c) {
    Interruption::point();
    const int64_t begin = vectors * c / chunks, end = vectors * (c + 1) / chunks;
    chunk.enter(begin * L, std::min(end * L, p.rows) - begin * L);
    const auto first_block = [&](int thread) { return blocks * thread / threads; };
    on_threads(threads, [&](int k) { chunk.forward(k, first_block(k), first_block(k + 1)); });
    chunk.join(threads);
    if (p.dh) chunk.finish_dh(threads);
    if (p.dweight || p.dbias)
      on_threads(threads,
                 [&](int k) { chunk.backward(k, first_block(k), first_block(k + 1), c > 0); });
  }
}

}  // namespace
}  // namespace fused_softmax

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
    fused_softmax::run<T>({rows, hidden, words, data(hs), data(ws), data(bs), ts.data<int32_t>(),
                           ignored, data(ss), scale.rank() == 0 ? 0 : 1, data(out.loss),
                           data(out.dh), data(out.dweight), data(out.dbias), guard,
                           guarded_bias.guard, guard ? guard->first_row() / kSoftmaxBlock : 0});
  });
  return out;
}

}  // namespace tapestry
