#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/training/schedule_file.h>

#include <cstring>
#include <fstream>

namespace tapestry::lm {
namespace {

constexpr std::string_view kMagic = "tapestry-schedule-1\n";

}  // namespace

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
                       logs_.size() == 1 ? " epoch" : " epochs", " (give --epochs as recorded)");
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

}  // namespace tapestry::lm
