// Loads the model that wave_train saved, listens to a wave, and goes on by itself.

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

  const Tensor x = draw(40, 1, rng);
  auto state = model.rnn.zero(1);
  Var next;
  double squares = 0;
  for (int64_t t = 0; t < 40; ++t) {  // 30 values heard, then its own
    const Var input = t < 30 ? Var(x.select(0, t)) : next;
    if (t >= 30) {
      const double error = next.value().item() - x.at({t, 0, 0});
      squares += error * error;
      std::cout << "value " << x.at({t, 0, 0}) << "  forecast " << next.value().item() << '\n';
    }
    const auto out = model.rnn.step(input, state);
    state = out.state;
    next = model.out(out.y);
  }
  std::cout << "root mean squared error " << std::sqrt(squares / 10) << '\n';
  return squares / 10 < 0.25 * 0.25 ? 0 : 1;
}
