#include <tapestry/autograd/profile.h>

#include <algorithm>
#include <iomanip>

namespace tapestry {

double Profile::lap() {
  const auto now = Clock::now();
  return std::chrono::duration<double>(now - std::exchange(mark_, now)).count();
}

void Profile::forward(const char* name, const Tensor& value, size_t saved) {
  const double seconds = lap();
  Entry& entry = entries_[name];
  ++entry.calls;
  entry.forward_seconds += seconds;
  entry.value_bytes += value.numel() * static_cast<int64_t>(size_of(value.dtype()));
  entry.saved_bytes += static_cast<int64_t>(saved);
  lap();  // what this function took is charged to nobody
}

void Profile::backward_begin(const char*, size_t, const Tensor&) { lap(); }

void Profile::backward_end(const char* name, size_t) {
  const double seconds = lap();
  Entry& entry = entries_[name];
  ++entry.backward_calls;
  entry.backward_seconds += seconds;
  lap();
}

void Profile::print(std::ostream& out) const {
  std::vector<std::pair<std::string, Entry>> rows(entries_.begin(), entries_.end());
  const auto cost = [](const auto& row) {
    return row.second.forward_seconds + row.second.backward_seconds;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto& a, const auto& b) { return cost(a) > cost(b); });
  double total = 0;
  for (const auto& row : rows) total += cost(row);
  const auto flags = out.flags();
  const auto precision = out.precision();
  out << std::fixed << std::left << std::setw(22) << "op" << std::right << std::setw(9) << "calls"
      << std::setw(12) << "forward ms" << std::setw(13) << "backward ms" << std::setw(8) << "share"
      << std::setw(12) << "values MB" << std::setw(11) << "saved MB" << '\n';
  for (const auto& [name, e] : rows) {
    out << std::left << std::setw(22) << name << std::right << std::setw(9) << e.calls
        << std::setprecision(3) << std::setw(12) << e.forward_seconds * 1e3 << std::setw(13)
        << e.backward_seconds * 1e3 << std::setprecision(1) << std::setw(7)
        << (total > 0 ? 100 * (e.forward_seconds + e.backward_seconds) / total : 0) << '%'
        << std::setprecision(3) << std::setw(12) << static_cast<double>(e.value_bytes) / 1e6
        << std::setw(11) << static_cast<double>(e.saved_bytes) / 1e6 << '\n';
  }
  out.flags(flags);
  out.precision(precision);
}

}  // namespace tapestry
