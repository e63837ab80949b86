#pragma once
// Initial values. Linear maps are stored (inputs, outputs); all draws come from the given
// generator.

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// U(-bound, bound)
Tensor uniform(const Shape& shape, double bound, Rng& rng, DType dtype = f32);
/// U(+-1/sqrt(inputs)): what the layers here use.
Tensor uniform_fan_in(const Shape& shape, int64_t inputs, Rng& rng, DType dtype = f32);
/// U(+-sqrt(6 / (inputs + outputs))) for a matrix (Glorot & Bengio, 2010).
Tensor xavier(const Shape& shape, Rng& rng, DType dtype = f32);
/// N(0, deviation^2)
Tensor gaussian(const Shape& shape, double deviation, Rng& rng, DType dtype = f32);
/// U(+-sqrt(6 / inputs)), inputs being all dims but the last: keeps the variance through layers of
/// relu (He, Zhang, Ren & Sun, 2015).
Tensor kaiming_uniform(const Shape& shape, Rng& rng, DType dtype = f32);
/// N(0, 2 / inputs), the same.
Tensor kaiming_normal(const Shape& shape, Rng& rng, DType dtype = f32);
/// i32: each element is 1 with probability p, else 0. Throws ValueError unless 0 <= p <= 1.
Tensor bernoulli(const Shape& shape, double p, Rng& rng);
/// A matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).
Tensor orthogonal(const Shape& shape, Rng& rng, DType dtype = f32);

}  // namespace tapestry
