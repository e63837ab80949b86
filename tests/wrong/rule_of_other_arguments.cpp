// expect: what is listed
#include <tapestry/autograd/ops.h>
#include <tapestry/autograd/record.h>

using namespace tapestry;

Var twice(const Var& a, double k) {
  return record("twice", a.value() * k,
                wrt(a, k, [](const Tensor& dy, const Tensor& s) { return dy * s; }));
}
