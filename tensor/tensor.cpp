#include <tapestry/tensor/tensor.h>

#include <algorithm>

#include <tapestry/tensor/loops.h>

namespace tapestry {
namespace {

/// `value` as T. A number that an index cannot hold throws ValueError.
template <class T>
T convert(const char* op, double value) {
  if constexpr (std::is_integral_v<T>)
    require<ValueError>(value > -2147483649.0 && value < 2147483648.0, op, ": i32 cannot hold ",
                        value);
  return static_cast<T>(value);
}

/// Throws ValueError for the first element that i32 cannot hold.
void require_indices(const char* op, const Tensor& t) {
  const std::vector<double> values = t.cast(f64).to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i)
    require<ValueError>(values[i] > -2147483649.0 && values[i] < 2147483648.0, op, ": element ", i,
                        " of ", t.shape(), " is ", values[i], ", which i32 cannot hold");
}

void drop(Strides& strides, int dim) {
  for (auto i = static_cast<size_t>(dim); i + 1 < kMaxRank; ++i) strides[i] = strides[i + 1];
  strides[kMaxRank - 1] = 0;
}

}  // namespace

Tensor::Tensor(Storage storage, const Shape& shape, DType dtype)
    : storage_(std::move(storage)),
      shape_(shape),
      strides_(contiguous_strides(shape)),
      dtype_(dtype) {}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  return {Storage(static_cast<size_t>(checked_numel(shape)) * size_of(dtype)), shape, dtype};
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor out = empty(shape, dtype);
  dispatch_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(out.data<T>(), out.numel(), convert<T>("full", value));
  });
  return out;
}

Tensor Tensor::from(const Shape& shape, std::initializer_list<double> values, DType dtype) {
  return from<double>(shape, std::span(values.begin(), values.size())).cast(dtype);
}

Tensor Tensor::indices(std::span<const int32_t> values) {
  return from<int32_t>({static_cast<int64_t>(values.size())}, values);
}

void Tensor::update_contiguous() {
  int64_t expected = 1;
  contiguous_ = true;
  for (auto i = static_cast<size_t>(rank()); i-- > 0;) {
    const int64_t size = shape_.sizes()[i];
    if (size != 1 && strides_[i] != expected) contiguous_ = false;
    expected *= size;
  }
  if (shape_.numel() == 0) contiguous_ = true;
}

Tensor Tensor::view(const Shape& shape, const Strides& strides, int64_t shift) const {
  Tensor out = *this;
  out.offset_ += shift;
  out.shape_ = shape;
  out.strides_ = strides;
  out.update_contiguous();
  return out;
}

Tensor Tensor::transpose(int dim0, int dim1) const {
  require<ShapeError>(rank() >= 2, "transpose: ", shape_, " has fewer than two dims");
  const int i = normalize_dim("transpose", shape_, dim0);
  const int j = normalize_dim("transpose", shape_, dim1);
  Tensor out = *this;
  std::swap(out.shape_[i], out.shape_[j]);
  std::swap(out.strides_[static_cast<size_t>(i)], out.strides_[static_cast<size_t>(j)]);
  out.update_contiguous();
  return out;
}

Tensor Tensor::permute(std::span<const int> dims) const {
  require_defined("permute", *this);
  Shape shape = shape_;
  Strides strides{};
  unsigned seen = 0;
  for (size_t i = 0; i < dims.size() && i < kMaxRank; ++i) {
    const int d = normalize_dim("permute", shape_, dims[i]);
    seen |= 1U << d;
    if (static_cast<int>(i) < rank()) shape[static_cast<int>(i)] = shape_[d];
    strides[i] = strides_[static_cast<size_t>(d)];
  }
  require<ShapeError>(static_cast<int>(dims.size()) == rank() && seen + 1 == 1U << rank(),
                      "permute: ", shape_, ": each of its dims must be named once");
  return view(shape, strides);
}

Tensor Tensor::select(int dim, int64_t index) const {
  const int d = normalize_dim("select", shape_, dim);
  require<IndexError>(index >= 0 && index < shape_[d], "select: index ", index, " is outside dim ",
                      d, " of ", shape_);
  Tensor out = *this;
  out.offset_ += index * strides_[static_cast<size_t>(d)];
  out.shape_ = shape_.without(d);
  drop(out.strides_, d);
  out.update_contiguous();
  return out;
}

