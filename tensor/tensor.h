#pragma once
// Tensor: a small value that refers to strided elements of a counted storage.
//
// Copying a Tensor shares the elements; clone() copies them. Views (transpose, select, slice,
// expand, most reshapes) neither copy nor allocate. Functions with a trailing underscore work in
// place and bump the storage's version. Dims may count from the end: -1 is the last.
// A default-constructed Tensor is undefined: it has no elements and may only be assigned to.
// Element types are f32, f64, and i32 for indices; mixing them throws DTypeError.

#include <initializer_list>
#include <span>
#include <vector>

#include <tapestry/tensor/dtype.h>
#include <tapestry/tensor/shape.h>
#include <tapestry/tensor/storage.h>

namespace tapestry {

class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised elements.
  static Tensor empty(const Shape& shape, DType dtype = f32);
  static Tensor zeros(const Shape& shape, DType dtype = f32) { return full(shape, 0, dtype); }
  static Tensor full(const Shape& shape, double value, DType dtype = f32);
  static Tensor scalar(double value, DType dtype = f32) { return full({}, value, dtype); }
  /// Copies `values` in row-major order; throws ShapeError when their number is not shape.numel().
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> values);
  static Tensor from(const Shape& shape, std::initializer_list<double> values, DType dtype = f32);
  /// A vector of indices.
  static Tensor indices(std::span<const int32_t> values);
  static Tensor indices(std::initializer_list<int32_t> values) {
    return indices(std::span(values.begin(), values.size()));
  }

  bool defined() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  int64_t size(int dim) const { return shape_[normalize_dim("size", shape_, dim)]; }
  int rank() const { return shape_.rank(); }
  int64_t numel() const { return defined() ? shape_.numel() : 0; }
  DType dtype() const { return dtype_; }
  const Strides& strides() const { return strides_; }
  bool contiguous() const { return contiguous_; }

  // Views. A dim or an index out of range throws IndexError.
  Tensor transpose(int dim0 = -2, int dim1 = -1) const;
  /// Dim i of the result is dim dims[i] of this; throws ShapeError unless each is named once.
  Tensor permute(std::span<const int> dims) const;
  Tensor permute(std::initializer_list<int> dims) const {
    return permute(std::span(dims.begin(), dims.size()));
  }
  Tensor select(int dim, int64_t index) const;
  Tensor narrow(int dim, int64_t start, int64_t count) const;
  /// Elements start, start + step, ... below stop along a dim; 0 <= start <= stop <= size, step
  /// >= 1.
  Tensor slice(int dim, int64_t start, int64_t stop, int64_t step = 1) const;
  /// A dim of size 1 before `dim` (-1: behind the last); and without it (ShapeError for other
  /// sizes).
  Tensor unsqueeze(int dim) const;
  Tensor squeeze(int dim) const;
  /// Repeats sizes of 1 (and missing leading dims) without copying: stride 0.
  Tensor expand(const Shape& shape) const;
  /// A view when the strides allow it, else a copy. One size may be -1 and is inferred.
  Tensor reshape(std::initializer_list<int64_t> sizes) const;
  Tensor reshape(const Shape& shape) const;

  // Elements.
  double item() const;                                    // the only element, as double
  double at(std::initializer_list<int64_t> index) const;  // one element, as double
  Tensor& set_(std::initializer_list<int64_t> index, double value);
  /// The elements of a contiguous tensor; throws ShapeError when strided, DTypeError otherwise.
  template <class T>
  std::span<const T> read() const;
  template <class T>
  std::span<T> write();  // bumps the version
  template <class T>
  std::vector<T> to_vector() const;  // a row-major copy, of any layout

  Tensor clone() const;
  Tensor to_contiguous() const { return contiguous_ ? *this : clone(); }
  /// The same handle when nothing changes. To i32 it drops fractions, and throws ValueError for
  /// what i32 cannot hold.
  Tensor cast(DType dtype) const;

  // In place; the right-hand side broadcasts to this shape.
  Tensor& fill_(double value);
  Tensor& copy_(const Tensor& source);  // converts the element type
  Tensor& add_(const Tensor& other, double scale = 1);
  Tensor& mul_(double factor);

  // For kernels and the tape. data() does not check the type, the layout or the version; like
  // unique() and bump() it throws Error for an undefined tensor, whose version is 0.
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(storage_.data()) + offset_;
  }
  bool unique() const { return storage_.unique(); }  // no other handle refers to the storage
  uint32_t version() const { return defined() ? storage_.version() : 0; }
  void bump() const { storage_.bump(); }
  bool shares_storage(const Tensor& other) const { return storage_ == other.storage_; }
  bool overlaps(const Tensor& other) const;  // in some element, perhaps

 private:
  Tensor(Storage storage, const Shape& shape, DType dtype);
  Tensor view(const Shape& shape, const Strides& strides, int64_t shift = 0) const;
  void update_contiguous();
  int64_t offset_of(std::initializer_list<int64_t> index) const;
  void require_type(const char* op, DType dtype) const;

  Storage storage_;
  int64_t offset_ = 0;  // in elements
  Shape shape_;
  Strides strides_{};
  DType dtype_ = f32;
  bool contiguous_ = true;
};

/// Throws Error unless the tensor has elements.
inline void require_defined(const char* op, const Tensor& a) {
  require(a.defined(), op, ": an operand is an undefined tensor");
}
/// Throws DTypeError unless both have the same element type.
void require_same_dtype(const char* op, const Tensor& a, const Tensor& b);
/// Before target[i] = f(source[i]): throws ShapeError when the target repeats elements (expand).
/// True when the source holds elements of the target in other places, so that it must be copied.
bool must_copy_source(const char* op, const Tensor& target, const Tensor& source);

// ------------------------------------------------------------------------------------------------

template <class T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  require<ShapeError>(static_cast<int64_t>(values.size()) == shape.numel(), "from: ", values.size(),
                      " values do not fill shape ", shape);
  Tensor out = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), out.data<T>());
  return out;
}

template <class T>
std::span<const T> Tensor::read() const {
  require_type("read", dtype_of<T>);
  require<ShapeError>(contiguous_, "read: ", shape_, " is a strided view (use to_contiguous)");
  return {data<T>(), static_cast<size_t>(numel())};
}

template <class T>
std::span<T> Tensor::write() {
  require_type("write", dtype_of<T>);
  require<ShapeError>(contiguous_, "write: ", shape_, " is a strided view (use copy_ or set_)");
  bump();
  return {data<T>(), static_cast<size_t>(numel())};
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor t = to_contiguous();
  const auto values = t.read<T>();
  return {values.begin(), values.end()};
}

}  // namespace tapestry
