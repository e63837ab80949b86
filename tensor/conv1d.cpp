#include <tapestry/tensor/conv1d.h>

#include <algorithm>

#include <tapestry/tensor/matmul.h>

namespace tapestry {
namespace {

/// Calls f(w, rows of x, rows of y) for each tap: the (rows, ..) views that it connects.
template <class F>
void for_each_tap(const Tensor& x, const Tensor& weight, const Tensor& y, const Conv1dOptions& o,
                  F f) {
  const int64_t steps = x.shape()[0], outputs = y.shape()[0];
  const auto rows = [](const Tensor& t, int64_t first, int64_t count) {
    return t.narrow(0, first, count).reshape({count * t.shape()[1], t.shape()[2]});
  };
  for (int64_t w = 0; w < weight.shape()[0]; ++w) {
    const int64_t shift = w * o.dilation - o.pad_before;  // x[t + shift] meets y[t]
    const int64_t first = std::max<int64_t>(0, -shift);
    const int64_t count = std::min(outputs, steps - shift) - first;
    if (count > 0) f(w, rows(x, first + shift, count), rows(y, first, count));
  }
}

Shape output_shape(const Tensor& x, const Tensor& weight, const Conv1dOptions& o) {
  require_same_dtype("conv1d", x, weight);
  require<ShapeError>(
      x.rank() == 3 && weight.rank() == 3 && x.size(2) == weight.size(1) && weight.size(0) > 0,
      "conv1d: x ", x.shape(), " and weight ", weight.shape(),
      ": expected (T, B, C) and (W, C, D)");
  constexpr int64_t kMost = int64_t{1} << 30;  // no sum of these overflows
  require<ValueError>(o.dilation >= 1 && o.dilation <= kMost &&
                          std::min(o.pad_before, o.pad_after) >= 0 &&
                          std::max(o.pad_before, o.pad_after) <= kMost,
                      "conv1d: dilation ", o.dilation, ", pads ", o.pad_before, " and ",
                      o.pad_after, ", expected at least 1, 0 and 0");
  const int64_t padded = x.size(0) + o.pad_before + o.pad_after;
  const int64_t span = (weight.size(0) - 1) * o.dilation + 1;
  require<ShapeError>(padded >= span, "conv1d: a window of ", span, " steps does not fit x ",
                      x.shape(), " with its padding, ", padded, " steps");
  return {padded - span + 1, x.size(1), weight.size(2)};
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Conv1dOptions& options) {
  Tensor y = Tensor::zeros(output_shape(x, weight, options), x.dtype());
  for_each_tap(x.to_contiguous(), weight, y, options,
               [&](int64_t w, const Tensor& rows, Tensor out) {
                 matmul_into(out, rows, weight.select(0, w), 1);
               });
  return y;
}

void conv1d_add_dx(Tensor& dx, const Tensor& dy, const Tensor& weight,
                   const Conv1dOptions& options) {
  require<ShapeError>(dx.contiguous() && output_shape(dx, weight, options) == dy.shape(),
                      "conv1d_add_dx: dx ", dx.shape(), " does not fit dy ", dy.shape());
  for_each_tap(dx, weight, dy.to_contiguous(), options,
               [&](int64_t w, Tensor rows, const Tensor& out) {
                 matmul_into(rows, out, weight.select(0, w).transpose(), 1);
               });
}

void conv1d_add_dweight(Tensor& dweight, const Tensor& dy, const Tensor& x,
                        const Conv1dOptions& options) {
  require<ShapeError>(dweight.contiguous() && output_shape(x, dweight, options) == dy.shape(),
                      "conv1d_add_dweight: dweight ", dweight.shape(), " does not fit dy ",
                      dy.shape());
  for_each_tap(x.to_contiguous(), dweight, dy.to_contiguous(), options,
               [&](int64_t w, const Tensor& rows, const Tensor& out) {
                 Tensor dw = dweight.select(0, w);
                 matmul_into(dw, rows.transpose(), out, 1);
               });
}

}  // namespace tapestry
