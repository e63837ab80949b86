#include <tapestry/tensor/recurrence.h>

#include <tapestry/tensor/kernels/gate_rows.h>
#include <tapestry/tensor/kernels/packed.h>

namespace tapestry {
namespace {

/// What a step does with a row. x, u: the parts of input and state; h, c: the state before.
template <class T>
struct RowIn {
  const T *x, *u, *h, *c;
};
template <class T>
struct RowOut {
  T *h, *c, *saved;
};
/// d_h, d_c: errors of the state behind; y: its h.
template <class T>
struct ErrorIn {
  const T *d_h, *d_c, *saved, *h, *c, *y;
};
/// through: the part of the error of h that does not go through u.
template <class T>
struct ErrorOut {
  T *dx, *du, *through, *d_c;
};

template <bool is_tanh>
struct Simple {
  static constexpr int64_t gates = 1, saved = 0;
  static constexpr bool has_cell = false, adds_to_x = true;
  template <class T>
  static void forward(const RowIn<T>& in, const RowOut<T>& out, int64_t width) {
    if constexpr (is_tanh)
      simd::map_row(in.u, out.h, width, simd::tanh<T>);
    else
      for (int64_t k = 0; k < width; ++k) out.h[k] = in.u[k] > 0 ? in.u[k] : T{0};
  }
  template <class T>
  static void backward(const ErrorIn<T>& in, const ErrorOut<T>& out, int64_t width) {
    const T *dy = in.d_h, *y = in.y;
    T* __restrict dx = out.dx;
    for (int64_t k = 0; k < width; ++k)
      dx[k] = is_tanh ? dy[k] * (1 - y[k] * y[k]) : y[k] > 0 ? dy[k] : T{0};
  }
};

struct Lstm {
  static constexpr int64_t gates = 4, saved = 5;
  static constexpr bool has_cell = true, adds_to_x = true;
  template <class T>
  static void forward(const RowIn<T>& in, const RowOut<T>& out, int64_t width) {
    simd::lstm_row(in.u, in.c, out.h, out.c, out.saved, width);
  }
  template <class T>
  static void backward(const ErrorIn<T>& in, const ErrorOut<T>& out, int64_t width) {
    simd::lstm_row_backward<true, true>(in.d_h, in.d_c, in.saved, in.c, out.dx, out.d_c, width);
  }
};

struct Gru {
  static constexpr int64_t gates = 3, saved = 4;
  static constexpr bool has_cell = false, adds_to_x = false;
  template <class T>
  static void forward(const RowIn<T>& in, const RowOut<T>& out, int64_t width) {
    simd::gru_row(in.x, in.u, in.h, out.h, out.saved, width);
  }
  template <class T>
  static void backward(const ErrorIn<T>& in, const ErrorOut<T>& out, int64_t width) {
    simd::gru_row_backward(in.d_h, in.saved, in.h, out.dx, out.du, out.through, width);
  }
};

template <class F>
auto with_cell(Recurrence kind, F&& f) {
  switch (kind) {
    case Recurrence::tanh:
      return f(Simple<true>());
    case Recurrence::relu:
      return f(Simple<false>());
    case Recurrence::lstm:
      return f(Lstm());
    case Recurrence::gru:
      break;
  }
  return f(Gru());
}

void require_shape(const char* op, const Tensor& t, const Shape& shape, const char* what) {
  require<ShapeError>(t.shape() == shape, op, ": ", what, " is ", t.shape(), ", expected ", shape);
}

void check(const char* op, const RecurrentInput& in, int64_t gates, bool has_cell) {
  for (const Tensor* t : {&in.w, &in.h}) require_same_dtype(op, in.x, *t);
  require<ShapeError>(in.w.rank() == 2 && in.w.size(1) == gates * in.w.size(0), op,
                      ": the weights are ", in.w.shape(), ", expected (hidden, ", gates,
                      " hidden)");
  require<ShapeError>(in.h.rank() == 2, op, ": the state is ", in.h.shape(),
                      ", expected (batch, hidden)");
  const int64_t width = in.w.size(0), batch = in.h.size(0);
  require_shape(op, in.h, {batch, width}, "the state");
  if (has_cell) require_same_dtype(op, in.x, in.c), require_shape(op, in.c, in.h.shape(), "c");
  if (in.bias.defined())
    require_same_dtype(op, in.x, in.bias), require_shape(op, in.bias, {gates * width}, "the bias");
  require<DTypeError>(in.offsets.dtype() == i32, op, ": offsets are ", in.offsets.dtype(),
                      ", expected i32");
  require<ShapeError>(in.offsets.rank() == 1 && in.offsets.numel() >= 2 && in.offsets.contiguous(),
                      op, ": offsets ", in.offsets.shape(),
                      ": expected one for each step and the end");
  const int32_t* at = in.offsets.data<int32_t>();
  int64_t before = batch;
  for (int64_t t = 0; t + 1 < in.offsets.numel(); ++t) {
    const int64_t count = at[t + 1] - at[t];
    require<ShapeError>(t > 0 || (at[0] == 0 && count == batch), op, ": step 0 has ", count,
                        " rows, expected ", batch);
    require<ShapeError>(count >= 1 && count <= before, op, ": step ", t, " has ", count,
                        " rows, expected 1 to ", before);
    before = count;
  }
  require_shape(op, in.x, {at[in.offsets.numel() - 1], gates * width}, "the inputs' part");
}

/// data, or null where the tensor is undefined.
template <class T>
const T* data_of(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

template <class T, class Cell>
void forward(const RecurrentInput& in, RecurrentValues& out) {
  const int64_t width = in.w.size(0), wide = Cell::gates * width, steps = in.offsets.numel() - 1;
  const int32_t* at = in.offsets.data<int32_t>();
  Tensor packed = Tensor::empty({simd::packed_size<T>(width, wide)}, in.x.dtype());
  simd::pack(in.w.data<T>(), in.w.strides()[0], in.w.strides()[1], width, wide, packed.data<T>());
  Tensor sums = Tensor::empty({at[1], wide}, in.x.dtype());
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t first = at[t], count = at[t + 1] - first;
    const T* x = in.x.data<T>() + first * wide;
    const T* h = t == 0 ? in.h.data<T>() : out.h.data<T>() + at[t - 1] * width;
    const T* c = !Cell::has_cell ? h
                 : t == 0        ? in.c.data<T>()
                                 : out.c.data<T>() + at[t - 1] * width;
    simd::multiply_packed<T>(count, wide, width, {h, width, 1}, packed.data<T>(),
                             {sums.data<T>(), wide, Cell::adds_to_x ? x : data_of<T>(in.bias),
                              Cell::adds_to_x ? wide : 0});
    for (int64_t b = 0; b < count; ++b) {
      const int64_t row = first + b;
      Cell::template forward<T>(
          {x + b * wide, sums.data<T>() + b * wide, h + b * width, c + b * width},
          {out.h.data<T>() + row * width, Cell::has_cell ? out.c.data<T>() + row * width : nullptr,
           Cell::saved ? out.saved.data<T>() + row * Cell::saved * width : nullptr},
          width);
    }
  }
}

/// The errors that walk back, a step at a time.
template <class T, class Cell>
class Backward {
 public:
  Backward(const RecurrentInput& in, const RecurrentValues& values, RecurrentGrads& out)
      : in_(in), values_(values), out_(out), at_(in.offsets.data<int32_t>()) {
    const DType dtype = in.w.dtype();
    packed_ = Tensor::empty({simd::packed_size<T>(wide_, width_)}, dtype);
    simd::pack(in.w.data<T>(), in.w.strides()[1], in.w.strides()[0], wide_, width_,
               packed_.data<T>());
    for (Tensor* t : {&dh_, &through_, &dc_, &dc_before_})
      *t = Tensor::zeros({at_[1], width_}, dtype);
  }

