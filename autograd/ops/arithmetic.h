#pragma once
// + - * / with broadcasting, and with plain numbers.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

Var operator+(const Var& a, const Var& b);

Var operator-(const Var& a, const Var& b);

Var operator*(const Var& a, const Var& b);

Var operator/(const Var& a, const Var& b);

Var operator-(const Var& a);

Var operator+(const Var& a, double s);
Var operator+(double s, const Var& a);
Var operator-(const Var& a, double s);

Var operator-(double s, const Var& a);

Var operator*(const Var& a, double s);
Var operator*(double s, const Var& a);

Var operator/(const Var& a, double s);

Var operator/(double s, const Var& a);

}  // namespace tapestry
