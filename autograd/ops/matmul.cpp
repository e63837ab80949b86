#include <tapestry/autograd/ops/matmul.h>

#include <tapestry/autograd/ops/shape.h>
#include <tapestry/autograd/record.h>

namespace tapestry {
namespace {

constexpr auto kLeftOfProduct = [](Grad& da, const Tensor& dy, const Tensor& b) {
  da.add_matmul(dy, b.transpose());
};
constexpr auto kRightOfProduct = [](Grad& db, const Tensor& dy, const Tensor& a) {
  db.add_matmul(a.transpose(), dy);
};

}  // namespace

Var matmul(const Var& a, const Var& b) {
  if (b.value().rank() == 2 && a.value().rank() > 2) {  // one product over all rows
    Shape shape = a.shape();
    shape[shape.rank() - 1] = b.size(-1);
    return reshape(matmul(reshape(a, {-1, a.size(-1)}), b), shape);
  }
  return record("matmul", matmul(a.value(), b.value()), wrt(a, b.value(), kLeftOfProduct),
                wrt(b, a.value(), kRightOfProduct));
}

Var affine(const Var& x, const Var& w, const Var& bias) {
  if (x.value().rank() > 2) {
    Shape shape = x.shape();
    shape[shape.rank() - 1] = w.size(-1);
    return reshape(affine(reshape(x, {-1, x.size(-1)}), w, bias), shape);
  }
  require<ShapeError>(x.value().rank() == 2 && w.value().rank() == 2, "affine: x ", x.shape(),
                      " and w ", w.shape(), ": expected (rows, k) and (k, n)");
  Tensor y = bias.value().expand({x.size(0), w.size(1)}).clone();
  matmul_into(y, x.value(), w.value(), 1);
  return record("affine", y,  //
                wrt(x, w.value(), kLeftOfProduct), wrt(w, x.value(), kRightOfProduct),
                wrt(bias, [](const Tensor& dy) { return dy; }));
}

}  // namespace tapestry
