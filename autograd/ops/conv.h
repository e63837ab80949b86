#pragma once
// Convolution over time.

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/conv1d.h>

namespace tapestry {

enum class Padding { none, causal, same };

/// x (T, B, C), weight (W, C, D) -> (T', B, D): y[t] = sum over w of x[t + w dilation] weight[w].
/// Without padding T' = T - (W - 1) dilation. With zeros T' = T: before the start (causal: y[t]
/// sees x[0 ... t]) or on both sides (same; the larger half before). Throws what tensor/conv1d.h
/// says.
inline Var conv1d(const Var& x, const Var& weight, Padding padding = Padding::none,
                  int64_t dilation = 1) {
  const int64_t pad =
      padding == Padding::none || weight.value().rank() == 0 ? 0 : (weight.size(0) - 1) * dilation;
  const int64_t after = padding == Padding::same ? pad / 2 : 0;
  const Conv1dOptions options{.dilation = dilation, .pad_before = pad - after, .pad_after = after};
  return record("conv1d", conv1d(x.value(), weight.value(), options),
                wrt(x, weight.value(), options,
                    [](Grad& dx, const Tensor& dy, const Tensor& w, const Conv1dOptions& o) {
                      conv1d_add_dx(dx.dense(), dy, w, o);
                    }),
                wrt(weight, x.value(), options,
                    [](Grad& dw, const Tensor& dy, const Tensor& v, const Conv1dOptions& o) {
                      conv1d_add_dweight(dw.dense(), dy, v, o);
                    }));
}

}  // namespace tapestry