Tensor Tensor::narrow(int dim, int64_t start, int64_t count) const {
  const int d = normalize_dim("narrow", shape_, dim);
  require<IndexError>(start >= 0 && count >= 0 && start <= shape_[d] - count, "narrow: ", count,
                      " from ", start, " on is outside dim ", d, " of ", shape_);
  Tensor out = *this;
  out.offset_ += start * strides_[static_cast<size_t>(d)];
  out.shape_[d] = count;
  out.update_contiguous();
  return out;
}

Tensor Tensor::slice(int dim, int64_t start, int64_t stop, int64_t step) const {
  const int d = normalize_dim("slice", shape_, dim);
  require<IndexError>(start >= 0 && start <= stop && stop <= shape_[d], "slice: ", start, " to ",
                      stop, " is outside dim ", d, " of ", shape_);
  require<ValueError>(step >= 1, "slice: step ", step, ", expected at least 1 (see flip)");
  Shape shape = shape_;
  Strides strides = strides_;
  shape[d] = stop == start ? 0 : (stop - start - 1) / step + 1;
  int64_t& stride = strides[static_cast<size_t>(d)];
  const int64_t offset = start * stride;
  stride *= std::min(step, std::max<int64_t>(shape_[d], 1));  // the product must not overflow
  return view(shape, strides, offset);
}

Tensor Tensor::unsqueeze(int dim) const {
  require_defined("unsqueeze", *this);
  const int d = normalize_dim("unsqueeze", shape_.with(0, 1), dim);
  Strides strides = strides_;
  std::copy_backward(strides.begin() + d, strides.end() - 1, strides.end());
  return view(shape_.with(d, 1), strides);
}

Tensor Tensor::squeeze(int dim) const {
  const int d = normalize_dim("squeeze", shape_, dim);
  require<ShapeError>(shape_[d] == 1, "squeeze: dim ", d, " of ", shape_, " is not 1");
  Strides strides = strides_;
  drop(strides, d);
  return view(shape_.without(d), strides);
}

Tensor Tensor::expand(const Shape& shape) const {
  require_defined("expand", *this);
  require<ShapeError>(broadcast("expand", shape, shape_) == shape, "expand: ", shape_,
                      " does not broadcast to ", shape);
  return view(shape, broadcast_strides(*this, shape));
}

Tensor Tensor::reshape(std::initializer_list<int64_t> sizes) const {
  std::array<int64_t, kMaxRank> known{};
  require<ShapeError>(sizes.size() <= kMaxRank, "reshape: rank ", sizes.size(), " is more than ",
                      kMaxRank);
  int64_t* unknown = nullptr;
  size_t rank = 0;
  for (const int64_t size : sizes) {
    known[rank] = size;
    if (size == -1) {
      require<ShapeError>(!unknown, "reshape: ", shape_, ": only one size may be -1");
      unknown = &known[rank];
    }
    ++rank;
  }
  if (unknown) {
    *unknown = 1;
    const int64_t product = Shape(std::span<const int64_t>(known.data(), rank)).numel();
    require<ShapeError>(product > 0 && numel() % product == 0, "reshape: ", shape_,
                        " does not divide by ", product);
    *unknown = numel() / product;
  }
  return reshape(Shape(std::span<const int64_t>(known.data(), rank)));
}

Tensor Tensor::reshape(const Shape& shape) const {
  require_defined("reshape", *this);
  require<ShapeError>(shape.numel() == numel(), "reshape: ", shape_, " has ", numel(),
                      " elements, ", shape, " has ", shape.numel());
  Strides strides = contiguous_strides(shape);
  if (!contiguous_) {
    const LoopNest<1> nest(shape_, {strides_});  // one dense run of any stride is enough for a view
    if (nest.rank > 1) return clone().reshape(shape);
    for (int64_t& stride : strides) stride *= nest.stride[0][0];
  }
  return view(shape, strides);
}

double Tensor::item() const {
  require_defined("item", *this);
  require<ShapeError>(numel() == 1, "item: shape is ", shape_, ", expected one element");
  return dispatch_any(dtype_,
                      [&](auto zero) { return static_cast<double>(*data<decltype(zero)>()); });
}

int64_t Tensor::offset_of(std::initializer_list<int64_t> index) const {
  require_defined("at", *this);
  require<IndexError>(static_cast<int>(index.size()) == rank(), "at: ", index.size(),
                      " indices for shape ", shape_);
  int64_t offset = 0;
  int dim = 0;
  for (const int64_t i : index) {
    require<IndexError>(i >= 0 && i < shape_[dim], "at: index ", i, " is outside dim ", dim, " of ",
                        shape_);
    offset += i * strides_[static_cast<size_t>(dim++)];
  }
  return offset;
}

