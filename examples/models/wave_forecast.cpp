// Loads the model that wave_train saved, listens to waves, and goes on by itself.

#include "wave.h"

#include <iostream>

#include <tapestry/nn/checkpoint.h>

using namespace wave;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: wave_forecast FILE\n";
    return 64;
  }
  Rng rng(3);
  Model model(rng);  // its first values are replaced
  load(model, argv[1]);

  const int64_t waves = 100;
  const Tensor x = draw(40, waves, rng);
  auto state = model.rnn.zero(waves);
  Var next;
  double squares = 0;
  for (int64_t t = 0; t < 40; ++t) {  // 30 values heard, then its own
    const Var input = t < 30 ? Var(x.select(0, t)) : next;
    if (t >= 30) {
      squares += mse(next, x.select(0, t)).value().item() / 10;
      std::cout << "value " << x.at({t, 0, 0}) << "  forecast " << next.value().at({0, 0}) << '\n';
    }
    const auto out = model.rnn.step(input, state);
    state = out.state;
    next = model.out(out.y);
  }
  std::cout << "root mean squared error over " << waves << " waves " << std::sqrt(squares) << '\n';
  return std::sqrt(squares) < 0.4 ? 0 : 1;
}
