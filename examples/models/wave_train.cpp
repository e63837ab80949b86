// Trains a model with two workers and saves it: wave_train wave.safetensors

#include "wave.h"

#include <iostream>

#include <tapestry/nn/checkpoint.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/optim/server/parameter_server.h>

using namespace wave;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: wave_train FILE\n";
    return 64;
  }
  Rng rng(1);
  Model model(rng);
  // The rate falls to 0, so that the result does not hang on the last few updates.
  const int64_t updates = 4000;
  const Schedule rate = Schedule::cosine(0.005, updates);
  ParameterServer server(model, Adam{},
                         {.workers = 2, .lr = [&](int64_t update) { return rate.lr(update); }});

  // Each item is one update. Whichever worker gets item i draws the same waves for it.
  const ServerStats stats = server.run(updates, [](Model& m, Worker& worker, int64_t item) {
    Rng draws(2, static_cast<uint64_t>(item));
    worker.update([&] { return m.loss(draw(40, 16, draws)); }, 40 * 16);
  });
  stats.print(std::cout);

  std::cout << "unseen: mean squared error " << model.loss(draw(40, 100, rng)).value().item()
            << '\n';
  save(model, argv[1]);
}
