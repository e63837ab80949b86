#include <tapestry/examples/lm/training/trainer.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& s) {
  if (s.optimizer == "adam") return Adam{.lr = s.lr};
  if (s.optimizer == "adamw") {
    AdamW rule{.lr = s.lr};
    rule.weight_decay = s.weight_decay;
    return rule;
  }
  if (s.optimizer == "rmsprop") return RMSProp{.lr = s.lr};
  if (s.optimizer == "adagrad") return Adagrad{.lr = s.lr};
  return SGD{.lr = s.lr, .momentum = s.momentum, .weight_decay = s.weight_decay};
}

Schedule make_schedule(const TrainSettings& s, int64_t updates_per_epoch) {
  const int64_t total = updates_per_epoch * s.epochs;
  Schedule schedule = s.schedule == "plateau" ? Schedule::plateau(s.lr)
                      : s.schedule == "step"  ? Schedule::step(s.lr, updates_per_epoch, 0.5)
                      : s.schedule == "cosine"
                          ? Schedule::cosine(s.lr, std::max<int64_t>(1, total - s.warmup))
                          : Schedule::constant(s.lr);
  return s.warmup > 0 ? schedule.warm_up(s.warmup) : schedule;
}

namespace {
constexpr std::string_view kMagic = "tapestry-schedule-1\n";
}

// After the magic line, for each epoch a 64-bit count and as many 16-bit worker numbers.
ScheduleFile::ScheduleFile(const ParallelSettings& settings)
    : record_(settings.record), replay_(settings.replay) {
  if (replay_.empty()) return;
  std::ifstream in(replay_, std::ios::binary);
  if (!in)
    throw app::UserError(app::ExitCode::no_input, replay_ + " cannot be read",
                         "name the file that --record wrote");
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  require<FormatError>(bytes.starts_with(kMagic), replay_, ": not a schedule that --record wrote");
  for (size_t at = kMagic.size(); at < bytes.size();) {
    uint64_t count = 0;
    const size_t left = bytes.size() - at;
    if (left >= sizeof count) std::memcpy(&count, &bytes[at], sizeof count);
    require<FormatError>(left >= sizeof count && count <= (left - sizeof count) / sizeof(uint16_t),
                         replay_, ": the schedule is cut off");
    at += sizeof count;
    LockLog& log = logs_.emplace_back(count);
    if (count > 0) std::memcpy(log.data(), &bytes[at], count * sizeof(uint16_t));
    at += count * sizeof(uint16_t);
    for (const uint16_t worker : log)
      require<FormatError>(worker < settings.workers, replay_, ": a schedule of more than ",
                           settings.workers, " workers (give --workers as recorded)");
  }
}

LockLog& ScheduleFile::next() {
  if (!record_.empty()) return logs_.emplace_back();
  require<FormatError>(next_ < logs_.size(), replay_, ": a schedule of ", logs_.size(),
                       " epochs (give --epochs as recorded)");
  return logs_[next_++];
}

void ScheduleFile::save() const {
  if (record_.empty()) return;
  std::string bytes(kMagic);
  for (const LockLog& log : logs_) {
    const uint64_t count = log.size();
    bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
    bytes.append(reinterpret_cast<const char*>(log.data()), count * sizeof(uint16_t));
  }
  app::write_atomically(record_, bytes);
}

app::UserError diverged(const Place& place, int worker, const std::string& what,
                        const std::string& last_checkpoint, const std::string& run) {
  const std::string who = worker < 0 ? "" : fmt::format(", worker {}", worker);
  const std::string kept = last_checkpoint.empty()
                               ? "no checkpoint had been saved yet"
                               : fmt::format("{}/{} is good", run, last_checkpoint);
  return {app::ExitCode::diverged,
          fmt::format("diverged in epoch {} after update {}{}: {}", place.epoch + 1, place.updates,
                      who, what),
          fmt::format("{}; try a lower --lr, --clip-norm, --warmup, or fewer --workers", kept)};
}

std::string first_bad_step(const Tensor& losses, const Packing& packing) {
  const auto values = losses.cast(f64).to_vector<double>();
  for (size_t row = 0; row < values.size(); ++row) {
    if (std::isfinite(values[row])) continue;
    const auto next =
        std::upper_bound(packing.offsets.begin(), packing.offsets.end(), static_cast<int64_t>(row));
    return fmt::format("time step {} of {}", next - packing.offsets.begin(), packing.steps());
  }
  return "";
}

}  // namespace tapestry::lm
