// expect: Optimizer
// expect: HasFields
#include <tapestry/nn/linear.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

struct Model {
  Linear out;
};

void train(Model& model) { Optimizer optimizer(model, SGD{.lr = 0.1}); }
