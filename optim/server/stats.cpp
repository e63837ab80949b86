#include <tapestry/optim/server/stats.h>

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

namespace tapestry {

ServiceTimes& ServiceTimes::operator+=(const ServiceTimes& o) {
  count += o.count, tokens += o.tokens, seconds += o.seconds;
  tokens_squared += o.tokens_squared, tokens_seconds += o.tokens_seconds;
  return *this;
}

DelayLaw ServiceTimes::law() const {
  if (count == 0) return {};
  const double spread = count * tokens_squared - tokens * tokens;
  double slope = spread > 0 ? (count * tokens_seconds - tokens * seconds) / spread : 0;
  slope = std::max(slope, 0.0);
  if (tokens > 0) slope = std::min(slope, seconds / tokens);  // then nothing is left per update
  return {(seconds - slope * tokens) / count, slope};
}

namespace {

using Stats = WorkerStats;
constexpr std::pair<const char*, int64_t Stats::*> kCounts[] = {
    {"items", &Stats::items},
    {"updates", &Stats::updates},
    {"tokens", &Stats::tokens},
    {"pulled_bytes", &Stats::pulled_bytes},
    {"pushed_bytes", &Stats::pushed_bytes},
    {"overlapping_writes", &Stats::overlapping_writes}};
constexpr std::pair<const char*, double Stats::*> kSeconds[] = {
    {"pull_seconds", &Stats::pull_seconds},
    {"forward_seconds", &Stats::forward_seconds},
    {"backward_seconds", &Stats::backward_seconds},
    {"push_seconds", &Stats::push_seconds},
    {"update_seconds", &Stats::update_seconds},
    {"lock_wait_seconds", &Stats::lock_wait_seconds},
    {"lock_hold_seconds", &Stats::lock_hold_seconds},
    {"barrier_seconds", &Stats::barrier_seconds}};

}  // namespace

WorkerStats& WorkerStats::operator+=(const WorkerStats& o) {
  for (const auto& [name, count] : kCounts) this->*count += o.*count;
  for (const auto& [name, seconds] : kSeconds) this->*seconds += o.*seconds;
  service += o.service;
  return *this;
}

RankStats& RankStats::operator+=(const RankStats& o) {
  items += o.items, tokens += o.tokens, updates += o.updates;
  compute_seconds += o.compute_seconds, communicate_seconds += o.communicate_seconds;
  wait_seconds += o.wait_seconds, bytes_out += o.bytes_out, bytes_in += o.bytes_in;
  rounds += o.rounds, late_items += o.late_items;
  return *this;
}

ServerStats& ServerStats::operator+=(const ServerStats& o) {
  const auto before = static_cast<double>(total().updates),
             now = static_cast<double>(o.total().updates);
  if (before + now > 0) clipped = (clipped * before + o.clipped * now) / (before + now);
  seconds += o.seconds, work += o.work;
  workers.resize(std::max(workers.size(), o.workers.size()));
  for (size_t k = 0; k < o.workers.size(); ++k) workers[k] += o.workers[k];
  ranks.resize(std::max(ranks.size(), o.ranks.size()));
  for (size_t r = 0; r < o.ranks.size(); ++r) ranks[r] += o.ranks[r];
  staleness.resize(std::max(staleness.size(), o.staleness.size()));
  for (size_t s = 0; s < o.staleness.size(); ++s) staleness[s] += o.staleness[s];
  simulated |= o.simulated, interrupted |= o.interrupted;
  return *this;
}

WorkerStats ServerStats::total() const {
  WorkerStats out;
  for (const WorkerStats& w : workers) out += w;
  return out;
}

int64_t ServerStats::staleness_quantile(double q) const {
  const auto all =
      static_cast<double>(std::accumulate(staleness.begin(), staleness.end(), int64_t{0}));
  int64_t seen = 0;
  for (size_t s = 0; s < staleness.size(); ++s)
    if (static_cast<double>(seen += staleness[s]) >= q * all) return static_cast<int64_t>(s);
  return 0;
}

double ServerStats::mean_staleness() const {
  int64_t all = 0, sum = 0;
  for (size_t s = 0; s < staleness.size(); ++s)
    all += staleness[s], sum += staleness[s] * static_cast<int64_t>(s);
  return all > 0 ? static_cast<double>(sum) / static_cast<double>(all) : 0;
}

double ServerStats::lock_wait_share() const {
  const WorkerStats t = total();
  return t.compute_seconds() > 0 ? t.lock_wait_seconds / t.compute_seconds() : 0;
}

void ServerStats::print(std::ostream& out) const {
  const WorkerStats t = total();
  const auto flags = out.flags();
  const auto precision = out.precision();
  out << std::fixed << std::setprecision(2);
  out << workers.size() << (simulated ? " simulated" : "") << " worker"
      << (workers.size() == 1 ? "" : "s") << ", " << t.updates << " updates";
  if (simulated) {
    out << ", " << simulated_speedup() << "x as fast as one on equal cores with free locks";
  } else {
    out << " in " << seconds << " s";
    if (t.tokens) out << ", " << std::setprecision(0) << tokens_per_second() << " tokens/s";
  }
  out << std::setprecision(2) << "\n  staleness: mean " << mean_staleness() << ", median "
      << staleness_quantile(0.5) << ", 99% " << staleness_quantile(0.99) << ", most "
      << (staleness.empty() ? 0 : staleness.size() - 1);
  out << "\n  time: pull " << t.pull_seconds << " s, forward " << t.forward_seconds
      << " s, backward " << t.backward_seconds << " s, push " << t.push_seconds << " s (update "
      << t.update_seconds << " s)";
  out << "\n  locks: held " << t.lock_hold_seconds << " s to write, waited for "
      << std::setprecision(4) << t.lock_wait_seconds << " s (" << std::setprecision(2)
      << 100 * lock_wait_share() << "% of computing); at barriers " << t.barrier_seconds << " s";
  out << "\n  bytes: pulled " << static_cast<double>(t.pulled_bytes) / 1e6 << " MB, pushed "
      << static_cast<double>(t.pushed_bytes) / 1e6 << " MB";
  if (t.overlapping_writes)
    out << "\n  " << t.overlapping_writes << " overlapping writes (updates may be lost)";
  if (clipped > 0) out << "\n  clipped " << 100 * clipped << "% of the updates";
  out << '\n';
  out.flags(flags);
  out.precision(precision);
}

std::string ServerStats::json() const {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::setprecision(9);
  out << "{\"seconds\": " << seconds << ", \"tokens_per_second\": " << tokens_per_second()
      << ", \"simulated\": " << (simulated ? "true" : "false")
      << ", \"simulated_speedup\": " << (simulated ? std::to_string(simulated_speedup()) : "null")
      << ", \"mean_staleness\": " << mean_staleness()
      << ", \"lock_wait_share\": " << lock_wait_share() << ", \"clipped\": " << clipped
      << ", \"staleness\": [";
  for (size_t s = 0; s < staleness.size(); ++s) out << (s ? ", " : "") << staleness[s];
  out << "], \"workers\": [";
  for (size_t k = 0; k < workers.size(); ++k) {
    const WorkerStats& w = workers[k];
    out << (k ? ", {" : "{")
        << "\"tokens_per_second\": " << (seconds > 0 ? static_cast<double>(w.tokens) / seconds : 0);
    for (const auto& [name, count] : kCounts) out << ", \"" << name << "\": " << w.*count;
    for (const auto& [name, time] : kSeconds) out << ", \"" << name << "\": " << w.*time;
    out << '}';
  }
  out << "]}";
  return out.str();
}

}  // namespace tapestry
