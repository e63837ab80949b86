#include <tapestry/tensor/print.h>

#include <iomanip>
#include <ostream>

namespace tapestry {
namespace {

void print_elements(std::ostream& out, const Tensor& t) {
  constexpr int64_t kMost = 8;
  if (t.rank() == 0) {
    if (t.dtype() == i32)
      out << std::setw(10) << *t.data<int32_t>();
    else
      out << std::setw(10) << t.item();
    return;
  }
  out << '[';
  for (int64_t i = 0, n = t.shape()[0]; i < n; ++i) {
    if (i == kMost / 2 && n > kMost) {
      out << (t.rank() > 1 ? "\n  ..." : " ...");
      i = n - kMost / 2;
    }
    if (i > 0) out << (t.rank() > 1 ? "\n " : " ");
    print_elements(out, t.select(0, i));
  }
  out << ']';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "undefined tensor";
  const auto flags = out.flags();
  const auto precision = out.precision(5);
  out << tensor.dtype() << ' ' << tensor.shape() << ' ';
  print_elements(out, tensor);
  out.flags(flags);
  out.precision(precision);
  return out;
}

}  // namespace tapestry
