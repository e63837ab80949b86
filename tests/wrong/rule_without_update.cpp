// expect: Rule
// expect: update
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

struct Fixed {
  double lr = 0.1;
  static constexpr const char* name = "Fixed";
  static constexpr int slots() { return 0; }
  void check() const {}
};

void train(std::span<const NamedParameter> parameters) { Optimizer optimizer(parameters, Fixed{}); }
