// expect: RNN
// expect: RecurrentCell
// expect: StepsWithNoise
#include <tapestry/nn/rnn.h>

using namespace tapestry;

struct Cell {
  struct State {
    Var h;
    FIELDS(h)
  };
  struct Noise {
    Var mask;
    FIELDS(mask)
  };
  Parameter w;
  FIELDS(w)
  Cell(int64_t in, int64_t hidden, Rng& rng) : w(xavier({in, hidden}, rng)) {}
  Var input(const Var& x) const { return matmul(x, w); }
  State step(const Var& xw, const State& s, const Noise&) const { return {xw + s.h}; }
  State zero(int64_t batch) const { return {Tensor::zeros({batch, 1})}; }
};

RNN<Cell>* rnn;
