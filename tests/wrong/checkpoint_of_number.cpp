// expect: f returns a Var
#include <tapestry/autograd/segment.h>

using namespace tapestry;

double value(const Var& a) {
  return checkpoint([](const Var& v) { return v.value().item(); }, a);
}
