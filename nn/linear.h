#pragma once
// Linear: y = x w + bias.

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/init.h>
#include <tapestry/nn/module.h>

namespace tapestry {

struct LinearOptions {
  bool bias = true;
  DType dtype = f32;
};

struct Linear {
  Parameter w, bias;  // (in, out), (out) or absent
  FIELDS(w, bias)

  /// Both from U(+-1/sqrt(in)). Throws ValueError unless in >= 1.
  Linear(int64_t in, int64_t out, Rng& rng, LinearOptions options = {})
      : w(uniform_fan_in({in, out}, in, rng, options.dtype)) {
    if (options.bias) bias = Parameter(uniform_fan_in({out}, in, rng, options.dtype));
  }

  /// (.., in) -> (.., out)
  Var operator()(const Var& x) const { return bias.defined() ? affine(x, w, bias) : matmul(x, w); }
};

}  // namespace tapestry
