#include <tapestry/nn/module.h>

#include <iomanip>
#include <ostream>

namespace tapestry {

void print_summary(std::ostream& out, std::span<const NamedParameter> parameters) {
  size_t width = 5;
  for (const auto& [name, p] : parameters) width = std::max(width, name.size());
  int64_t total = 0;
  const auto row = [&](std::string_view name, std::string_view what, int64_t n) {
    out << std::left << std::setw(static_cast<int>(width) + 2) << name << std::setw(20) << what
        << std::right << std::setw(12) << n << '\n';
  };
  for (const auto& [name, p] : parameters) {
    std::ostringstream what;
    what << p->value().dtype() << ' ' << p->shape();
    row(name, what.str(), p->value().numel());
    total += p->value().numel();
  }
  row("total", "", total);
}

}  // namespace tapestry