  /// The error of the state behind step t, of what comes back from the step after it where
  /// `linked`, and of the results.
  void enter(int64_t t, bool linked, const Tensor& dh, const Tensor& dc) {
    const int64_t first = at_[t], count = at_[t + 1] - first;
    if (dh.defined())
      std::copy_n(dh.data<T>() + first * width_, count * width_, dh_.data<T>());
    else
      std::fill_n(dh_.data<T>(), count * width_, T{0});
    if (linked) come_back(t + 1);
    if (!Cell::has_cell) return;
    if (!linked) std::fill_n(dc_.data<T>(), count * width_, T{0});
    if (!dc.defined()) return;
    const T* more = dc.data<T>() + first * width_;
    T* sum = dc_.data<T>();
    for (int64_t k = 0; k < count * width_; ++k) sum[k] += more[k];
  }

  /// dh += the error that step t leaves on the state before it.
  void come_back(int64_t t) {
    const int64_t first = at_[t], count = at_[t + 1] - first;
    T* dh = dh_.data<T>();
    if (!Cell::adds_to_x) {
      const T* more = through_.data<T>();
      for (int64_t k = 0; k < count * width_; ++k) dh[k] += more[k];
    }
    simd::multiply_packed<T>(count, width_, wide_, {out_.du.data<T>() + first * wide_, wide_, 1},
                             packed_.data<T>(), {dh, width_, dh, width_});
  }

