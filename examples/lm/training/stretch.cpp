#include <fmt/format.h>
#include <tapestry/examples/lm/training/stretch.h>

#include <algorithm>

namespace tapestry::lm {

std::string reason_to_end(const TrainSettings& s, const Position& position, double seconds) {
  if (s.max_steps > 0 && position.updates >= s.max_steps) return "--max-steps";
  if (s.max_tokens > 0 && position.tokens >= s.max_tokens) return "--max-tokens";
  if (s.max_time > 0 && seconds >= s.max_time) return "--max-time";
  const int64_t since = std::max(position.best_epoch, position.averaged);
  if (s.patience > 0 && position.item == 0 && position.epoch - since >= s.patience)
    return fmt::format("--patience: no better since epoch {}", since);
  return "";
}

Stretch of_all_ranks(const Cluster& cluster, const Stretch& mine) {
  Stretch out;
  for (const Stretch& rank : cluster.of_all(mine)) {
    out.losses.units += rank.losses.units, out.losses.tokens += rank.losses.tokens;
    out.items += rank.items;
    out.signal = std::max(out.signal, rank.signal);
    out.save |= rank.save, out.sample |= rank.sample;
  }
  return out;
}

void advance(Position& position, const Position& before, const Stretch& all, int64_t updates) {
  position.item = before.item + all.items;
  position.updates = before.updates + updates;
  position.tokens = before.tokens + all.losses.tokens;
  position.of_epoch = before.of_epoch;
  position.of_epoch.units += all.losses.units, position.of_epoch.tokens += all.losses.tokens;
}

}  // namespace tapestry::lm
