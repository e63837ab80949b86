#pragma once
// The order in which workers took locks, in the file of --record or --replay.

#include <deque>
#include <string>

#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/server/order.h>

namespace tapestry::lm {

/// The schedules of a recorded run, one for each epoch.
class ScheduleFile {
 public:
  /// Reads the file of --replay. Throws UserError (no_input), FormatError.
  explicit ScheduleFile(const ParallelSettings& settings);
  /// The schedule of the next epoch: to be filled when recording; throws FormatError where the
  /// recorded run had fewer epochs.
  LockLog& next();
  /// Writes what was recorded.
  void save() const;

 private:
  std::string record_, replay_;
  std::deque<LockLog> logs_;
  size_t next_ = 0;
};

}  // namespace tapestry::lm
