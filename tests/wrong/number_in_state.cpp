// expect: detach
// expect: RecurrentState
#include <tapestry/nn/state.h>

using namespace tapestry;

struct State {
  Var h;
  int steps = 0;
  FIELDS(h, steps)
};

State next(const State& state) { return detach(state); }
