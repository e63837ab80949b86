// expect: parameters
// expect: Module
#include <tapestry/nn/linear.h>

using namespace tapestry;

struct Model {
  Linear out;
  double scale = 2;
  FIELDS(out, scale)
};

auto named(Model& model) { return parameters(model); }
