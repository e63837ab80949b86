#pragma once
// How a tensor looks to people: its type, its shape and the first and last elements of each dim.

#include <iosfwd>

#include <tapestry/tensor/tensor.h>

namespace tapestry {

std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace tapestry
