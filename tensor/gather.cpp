#include <tapestry/tensor/gather.h>

#include <tapestry/tensor/loops.h>

namespace tapestry {
namespace {

/// Calls f(k, at) for each element k of a contiguous index, whose place in `shape` is `at`.
template <class F>
void for_each_place(const char* op, const Tensor& index, const Shape& shape, int dim, F f) {
  require<DTypeError>(index.dtype() == i32, op, ": the index is ", index.dtype(), ", expected i32");
  Shape expected = shape;
  const bool has_dim = index.rank() == shape.rank();
  if (has_dim) expected[dim] = index.shape()[dim];
  require<ShapeError>(index.shape() == (has_dim ? expected : shape.without(dim)), op, ": index ",
                      index.shape(), " does not fit dim ", dim, " of ", shape);
  const Around around(shape, dim);
  const int64_t picks = has_dim ? expected[dim] : 1;
  const Tensor flat = index.to_contiguous();
  const int32_t* position = flat.data<int32_t>();
  int64_t k = 0;
  for (int64_t o = 0; o < around.outer; ++o)
    for (int64_t p = 0; p < picks; ++p)
      for (int64_t i = 0; i < around.inner; ++i, ++k) {
        require<IndexError>(position[k] >= 0 && position[k] < around.n, op, ": position ",
                            position[k], " is outside dim ", dim, " of ", shape);
        f(k, (o * around.n + position[k]) * around.inner + i);
      }
}

}  // namespace

Tensor gather(const Tensor& a, int dim, const Tensor& index) {
  require_defined("gather", a);
  require_defined("gather", index);
  const int d = normalize_dim("gather", a.shape(), dim);
  const Tensor from = a.to_contiguous();
  Tensor out = Tensor::empty(index.shape(), a.dtype());
  dispatch_any(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const T* x = from.data<T>();
    for_each_place("gather", index, a.shape(), d, [=](int64_t k, int64_t at) { o[k] = x[at]; });
  });
  return out;
}

Tensor scatter_add(const Tensor& values, int dim, const Tensor& index, const Shape& shape) {
  require_defined("scatter_add", values);
  require_defined("scatter_add", index);
  const int d = normalize_dim("scatter_add", shape, dim);
  require<ShapeError>(values.shape() == index.shape(), "scatter_add: values ", values.shape(),
                      " and index ", index.shape(), " differ");
  Tensor out = Tensor::zeros(shape, values.dtype());
  const Tensor from = values.to_contiguous();
  dispatch("scatter_add", values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const T* x = from.data<T>();
    for_each_place("scatter_add", index, shape, d, [=](int64_t k, int64_t at) { o[at] += x[k]; });
  });
  return out;
}

Tensor flip(const Tensor& a, int dim) {
  require_defined("flip", a);
  const int d = normalize_dim("flip", a.shape(), dim);
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  for (int64_t i = 0, n = a.shape()[d]; i < n; ++i) out.select(d, n - 1 - i).copy_(a.select(d, i));
  return out;
}

}  // namespace tapestry
