#include <tapestry/autograd/ops/losses.h>

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/autograd/ops/index.h>
#include <tapestry/autograd/ops/mask.h>
#include <tapestry/autograd/ops/reduce.h>
#include <tapestry/autograd/record.h>
#include <tapestry/tensor/cross_entropy.h>
#include <tapestry/tensor/softmax/sampled_loss.h>
#include <tapestry/tensor/softmax/softmax_loss.h>

namespace tapestry {
namespace {

Var reduced(const char* op, const Var& loss, const Tensor& targets, Reduction reduction,
            int32_t ignored) {
  if (reduction == Reduction::none) return loss;
  if (reduction == Reduction::sum) return sum(loss);
  int64_t count = 0;
  const Tensor flat = targets.to_contiguous();
  for (const int32_t t : flat.read<int32_t>()) count += t != ignored;
  require<ShapeError>(count > 0, op, ": every target is ignored, so there is no mean");
  return sum(loss) / static_cast<double>(count);
}

}  // namespace

Var cross_entropy(const Var& logits, const Tensor& targets, Reduction reduction, int32_t ignored) {
  const CrossEntropy ce = cross_entropy(logits.value(), targets, ignored);
  const Var loss = record("cross_entropy", ce.loss,
                          wrt(logits, ce.probabilities, targets, ignored,
                              [](const Tensor& dy, const Tensor& p, const Tensor& t, int32_t skip) {
                                return cross_entropy_backward(dy, p, t, skip);
                              }));
  return reduced("cross_entropy", loss, targets, reduction, ignored);
}

Var nll(const Var& log_probabilities, const Tensor& targets, Reduction reduction, int32_t ignored) {
  const Tensor skipped = equal(targets, Tensor::scalar(ignored, i32));
  Tensor at = targets.clone();
  for (int32_t& t : at.write<int32_t>()) t = t == ignored ? 0 : t;
  const Var loss = masked_fill(-gather(log_probabilities, -1, at), skipped, 0);
  return reduced("nll", loss, targets, reduction, ignored);
}

Var bce_with_logits(const Var& logits, const Tensor& targets, Reduction reduction) {
  const Tensor &x = logits.value(), &t = targets;
  require<ShapeError>(x.shape() == t.shape(), "bce_with_logits: logits ", x.shape(),
                      " and targets ", t.shape(), " differ");
  const Var loss = record("bce_with_logits", softplus(-x) * t + softplus(x) * (-t + 1),
                          wrt(logits, x, t, [](const Tensor& dy, const Tensor& v, const Tensor& u) {
                            return dy * (sigmoid(v) - u);
                          }));
  return reduction == Reduction::none ? loss : reduction == Reduction::sum ? sum(loss) : mean(loss);
}

Var linear_cross_entropy(const Var& h, const Var& weight, const Var& bias, const Tensor& targets,
                         int32_t ignored) {
  const Tensor one = Tensor::scalar(1, h.dtype());
  const SoftmaxLoss y =
      softmax_loss(h.value(), weight.guarded(), bias.guarded(), targets, ignored, one, {});
  // What backward reads again must not change meanwhile, so guarded values cannot be recorded.
  const auto kept = [](const Var& v) { return recording.tape ? v.value() : Tensor(); };
  return record("linear_cross_entropy", y.loss,
                wrt(jointly(h, weight, bias), h.value(), kept(weight), kept(bias), targets, ignored,
                    [](const Tensor& dy, Grad& dh, Grad& dw, Grad& db, const Tensor& x,
                       const Tensor& w, const Tensor& b, const Tensor& t, int32_t skip) {
                      const SoftmaxLoss d = softmax_loss(x, w, b, t, skip, dy,
                                                         {dh.wanted(), dw.wanted(), db.wanted()});
                      if (dh.wanted()) dh.add(d.dh);
                      if (dw.wanted()) dw.add(d.dweight);
                      if (db.wanted()) db.add(d.dbias);
                    }));
}

Var linear_cross_entropy_sum(const Var& h, const Var& weight, const Var& bias,
                             const Tensor& targets, double scale, int32_t ignored) {
  const SoftmaxLossWanted wanted{Tape::wants(h), Tape::wants(weight), Tape::wants(bias)};
  const SoftmaxLoss y = softmax_loss(h.value(), weight.guarded(), bias.guarded(), targets, ignored,
                                     Tensor::scalar(scale, h.dtype()), wanted);
  return record("linear_cross_entropy_sum", sum(y.loss) * scale,
                wrt(jointly(h, weight, bias), y.dh, y.dweight, y.dbias,
                    [](const Tensor& dy, Grad& dh, Grad& dw, Grad& db, const Tensor& gh,
                       const Tensor& gw, const Tensor& gb) {
                      const double k = dy.item();
                      const auto times = [k](const Tensor& g) { return k == 1 ? g : g * k; };
                      if (dh.wanted()) dh.add(times(gh));
                      if (dw.wanted()) dw.add(times(gw));
                      if (db.wanted()) db.add(times(gb));
                    }));
}

Var sampled_linear_cross_entropy_sum(const Var& h, const Var& weight, const Var& bias,
                                     const Candidates& candidates, double scale) {
  const SoftmaxLossWanted wanted{Tape::wants(h), Tape::wants(weight), Tape::wants(bias)};
  const SampledLoss y =
      sampled_loss(h.value(), weight.guarded(), bias.guarded(), candidates, scale, wanted);
  return record("sampled_linear_cross_entropy_sum", sum(y.loss) * scale,
                wrt(jointly(h, weight, bias), y.dh, y.dweight, y.dbias, candidates.ids,
                    [](const Tensor& dy, Grad& dh, Grad& dw, Grad& db, const Tensor& gh,
                       const Tensor& gw, const Tensor& gb, const Tensor& ids) {
                      const double k = dy.item();
                      const auto times = [k](const Tensor& g) { return k == 1 ? g : g * k; };
                      if (dh.wanted()) dh.add(times(gh));
                      if (dw.wanted()) dw.add_rows(ids, times(gw));
                      if (db.wanted()) db.add_rows(ids, times(gb));
                    }));
}

Var mse(const Var& a, const Var& b) {
  const Tensor d = a.value() - b.value();
  return record("mse", mean(square(d)),
                wrt(a, d,
                    [](const Tensor& dy, const Tensor& e) {
                      return e * (2 * dy.item() / static_cast<double>(e.numel()));
                    }),
                wrt(b, d, [](const Tensor& dy, const Tensor& e) {
                  return e * (-2 * dy.item() / static_cast<double>(e.numel()));
                }));
}

Var huber(const Var& a, const Var& b, double delta) {
  require<ValueError>(delta > 0, "huber: delta is ", delta, ", expected a positive number");
  const Tensor d = a.value() - b.value(), near = clamp(d, -delta, delta);
  return record("huber", mean(near * (d - near * 0.5)),
                wrt(a, near,
                    [](const Tensor& dy, const Tensor& c) {
                      return c * (dy.item() / static_cast<double>(c.numel()));
                    }),
                wrt(b, near, [](const Tensor& dy, const Tensor& c) {
                  return c * (-dy.item() / static_cast<double>(c.numel()));
                }));
}

}  // namespace tapestry
