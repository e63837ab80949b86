#include <tapestry/autograd/ops/losses.h>
#include <tapestry/autograd/ops/matmul.h>
#include <tapestry/examples/lm/model/softmax.h>

namespace tapestry::lm {

Var Softmax::loss(const Var& h, const Var& w, const Tensor& targets, double scale, Rng*) const {
  return linear_cross_entropy_sum(h, w, bias_or_none(), targets, scale);
}

Var Softmax::token_losses(const Var& h, const Var& w, const Tensor& targets) const {
  return linear_cross_entropy(h, w, bias_or_none(), targets);
}

Var Softmax::logits(const Var& h, const Var& w) const {
  const Var columns = transpose(w);
  return bias.defined() ? affine(h, columns, bias) : matmul(h, columns);
}

}  // namespace tapestry::lm
