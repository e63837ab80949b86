#include <tapestry/autograd/ops/conv.h>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var conv1d(const Var& x, const Var& weight, Padding padding, int64_t dilation) {
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
