#include <tapestry/autograd/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {
namespace {

// The extrapolated difference is exact to O(step^4); the second, smaller one judges where the first
// reached over a kink.
constexpr double kSteps[] = {1e-3, 1e-5};

/// Differences of f around *x, which is restored.
template <class F>
class Differences {
 public:
  Differences(double* x, F& f) : x_(x), f_(f), at_(*x) {}
  /// The derivative by central differences, Richardson-extrapolated.
  double central(double h) {
    const double coarse = (f(h) - f(-h)) / (2 * h), fine = (f(h / 2) - f(-h / 2)) / h;
    return fine + (fine - coarse) / 3;
  }
  /// How far the slopes on both sides, or those of two steps, are apart.
  double kink(double h) {
    const double middle = f(0), right = (f(h) - middle) / h, left = (middle - f(-h)) / h;
    return std::max(std::abs(right - left), std::abs(central(h) - central(h / 4)));
  }

 private:
  double f(double shift) {
    *x_ = at_ + shift;
    const double y = f_();
    *x_ = at_;
    return y;
  }
  double* x_;
  F& f_;
  double at_;
};

/// Collects the worst disagreement and the first failure.
struct Comparison {
  GradReport& report;
  double tolerance;

  /// Compares with the derivative of f at *x.
  template <class F>
  void check(const std::string& where, double analytic, double* x, F&& f) {
    Differences difference(x, f);
    double error = 0, numeric = 0;
    for (const double step : kSteps) {
      numeric = difference.central(step);
      error = std::abs(analytic - numeric) / (1 + std::abs(numeric));
      if (error <= tolerance) break;
    }
    if (error > report.worst) report.worst = error;
    if (error <= tolerance) return;  // NaN fails too
    std::ostringstream text;
    text << where << ": analytic " << analytic << ", numeric " << numeric << ", relative error "
         << error;
    if (difference.kink(kSteps[1]) > 1e-2 * (1 + std::abs(numeric)))
      text << " (is there a kink within " << kSteps[1] << "?)";
    fail(text.str());
  }
  void fail(const std::string& message) {
    if (report.ok) report.message = message;
    report.ok = false;
  }
};

double largest_difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(x[i] - y[i]) / (1 + std::abs(y[i]));
    worst = d <= worst ? worst : d;  // keeps NaN
    if (std::isnan(d)) return std::numeric_limits<double>::infinity();
  }
  return worst;
}

/// The same values in another layout: transposed storage, or storage in the middle of a larger one.
Tensor strided_copy(const Tensor& t) {
  if (t.rank() >= 2) return t.transpose(0, -1).clone().transpose(0, -1);
  if (t.rank() == 1) {
    Tensor wide = Tensor::full({t.shape()[0], 2}, 7, t.dtype());
    Tensor out = wide.select(1, 1);
    out.copy_(t);
    return out;
  }
  return t.clone();
}

struct Result {
  Tensor value;
  std::vector<Tensor> gradients;  // undefined where there is none
};

/// The checks of one op, each of which reports the first thing that is wrong.
struct OpCheck {
  const OpFunction& f;
  const std::vector<Tensor>& inputs;
  Comparison compare;
  Tensor value, cotangent;
  Result once;

  OpCheck(const OpFunction& op, const std::vector<Tensor>& in, GradReport& report, double tolerance,
          uint64_t seed)
      : f(op), inputs(in), compare{report, tolerance} {
    Rng rng(seed);
    std::vector<Tensor> before;
    for (const Tensor& input : inputs) before.push_back(input.clone());
    value = plain().clone();
    cotangent = Tensor::empty(value.shape(), f64);
    for (double& c : cotangent.write<double>()) c = rng.normal();
    once = run(inputs, -1, false, &report.ops);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (largest_difference(inputs[i], before[i]) != 0)
        compare.fail("input " + std::to_string(i) + " was modified");
    if (largest_difference(once.value, value) != 0)
      compare.fail("the value differs with and without a tape");
  }

  Tensor plain() const { return f(std::vector<Var>(inputs.begin(), inputs.end())).value(); }

  /// Runs f forward and backward; in[i] enters as a parameter unless `constant` == i.
  Result run(const std::vector<Tensor>& in, int constant = -1, bool twice = false,
             std::vector<std::string>* ops = nullptr) const {
    std::vector<Parameter> parameters;
    for (const Tensor& input : in) parameters.emplace_back(input);
    Result out;
    for (int pass = 0; pass < (twice ? 2 : 1); ++pass) {
      std::vector<Var> vars;
      for (size_t i = 0; i < in.size(); ++i)
        vars.push_back(static_cast<int>(i) == constant ? Var(in[i]) : Var(parameters[i]));
      Tape tape;
      const Var y = f(vars);
      out.value = y.value();
      if (ops) *ops = tape.names();
      const Var end = record("end", y.value(), wrt(y, [](const Tensor& dy) { return dy; }));
      if (end.origin().serial) tape.backward(end, cotangent);  // else y depends on no input
    }
    for (const Parameter& p : parameters)
      out.gradients.push_back(p.grad().empty() ? Tensor() : p.grad().dense().clone());
    return out;
  }

