#include <tapestry/examples/airline/panel/smoothing.h>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Sizes that the rule of the gradient needs, too.
struct Sizes {
  int64_t m1, m2, window, horizon;
};

/// One row's states over time, in double: l, u and v as used at each column, and the errors.
struct Path {
  std::vector<double> level, u, v, error;  // level[t + 1] is l(t); u, v reach m beyond the end

  Path(int64_t steps, const Sizes& s)
      : level(static_cast<size_t>(steps + 1)),
        u(static_cast<size_t>(steps + s.m1)),
        v(static_cast<size_t>(steps + s.m2)),
        error(static_cast<size_t>(steps)) {}
};

/// The column whose season of m values is what is known at t of column t + h.
size_t known(int64_t t, int64_t h, int64_t m) { return static_cast<size_t>(t + (h - 1) % m + 1); }

template <class T>
void run(Path& p, const T* x, const T* rates, const T* initial, int64_t first, const Sizes& s) {
  const double a = rates[0], b = rates[1], c = rates[2];
  const int64_t steps = static_cast<int64_t>(p.error.size());
  p.level[static_cast<size_t>(first)] = initial[0];
  for (int64_t i = 0; i < s.m1; ++i) p.u[static_cast<size_t>(first + i)] = initial[1 + i];
  for (int64_t i = 0; i < s.m2; ++i) p.v[static_cast<size_t>(first + i)] = initial[1 + s.m1 + i];
  for (int64_t i = first; i < steps; ++i) {
    const auto t = static_cast<size_t>(i);
    const double season = (s.m1 ? p.u[t] : 0) + (s.m2 ? p.v[t] : 0);
    const double e = x[i] - p.level[t] - season;
    p.error[t] = e;
    p.level[t + 1] = p.level[t] + a * e;
    if (s.m1) p.u[static_cast<size_t>(i + s.m1)] = p.u[t] + b * e;
    if (s.m2) p.v[static_cast<size_t>(i + s.m2)] = p.v[t] + c * e;
  }
}

template <class T>
void read(const Path& p, const T* x, T* out, int64_t t, int64_t first, const Sizes& s) {
  const double level = p.level[static_cast<size_t>(t + 1)];
  for (int64_t k = 0; k < s.window; ++k) {
    const int64_t i = t - s.window + 1 + k;
    if (i < first) continue;
    const auto at = static_cast<size_t>(i);
    out[k] = static_cast<T>(x[i] - level - (s.m1 ? p.u[at] : 0) - (s.m2 ? p.v[at] : 0));
  }
  for (int64_t h = 1; h <= s.horizon; ++h)
    out[s.window + h - 1] = static_cast<T>(level + (s.m1 ? p.u[known(t, h, s.m1)] : 0) +
                                           (s.m2 ? p.v[known(t, h, s.m2)] : 0));
}

/// Adds what an origin's outputs owe to the states; `d` holds the states' gradients.
template <class T>
void read_backward(Path& d, const T* dy, int64_t t, int64_t first, const Sizes& s) {
  double& level = d.level[static_cast<size_t>(t + 1)];
  for (int64_t k = 0; k < s.window; ++k) {
    const int64_t i = t - s.window + 1 + k;
    if (i < first) continue;
    const double g = dy[k];
    level -= g;
    if (s.m1) d.u[static_cast<size_t>(i)] -= g;
    if (s.m2) d.v[static_cast<size_t>(i)] -= g;
  }
  for (int64_t h = 1; h <= s.horizon; ++h) {
    const double g = dy[s.window + h - 1];
    level += g;
    if (s.m1) d.u[known(t, h, s.m1)] += g;
    if (s.m2) d.v[known(t, h, s.m2)] += g;
  }
}

template <class T>
void run_backward(Path& d, const Path& p, const T* rates, T* d_rates, int64_t first,
                  const Sizes& s) {
  double a = 0, b = 0, c = 0;
  for (int64_t i = static_cast<int64_t>(p.error.size()) - 1; i >= first; --i) {
    const auto t = static_cast<size_t>(i);
    const double dl = d.level[t + 1];
    const double du = s.m1 ? d.u[static_cast<size_t>(i + s.m1)] : 0;
    const double dv = s.m2 ? d.v[static_cast<size_t>(i + s.m2)] : 0;
    const double de = rates[0] * dl + rates[1] * du + rates[2] * dv;
    a += dl * p.error[t];
    b += du * p.error[t];
    c += dv * p.error[t];
    d.level[t] += dl - de;
    if (s.m1) d.u[t] += du - de;
    if (s.m2) d.v[t] += dv - de;
  }
  d_rates[0] = static_cast<T>(a);
  d_rates[1] = static_cast<T>(b);
  d_rates[2] = static_cast<T>(c);
}

