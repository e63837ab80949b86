#include <tapestry/tensor/dtype.h>

#include <ostream>

namespace tapestry {

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

}  // namespace tapestry