double Tensor::at(std::initializer_list<int64_t> index) const {
  const int64_t offset = offset_of(index);
  return dispatch_any(
      dtype_, [&](auto zero) { return static_cast<double>(data<decltype(zero)>()[offset]); });
}

Tensor& Tensor::set_(std::initializer_list<int64_t> index, double value) {
  const int64_t offset = offset_of(index);
  bump();
  dispatch_any(dtype_, [&](auto zero) {
    data<decltype(zero)>()[offset] = convert<decltype(zero)>("set_", value);
  });
  return *this;
}

Tensor Tensor::clone() const {
  require_defined("clone", *this);
  Tensor out = empty(shape_, dtype_);
  out.copy_(*this);
  return out;
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  require_defined("cast", *this);
  Tensor out = empty(shape_, dtype);
  out.copy_(*this);
  return out;
}

Tensor& Tensor::fill_(double value) {
  require_defined("fill_", *this);
  bump();
  dispatch_any(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T* x = data<T>();
    const T element = convert<T>("fill_", value);
    LoopNest<1>(shape_, {strides_}).rows([&](auto at, int64_t n, auto step) {
      for (int64_t i = 0; i < n; ++i) x[at[0] + i * step[0]] = element;
    });
  });
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source) {
  require_defined("copy_", *this);
  require_defined("copy_", source);
  require<ShapeError>(broadcast("copy_", shape_, source.shape_) == shape_, "copy_: ", source.shape_,
                      " does not broadcast to ", shape_);
  if (dtype_ == i32 && source.dtype_ != i32) require_indices("cast", source);
  if (must_copy_source("copy_", *this, source)) return copy_(source.clone());
  bump();
  dispatch_any(dtype_, [&](auto to) {
    dispatch_any(source.dtype_, [&](auto from) {
      using T = decltype(to);
      T* o = data<T>();
      const auto* x = source.data<decltype(from)>();
      LoopNest<2>(shape_, {strides_, broadcast_strides(source, shape_)})
          .rows([&](auto at, int64_t n, auto step) {
            if (std::is_same_v<decltype(to), decltype(from)> && step[0] == 1 && step[1] == 1)
              std::copy_n(x + at[1], n, o + at[0]);
            else
              for (int64_t i = 0; i < n; ++i)
                o[at[0] + i * step[0]] = static_cast<T>(x[at[1] + i * step[1]]);
          });
    });
  });
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale) {
  if (scale == 1)
    update("add_", *this, other, [](auto& x, auto y) { x += y; });
  else
    update("add_", *this, other,
           [scale](auto& x, auto y) { x += static_cast<decltype(y)>(scale) * y; });
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  update("mul_", *this, *this,
         [factor](auto& x, auto y) { x = static_cast<decltype(y)>(factor) * y; });
  return *this;
}

void Tensor::require_type(const char* op, DType dtype) const {
  require_defined(op, *this);
  require<DTypeError>(dtype == dtype_, op, ": the tensor is ", dtype_, ", the span asked for is ",
                      dtype);
}

void require_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  require_defined(op, a);
  require_defined(op, b);
  require<DTypeError>(a.dtype() == b.dtype(), op, ": ", a.dtype(), " ", a.shape(), " and ",
                      b.dtype(), " ", b.shape(), " differ in type (use cast)");
}

bool Tensor::overlaps(const Tensor& other) const {
  if (!shares_storage(other) || numel() == 0 || other.numel() == 0) return false;
  const auto range = [](const Tensor& t) {  // the bytes from the first to the last element
    int64_t last = t.offset_;
    for (int i = 0; i < t.rank(); ++i)
      last += (t.shape_[i] - 1) * t.strides_[static_cast<size_t>(i)];
    const auto size = static_cast<int64_t>(size_of(t.dtype_));
    return std::pair(t.offset_ * size, (last + 1) * size);
  };
  const auto [begin, end] = range(*this);
  const auto [other_begin, other_end] = range(other);
  return begin < other_end && other_begin < end;
}

bool must_copy_source(const char* op, const Tensor& target, const Tensor& source) {
  for (int i = 0; i < target.rank() && target.numel() > 0; ++i)
    require<ShapeError>(target.strides()[static_cast<size_t>(i)] != 0 || target.shape()[i] <= 1, op,
                        ": ", target.shape(), " repeats its elements along dim ", i,
                        " (clone it to write)");
  if (!target.overlaps(source)) return false;
  return target.data<std::byte>() != source.data<std::byte>() || target.shape() != source.shape() ||
         target.strides() != source.strides();
}

}  // namespace tapestry