  void step(int64_t t) {
    const int64_t first = at_[t], count = at_[t + 1] - first;
    const T* h = t == 0 ? in_.h.data<T>() : values_.h.data<T>() + at_[t - 1] * width_;
    const T* c = !Cell::has_cell ? h
                 : t == 0        ? in_.c.data<T>()
                                 : values_.c.data<T>() + at_[t - 1] * width_;
    for (int64_t b = 0; b < count; ++b) {
      const int64_t row = first + b, at = b * width_;
      Cell::template backward<T>(
          {dh_.data<T>() + at, dc_.data<T>() + at,
           Cell::saved ? values_.saved.data<T>() + row * Cell::saved * width_ : nullptr, h + at,
           c + at, values_.h.data<T>() + row * width_},
          {out_.dx.data<T>() + row * wide_, out_.du.data<T>() + row * wide_,
           through_.data<T>() + at, dc_before_.data<T>() + at},
          width_);
    }
    std::swap(dc_, dc_before_);
  }

  /// What has reached the states before the first step.
  void leave() {
    dh_.fill_(0);
    come_back(0);
    out_.dh = dh_;
    if (Cell::has_cell) out_.dc = dc_;
  }

 private:
  const RecurrentInput& in_;
  const RecurrentValues& values_;
  RecurrentGrads& out_;
  const int32_t* at_;
  const int64_t width_ = in_.w.size(0), wide_ = Cell::gates * width_;
  Tensor packed_, dh_, through_, dc_, dc_before_;
};

}  // namespace

RecurrentValues recurrence(const char* op, const RecurrentInput& given) {
  return with_cell(given.kind, [&](auto cell) {
    using Cell = decltype(cell);
    check(op, given, Cell::gates, Cell::has_cell);
    RecurrentInput in = given;
    in.x = in.x.to_contiguous(), in.h = in.h.to_contiguous();
    if (Cell::has_cell) in.c = in.c.to_contiguous();
    if (in.bias.defined()) in.bias = in.bias.to_contiguous();
    const int64_t rows = in.x.size(0), width = in.w.size(0);
    const DType dtype = in.x.dtype();
    RecurrentValues out{Tensor::empty({rows, width}, dtype), {}, {}};
    if (Cell::has_cell) out.c = Tensor::empty({rows, width}, dtype);
    if (Cell::saved) out.saved = Tensor::empty({rows, Cell::saved * width}, dtype);
    dispatch(op, dtype, [&](auto zero) { forward<decltype(zero), Cell>(in, out); });
    return out;
  });
}

RecurrentGrads recurrence_backward(const RecurrentInput& given, const RecurrentValues& values,
                                   const Tensor& dh, const Tensor& dc, int64_t chunk,
                                   bool initial) {
  return with_cell(given.kind, [&](auto cell) {
    using Cell = decltype(cell);
    RecurrentInput in = given;
    in.h = in.h.to_contiguous();
    if (Cell::has_cell) in.c = in.c.to_contiguous();
    const auto contiguous = [](const Tensor& t) { return t.defined() ? t.to_contiguous() : t; };
    const Tensor from_h = contiguous(dh), from_c = contiguous(dc);
    const Shape wide{values.h.size(0), Cell::gates * in.w.size(0)};
    RecurrentGrads out{Tensor::empty(wide, in.w.dtype()), {}, {}, {}};
    out.du = Cell::adds_to_x ? out.dx : Tensor::empty(wide, in.w.dtype());
    dispatch("recurrence", in.w.dtype(), [&](auto zero) {
      Backward<decltype(zero), Cell> backward(in, values, out);
      const int64_t steps = in.offsets.numel() - 1;
      for (int64_t t = steps; t-- > 0;) {
        const int64_t next = t + 1;
        backward.enter(t, next < steps && (chunk == 0 || next % chunk != 0), from_h, from_c);
        backward.step(t);
      }
      if (initial) backward.leave();
    });
    return out;
  });
}

}  // namespace tapestry
