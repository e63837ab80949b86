#include <tapestry/optim/server/communicator.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tapestry {

void sleep_until(const std::function<bool()>& condition) {
  using std::chrono::microseconds;
  constexpr microseconds longest{1000};
  for (microseconds pause{20}; !condition(); pause = std::min(longest, pause * 5 / 4))
    std::this_thread::sleep_for(pause);
}

void exchange(Communicator& ranks, std::vector<Bytes>& out, std::vector<Bytes>& in) {
  ranks.start(out, in);
  sleep_until([&] { return ranks.done(); });
}

Bytes broadcast(Communicator& ranks, const Bytes& mine) {
  const auto n = static_cast<size_t>(ranks.size());
  std::vector<Bytes> out(n), in(n);
  if (ranks.rank() == 0) std::fill(out.begin(), out.end(), mine);
  exchange(ranks, out, in);
  return std::move(in[0]);
}

}  // namespace tapestry
