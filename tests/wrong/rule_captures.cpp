// expect: captures nothing
#include <tapestry/autograd/ops.h>
#include <tapestry/autograd/record.h>

using namespace tapestry;

Var twice(const Var& a, double k) {
  return record("twice", a.value() * k, wrt(a, [k](const Tensor& dy) { return dy * k; }));
}