void check(const Tensor& rates, const SmoothingBatch& batch) {
  const int64_t rows = batch.x.rank() == 2 ? batch.x.size(0) : -1;
  require<ShapeError>(rates.shape() == Shape{rows, 3}, "smooth: rates ", rates.shape(),
                      " for series ", batch.x.shape(), ": expected (series, 3)");
  require<ShapeError>(batch.initial.shape() == Shape{rows, 1 + batch.m1 + batch.m2},
                      "smooth: initial states ", batch.initial.shape(), ": expected (", rows, ", ",
                      1 + batch.m1 + batch.m2, ")");
  const int64_t steps = batch.x.size(1);
  for (const int32_t t : batch.origins.read<int32_t>())
    require<IndexError>(t >= 0 && t < steps, "smooth: origin ", t, " of ", steps, " columns");
  for (const int32_t t : batch.first.read<int32_t>())
    require<IndexError>(t >= 0 && t < steps, "smooth: a series begins at ", t, " of ", steps,
                        " columns");
}

template <class T>
Tensor forward(const Tensor& rates, const SmoothingBatch& batch, const Sizes& s) {
  const auto origins = batch.origins.read<int32_t>(), first = batch.first.read<int32_t>();
  const int64_t steps = batch.x.size(1), states = batch.initial.size(1),
                width = s.window + s.horizon;
  Tensor y =
      Tensor::zeros({batch.x.size(0), static_cast<int64_t>(origins.size()), width}, rates.dtype());
  const T* x = batch.x.read<T>().data();
  const T* initial = batch.initial.read<T>().data();
  const T* rate = rates.read<T>().data();
  T* out = y.write<T>().data();
  for (int64_t b = 0; b < batch.x.size(0); ++b) {
    Path path(steps, s);
    const int64_t begin = first[static_cast<size_t>(b)];
    run(path, x + b * steps, rate + b * 3, initial + b * states, begin, s);
    for (const int32_t t : origins) {
      if (t >= begin) read(path, x + b * steps, out, t, begin, s);
      out += width;
    }
  }
  return y;
}

template <class T>
Tensor backward(const Tensor& dy, const Tensor& rates, const SmoothingBatch& batch,
                const Sizes& s) {
  const auto origins = batch.origins.read<int32_t>(), first = batch.first.read<int32_t>();
  const int64_t steps = batch.x.size(1), states = batch.initial.size(1),
                width = s.window + s.horizon;
  Tensor d_rates = Tensor::zeros(rates.shape(), rates.dtype());
  const Tensor plain = dy.to_contiguous();
  const T* x = batch.x.read<T>().data();
  const T* initial = batch.initial.read<T>().data();
  const T* rate = rates.read<T>().data();
  const T* d_out = plain.read<T>().data();
  T* out = d_rates.write<T>().data();
  for (int64_t b = 0; b < batch.x.size(0); ++b) {
    Path path(steps, s), d(steps, s);
    const int64_t begin = first[static_cast<size_t>(b)];
    run(path, x + b * steps, rate + b * 3, initial + b * states, begin, s);
    for (const int32_t t : origins) {
      if (t >= begin) read_backward(d, d_out, t, begin, s);
      d_out += width;
    }
    run_backward(d, path, rate + b * 3, out + b * 3, begin, s);
  }
  return d_rates;
}

}  // namespace

Var smooth(const Var& rates, const SmoothingBatch& batch) {
  check(rates.value(), batch);
  const Sizes s{batch.m1, batch.m2, batch.window, batch.horizon};
  const Tensor r = rates.value().to_contiguous();
  const Tensor y = r.dtype() == f64 ? forward<double>(r, batch, s) : forward<float>(r, batch, s);
  return record("smooth", y,
                wrt(rates, r, batch.x, batch.initial, batch.first, batch.origins, s,
                    [](const Tensor& dy, const Tensor& rate, const Tensor& x, const Tensor& initial,
                       const Tensor& first, const Tensor& origins, Sizes sizes) {
                      const SmoothingBatch again{x,        initial,  first,        origins,
                                                 sizes.m1, sizes.m2, sizes.window, sizes.horizon};
                      return rate.dtype() == f64 ? backward<double>(dy, rate, again, sizes)
                                                 : backward<float>(dy, rate, again, sizes);
                    }));
}

}  // namespace tapestry::airline
