#pragma once
// Grad: a gradient being accumulated. It is empty, dense, or (for parameters only) a list of row
// contributions that embeddings leave. Rules add to it; the optimizer reads it and clears it.
//
// The first dense contribution is borrowed, the second allocates, later ones add in place: whether
// the tensor is ours alone is exactly "its storage has one handle".

#include <vector>

#include <tapestry/tensor/rows.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

using RowList = std::vector<Rows>;

/// A light view of the slot that holds the gradient; the slot belongs to a Tape or a Parameter.
class Grad {
 public:
  Grad() = default;  // a gradient nobody wants: wanted() is false
  Grad(Tensor* dense, RowList* rows, const Shape& shape, DType dtype)
      : dense_(dense), rows_(rows), shape_(shape), dtype_(dtype) {}

  bool wanted() const { return dense_ != nullptr; }
  bool empty() const { return !wanted() || (!dense_->defined() && (!rows_ || rows_->empty())); }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }

  // For gradient rules. Each does nothing when the gradient is not wanted, and throws ShapeError or
  // DTypeError when the contribution does not fit.
  void add(const Tensor& d);
  void add_matmul(const Tensor& a, const Tensor& b);  // += a b, without a temporary
  void add_rows(const Tensor& ids, const Tensor& rows);

  /// The gradient as a dense tensor of this shape that may be written to; zeros when empty.
  Tensor& dense();
  /// True when there are only row contributions.
  bool sparse() const { return wanted() && !dense_->defined() && rows_ && !rows_->empty(); }
  /// The row contributions, coalesced (ids sorted, each once). Only when sparse().
  Rows rows() const;
  /// Multiplies what is there, dense or rows.
  void scale(double factor);
  void clear();

 private:
  Tensor& owned();

  Tensor* dense_ = nullptr;
  RowList* rows_ = nullptr;
  Shape shape_;
  DType dtype_ = f32;
};

}  // namespace tapestry