  /// Reports where gradients differ from `expected`; not where those are none.
  void same(const Result& other, const std::vector<Tensor>& expected, const std::string& how,
            size_t except = ~size_t{0}) {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (i != except && expected[i].defined() &&
          largest_difference(other.gradients[i], expected[i]) > 1e-12)
        compare.fail("the gradient of input " + std::to_string(i) + " " + how);
  }

  void finite_differences() {
    const auto loss = [&] { return sum(plain() * cotangent).item(); };
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor& gradient = once.gradients[i];
      const auto analytic = (gradient.defined() ? gradient : Tensor::zeros(inputs[i].shape(), f64))
                                .to_vector<double>();
      for (size_t k = 0; k < analytic.size(); ++k)
        compare.check("input " + std::to_string(i) + " element " + std::to_string(k), analytic[k],
                      inputs[i].data<double>() + k, loss);
    }
  }

  void accumulation() {
    std::vector<Tensor> doubled;
    for (const Tensor& g : once.gradients) doubled.push_back(g.defined() ? g * 2.0 : g);
    same(run(inputs, -1, true), doubled, "does not add to what is there");
  }

  void strided_inputs() {
    std::vector<Tensor> strided;
    for (const Tensor& input : inputs) strided.push_back(strided_copy(input));
    const Result other = run(strided);
    if (largest_difference(other.value, value) > 1e-12)
      compare.fail("the value differs for strided inputs");
    same(other, once.gradients, "differs for strided inputs");
  }

  /// Input i without a gradient, and as its first slice repeated with stride 0.
  void constant_and_broadcast(size_t i) {
    const Result rest = run(inputs, static_cast<int>(i));
    if (rest.gradients[i].defined()) compare.fail("a constant input got a gradient");
    same(rest, once.gradients, "depends on which others are wanted", i);
    if (inputs[i].rank() == 0 || inputs[i].shape()[0] == 0) return;
    std::vector<Tensor> expanded = inputs, dense = inputs;
    expanded[i] = inputs[i].narrow(0, 0, 1).expand(inputs[i].shape());
    dense[i] = expanded[i].clone();
    const Result a = run(expanded), b = run(dense);
    if (largest_difference(a.value, b.value) > 1e-12)
      compare.fail("the value differs for broadcast inputs");
    same(a, b.gradients, "differs for broadcast inputs");
  }
};

}  // namespace

GradReport gradcheck(const OpFunction& f, std::vector<Tensor> inputs, double tolerance,
                     uint64_t seed) {
  for (Tensor& input : inputs) {
    require<DTypeError>(input.dtype() == f64, "gradcheck: input is ", input.dtype(), " ",
                        input.shape(), ", expected f64 (use cast)");
    input = input.clone();  // elements of its own, in order
  }
  GradReport report;
  const int64_t live = storage_stats().live;
  {
    OpCheck check(f, inputs, report, tolerance, seed);
    check.finite_differences();
    check.accumulation();
    if (!report.ok) return report;  // what follows assumes an op that is right so far
    check.strided_inputs();
    for (size_t i = 0; i < inputs.size(); ++i) check.constant_and_broadcast(i);
  }
  if (storage_stats().live != live)
    Comparison{report, tolerance}.fail("a tensor outlived the check");
  return report;
}

GradReport gradcheck_parameters(std::span<const NamedParameter> parameters,
                                const std::function<double()>& surrogate, int64_t elements,
                                double tolerance, uint64_t seed) {
  GradReport report;
  Comparison compare{report, tolerance};
  Rng rng(seed);
  surrogate();  // at the unchanged parameters: a truncated surrogate keeps its frozen states here
  for (const auto& [name, parameter] : parameters) {
    Tensor& value = parameter->value();
    require<DTypeError>(value.dtype() == f64, "gradcheck: ", name, " is ", value.dtype(),
                        ", expected f64 (use cast)");
    Grad grad = parameter->grad();
    const Tensor analytic = grad.empty() ? Tensor::zeros(value.shape(), f64) : grad.dense();
    const auto values = value.write<double>();
    const int64_t count = std::min<int64_t>(elements, value.numel());
    for (int64_t n = 0; n < count; ++n) {
      const size_t k = count == value.numel()
                           ? static_cast<size_t>(n)
                           : static_cast<size_t>(rng.below(static_cast<uint64_t>(value.numel())));
      compare.check(name + " element " + std::to_string(k), analytic.read<double>()[k], &values[k],
                    surrogate);
    }
  }
  return report;
}

}  // namespace tapestry
