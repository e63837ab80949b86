#pragma once
// The pointwise halves of recurrent cells, fused: see tensor/gates.h for the formulas.

#include <array>

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/gates.h>

namespace tapestry {

/// z (B, 4H): gates i, f, g, o before activation; c (B, H) -> h' and c' (B, H).
std::array<Var, 2> lstm_gates(const Var& z, const Var& c);

/// x, u (B, 3H): input and recurrent parts of the gates r, z, n; h (B, H) -> h' (B, H).
Var gru_gates(const Var& x, const Var& u, const Var& h);

}  // namespace tapestry
