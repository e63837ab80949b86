#pragma once
// Where a run keeps its files. A RunDirectory exists on disk, can be written, belongs to this
// process alone while the object lives (an advisory lock on the directory), and never takes over a
// run that is already there unless told to. Files appear in it whole or not at all: written beside
// their place, synced, renamed. Errors are UserError: cannot_create or io_error with the system's
// reason.

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapestry::app {

enum class IfRunExists { refuse, overwrite, resume };

class RunDirectory {
 public:
  /// Creates `path` or takes an existing directory. `owned` are the file name patterns (as in a
  /// shell) of what a run leaves behind: a directory with any of them holds a run, and overwriting
  /// removes these entries and nothing else.
  RunDirectory(const std::filesystem::path& path, const std::vector<std::string>& owned,
               IfRunExists if_exists);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// The path of the file `name` in the directory.
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  /// Whether a run was found (and kept: resume).
  bool holds_run() const { return holds_run_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
  bool holds_run_ = false;
};

/// Creates and returns PARENT/PROGRAM-YYYYMMDD-HHMMSS (local time); -2, -3 ... where that exists.
std::filesystem::path create_default_run(std::string_view program, std::time_t now,
                                         const std::filesystem::path& parent = "runs");

/// Replaces the file at `path` by `contents`, or leaves it as it was and throws.
void write_atomically(const std::filesystem::path& path, std::string_view contents);

/// The same rows in metrics.csv and metrics.jsonl, each on disk when row() returns. A number that
/// is missing or not finite is an empty field and null.
class MetricsWriter {
 public:
  using Row = std::vector<std::optional<double>>;

  /// Writes the files anew, with these rows at their begin.
  MetricsWriter(const std::filesystem::path& directory, std::vector<std::string> columns,
                std::span<const Row> rows = {});

  /// Throws std::logic_error for another number of values than of columns.
  void row(const Row& row);
  /// Returns once what was written would survive a loss of power.
  void sync();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Close>;

  /// In the CSV file and in the other.
  std::pair<std::string, std::string> lines_of(const Row& row) const;

  std::vector<std::string> columns_;
  std::filesystem::path csv_path_, jsonl_path_;
  File csv_, jsonl_;
};

}  // namespace tapestry::app
