#pragma once
// The checkpoints of a run: each whole or absent (one rename), sealed with a checksum, the last few
// kept. Where one is damaged, the newest that is not takes its place, and the user is told.

#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/training/fingerprint.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace tapestry::lm {

/// With the tensors whose names begin with `prefix`; all are checked. Throws FileError, and
/// FormatError for a file that is malformed or whose checksum is wrong.
NamedTensors read_checkpoint(const std::filesystem::path& path, const std::string& prefix = "");

/// The checkpoint files of a run, the newest first.
std::vector<std::filesystem::path> checkpoints(const std::filesystem::path& directory);

/// Reads the checkpoint that the link `first` names ("best", "last") or, with a warning, the newest
/// that can be read. Throws what the first one threw where none can.
std::pair<std::filesystem::path, NamedTensors> read_newest(const std::filesystem::path& directory,
                                                           const std::string& first,
                                                           const std::string& prefix = "");

/// Writes checkpoints into a run directory.
class CheckpointWriter {
 public:
  CheckpointWriter(const app::RunDirectory& directory, int64_t keep)
      : directory_(directory), keep_(static_cast<size_t>(keep)) {}

  /// Saves the state after `updates` updates as the last and, where it is better, as the best.
  /// Removes all but the best and the last few. Throws UserError (io_error) that names the
  /// checkpoint that is still good.
  void write(NamedTensors state, int64_t updates, bool best);
  /// Makes the link `best` name the checkpoint of `updates` updates, if that is there.
  void restore_best(int64_t updates);
  /// The file written last; empty before.
  const std::string& last() const { return last_; }

 private:
  void link(const std::string& name, const std::string& target);
  void remove_old();

  const app::RunDirectory& directory_;
  size_t keep_;
  std::string last_;
};

}  // namespace tapestry::lm
