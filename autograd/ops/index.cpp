#include <tapestry/autograd/ops/index.h>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var embedding(const Var& table, const Tensor& ids) {
  return record(
      "embedding", take_rows("embedding", table.guarded(), ids),
      wrt(table, ids, [](Grad& d, const Tensor& dy, const Tensor& i) { d.add_rows(i, dy); }));
}

Var gather(const Var& a, int dim, const Tensor& index) {
  return record(
      "gather", gather(a.value(), dim, index),
      wrt(a, index, a.shape(), dim, [](const Tensor& dy, const Tensor& at, Shape s, int d) {
        return scatter_add(dy, d, at, s);
      }));
}

Var flip(const Var& a, int dim) {
  return record("flip", flip(a.value(), dim),
                wrt(a, dim, [](const Tensor& dy, int d) { return flip(dy, d); }));
}

}  // namespace tapestry
