#include <tapestry/optim/server/shares.h>

#include <algorithm>
#include <cmath>

namespace tapestry {

std::vector<int64_t> grant(int64_t left, std::span<const Pace> paces, double rounds) {
  const auto lacks = [&](const Pace& p, double for_rounds) {
    return std::max<int64_t>(0, std::llround(std::floor(p.items * for_rounds)) - p.stock);
  };
  const auto lack = [&](double for_rounds) {
    int64_t all = 0;
    for (const Pace& p : paces) all += lacks(p, for_rounds);
    return all;
  };
  double low = 0, high = rounds;
  if (lack(high) <= left) low = high;
  for (int i = 0; i < 60 && low < high; ++i) {
    const double middle = (low + high) / 2;
    (lack(middle) <= left ? low : high) = middle;
  }
  std::vector<int64_t> out;
  for (const Pace& p : paces) out.push_back(lacks(p, low)), left -= out.back();
  // What rounding leaves when they all run out.
  for (size_t r = 0; low < rounds && left > 0; r = (r + 1) % out.size(), --left) ++out[r];
  return out;
}

}  // namespace tapestry
