// A recurrent cell of your own, and a model that learns with it: repeat each number of a random
// sequence five steps after it was heard. (Always answering 0 costs a loss of 0.33.)

#include <iostream>

#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

// The minimal gated unit (Zhou, Wu, Zhang & Zhou, 2016): one gate f decides what to forget.
struct MGUCell {
  struct State {
    Var h;  // (batch, hidden)
    FIELDS(h)
  };
  Parameter w_x, w_f, w_h, bias;
  FIELDS(w_x, w_f, w_h, bias)

  MGUCell(int64_t in, int64_t hidden, Rng& rng)
      : w_x(xavier({in, 2 * hidden}, rng)),
        w_f(orthogonal({hidden, hidden}, rng)),
        w_h(orthogonal({hidden, hidden}, rng)),
        bias(Tensor::zeros({2 * hidden})) {}

  // What does not depend on the state is computed for all time steps at once ...
  Var input(const Var& x) const { return affine(x, w_x, bias); }

  // ... the rest one step at a time.
  State step(const Var& xw, const State& s) const {
    const int64_t n = s.h.size(1);
    const Var f = sigmoid(narrow(xw, 1, 0, n) + matmul(s.h, w_f));
    const Var h = tanh(narrow(xw, 1, n, n) + matmul(f * s.h, w_h));
    return {(1 - f) * s.h + f * h};
  }

  State zero(int64_t batch) const {
    return {Tensor::zeros({batch, w_h.shape()[0]}, w_h.value().dtype())};
  }
};

// A model is a plain struct; FIELDS names its parts.
struct Echo {
  RNN<MGUCell> rnn;
  Linear out;
  FIELDS(rnn, out)

  Var loss(const Tensor& x) const {  // x (time, batch, 1)
    const int64_t delay = 5, n = x.size(0) - delay;
    const Var y = out(rnn(x).y);
    return mse(narrow(y, 0, delay, n), x.narrow(0, 0, n));
  }
};

int main() {
  Rng rng(1);
  const int64_t hidden = 32;
  Echo model{RNN<MGUCell>(1, hidden, rng), Linear(hidden, 1, rng)};
  Optimizer optimizer(model, Adam{.lr = 0.01});

  for (int i = 0; i <= 300; ++i) {
    Tape tape;  // records until the end of its scope
    const Var loss = model.loss(uniform({20, 32, 1}, 1, rng));
    tape.backward(loss);
    optimizer.step();
    if (i % 100 == 0) std::cout << "step " << i << "  loss " << loss.value().item() << '\n';
  }

  // Without a tape the same code only computes.
  std::cout << "unseen    loss " << model.loss(uniform({20, 32, 1}, 1, rng)).value().item() << '\n';
}
