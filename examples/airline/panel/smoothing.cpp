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
void run(Path& p, const T* x, const T* rates, const T* initial, const Sizes& s) {
  const double a = rates[0], b = rates[1], c = rates[2];
  const int64_t steps = static_cast<int64_t>(p.error.size());
  p.level[0] = initial[0];
  for (int64_t i = 0; i < s.m1; ++i) p.u[static_cast<size_t>(i)] = initial[1 + i];
  for (int64_t i = 0; i < s.m2; ++i) p.v[static_cast<size_t>(i)] = initial[1 + s.m1 + i];
  for (int64_t i = 0; i < steps; ++i) {
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
void read(const Path& p, const T* x, T* out, int64_t t, const Sizes& s) {
  const double level = p.level[static_cast<size_t>(t + 1)];
  for (int64_t k = 0; k < s.window; ++k) {
    const int64_t i = t - s.window + 1 + k;
    if (i < 0) continue;
    const auto at = static_cast<size_t>(i);
    out[k] = static_cast<T>(x[i] - level - (s.m1 ? p.u[at] : 0) - (s.m2 ? p.v[at] : 0));
  }
  for (int64_t h = 1; h <= s.horizon; ++h)
    out[s.window + h - 1] = static_cast<T>(level + (s.m1 ? p.u[known(t, h, s.m1)] : 0) +
                                           (s.m2 ? p.v[known(t, h, s.m2)] : 0));
}

/// Adds what an origin's outputs owe to the states; `d` holds the states' gradients.
template <class T>
void read_backward(Path& d, const T* dy, int64_t t, const Sizes& s) {
  double& level = d.level[static_cast<size_t>(t + 1)];
  for (int64_t k = 0; k < s.window; ++k) {
    const int64_t i = t - s.window + 1 + k;
    if (i < 0) continue;
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
void run_backward(Path& d, const Path& p, const T* rates, T* d_rates, const Sizes& s) {
  double a = 0, b = 0, c = 0;
  for (int64_t i = static_cast<int64_t>(p.error.size()) - 1; i >= 0; --i) {
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
  require<ShapeError>(batch.lengths.shape() == Shape{rows} && batch.origins.rank() == 2 &&
                          batch.origins.size(0) == rows,
                      "smooth: lengths ", batch.lengths.shape(), " and origins ",
                      batch.origins.shape(), " of ", rows,
                      " series: expected (series) and (series, "
                      "origins)");
  const auto lengths = batch.lengths.read<int32_t>(), origins = batch.origins.read<int32_t>();
  const auto count = static_cast<size_t>(batch.origins.size(1));
  for (size_t b = 0; b < lengths.size(); ++b) {
    require<IndexError>(lengths[b] >= 0 && lengths[b] <= batch.x.size(1), "smooth: a series of ",
                        lengths[b], " values in ", batch.x.size(1), " columns");
    for (const int32_t t : origins.subspan(b * count, count))
      require<IndexError>(t >= -1 && t < lengths[b], "smooth: origin ", t, " of ", lengths[b],
                          " values");
  }
}

/// A batch's rows as they lie in memory.
template <class T>
struct Rows {
  std::span<const int32_t> lengths, origins;
  std::span<const T> x, initial, rates;
  size_t steps, states, count;

  Rows(const Tensor& rates_, const SmoothingBatch& batch)
      : lengths(batch.lengths.read<int32_t>()),
        origins(batch.origins.read<int32_t>()),
        x(batch.x.read<T>()),
        initial(batch.initial.read<T>()),
        rates(rates_.read<T>()),
        steps(static_cast<size_t>(batch.x.size(1))),
        states(static_cast<size_t>(batch.initial.size(1))),
        count(static_cast<size_t>(batch.origins.size(1))) {}

  const T* series(size_t b) const { return x.data() + b * steps; }
  std::span<const int32_t> origins_of(size_t b) const { return origins.subspan(b * count, count); }
  Path path(size_t b, const Sizes& s) const {
    Path out(lengths[b], s);
    run(out, series(b), rates.data() + b * 3, initial.data() + b * states, s);
    return out;
  }
};

template <class T>
Tensor forward(const Tensor& rates, const SmoothingBatch& batch, const Sizes& s) {
  const Rows<T> rows(rates, batch);
  const int64_t width = s.window + s.horizon;
  Tensor y = Tensor::zeros({batch.x.size(0), batch.origins.size(1), width}, rates.dtype());
  T* out = y.write<T>().data();
  for (size_t b = 0; b < rows.lengths.size(); ++b) {
    const Path path = rows.path(b, s);
    for (const int32_t t : rows.origins_of(b)) {
      if (t >= 0) read(path, rows.series(b), out, t, s);
      out += width;
    }
  }
  return y;
}

template <class T>
Tensor backward(const Tensor& dy, const Tensor& rates, const SmoothingBatch& batch,
                const Sizes& s) {
  const Rows<T> rows(rates, batch);
  Tensor d_rates = Tensor::zeros(rates.shape(), rates.dtype());
  const Tensor plain = dy.to_contiguous();
  const T* d_out = plain.read<T>().data();
  T* out = d_rates.write<T>().data();
  for (size_t b = 0; b < rows.lengths.size(); ++b) {
    const Path path = rows.path(b, s);
    Path d(rows.lengths[b], s);
    for (const int32_t t : rows.origins_of(b)) {
      if (t >= 0) read_backward(d, d_out, t, s);
      d_out += s.window + s.horizon;
    }
    run_backward(d, path, rows.rates.data() + b * 3, out + b * 3, s);
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
                wrt(rates, r, batch.x, batch.initial, batch.lengths, batch.origins, s,
                    [](const Tensor& dy, const Tensor& rate, const Tensor& x, const Tensor& initial,
                       const Tensor& lengths, const Tensor& origins, Sizes sizes) {
                      const SmoothingBatch again{x,        initial,  lengths,      origins,
                                                 sizes.m1, sizes.m2, sizes.window, sizes.horizon};
                      return rate.dtype() == f64 ? backward<double>(dy, rate, again, sizes)
                                                 : backward<float>(dy, rate, again, sizes);
                    }));
}

}  // namespace tapestry::airline
