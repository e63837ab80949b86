#include <tapestry/autograd/grad.h>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {

void Grad::add(const Tensor& d) {
  if (!wanted()) return;
  require_defined("gradient", d);
  require<ShapeError>(d.shape() == shape_, "gradient: a contribution of shape ", d.shape(),
                      " was given for ", shape_);
  require<DTypeError>(d.dtype() == dtype_, "gradient: a contribution of type ", d.dtype(),
                      " was given for ", dtype_, " ", shape_);
  if (!dense_->defined())
    *dense_ = d;
  else if (dense_->unique() && dense_->contiguous())
    dense_->add_(d);
  else
    *dense_ = *dense_ + d;
}

void Grad::add_matmul(const Tensor& a, const Tensor& b) {
  if (!wanted()) return;
  if (a.rank() != 2 || b.rank() != 2)
    add(sum_to(matmul(a, b), shape_));  // batched; the leading dims may have been broadcast
  else if (!dense_->defined())
    add(matmul(a, b));
  else
    matmul_into(owned(), a, b, 1);
}

void Grad::add_rows(const Tensor& ids, const Tensor& rows) {
  if (!wanted()) return;
  require_defined("gradient", rows);
  const int64_t width = shape_[0] ? shape_.numel() / shape_[0] : 0;
  require<ShapeError>(rows.numel() == ids.numel() * width, "gradient: rows ", rows.shape(),
                      " do not fit ids ", ids.shape(), " of ", shape_);
  if (rows_)
    rows_->push_back({ids.clone(), rows});  // the caller may refill its ids before they are read
  else
    add_rows_(dense(), ids, rows);
}

Tensor& Grad::owned() {
  if (!dense_->unique() || !dense_->contiguous()) *dense_ = dense_->clone();
  return *dense_;
}

Tensor& Grad::dense() {
  require(wanted(), "gradient: no dense tensor for an input that needs none (see wanted)");
  if (!dense_->defined()) *dense_ = Tensor::zeros(shape_, dtype_);
  Tensor& out = owned();
  if (rows_) {
    for (const Rows& part : *rows_) add_rows_(out, part.ids, part.values);
    rows_->clear();
  }
  return out;
}

Rows Grad::rows() const {
  require(sparse(), "gradient: ", shape_, " has no row contributions alone (use dense)");
  if (rows_->size() == 1) return coalesce(rows_->front().ids, rows_->front().values);
  PoolVector<Tensor> values;
  int64_t count = 0;
  for (const Rows& part : *rows_) {
    const int64_t n = part.ids.numel();
    Shape flat = shape_;
    flat[0] = n;
    values.push_back(part.values.reshape(flat));
    count += n;
  }
  Tensor ids = Tensor::empty({count}, i32);
  int64_t at = 0;
  for (const Rows& part : *rows_) {
    ids.narrow(0, at, part.ids.numel()).copy_(part.ids.reshape({-1}));
    at += part.ids.numel();
  }
  return coalesce(ids, concat(values));
}

void Grad::scale(double factor) {
  if (!wanted()) return;
  if (dense_->defined()) owned().mul_(factor);
  if (rows_)
    for (Rows& part : *rows_) part.values = part.values * factor;
}

void Grad::clear() {
  if (!wanted()) return;
  *dense_ = Tensor();
  if (rows_) rows_->clear();
}

}  // namespace tapestry
