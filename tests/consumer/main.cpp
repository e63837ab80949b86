// A project outside the tree: fits a line to three points with the installed library.

#include <tapestry/nn/linear.h>
#include <tapestry/optim/optimizer.h>

#include <iostream>

using namespace tapestry;

int main() {
  Rng rng(1);
  Linear line(1, 1, rng);
  Optimizer optimizer(line, SGD{.lr = 0.1});
  const Tensor x = Tensor::from({3, 1}, {0, 1, 2}), y = Tensor::from({3, 1}, {1, 3, 5});
  double error = 1;
  for (int step = 0; step < 500; ++step) {
    Tape tape;
    const Var loss = mse(line(x), y);
    error = loss.value().item();
    tape.backward(loss);
    optimizer.step();
  }
  std::cout << "mean squared error " << error << '\n';
  return error < 1e-6 ? 0 : 1;
}
