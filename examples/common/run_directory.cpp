#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/common/text.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

namespace tapestry::app {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail_output(ExitCode code, const fs::path& path, const std::string& what,
                              int error) {
  const char* hint = code == ExitCode::cannot_create ? "name a place that can be written with -o"
                     : error == ENOSPC               ? "free some disk space and try again"
                                                     : "";
  throw UserError(code, fmt::format("{}: {}", what, std::strerror(error)), hint, path.string());
}

[[noreturn]] void fail_output(ExitCode code, const fs::path& path, const std::string& what) {
  fail_output(code, path, what, errno);
}

/// An open file descriptor, closed at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::vector<fs::path> run_files(const fs::path& directory, const std::vector<std::string>& owned) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    for (const std::string& pattern : owned)
      if (fnmatch(pattern.c_str(), it->path().filename().c_str(), FNM_PERIOD) == 0) {
        found.push_back(it->path());
        break;
      }
  if (error) fail_output(ExitCode::cannot_create, directory, "cannot list", error.value());
  return found;
}

void append(std::FILE* file, const fs::path& path, const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), file) != line.size() || std::fflush(file) != 0)
    fail_output(ExitCode::io_error, path, "cannot write");
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& path, const std::vector<std::string>& owned,
                           IfRunExists if_exists)
    : path_(path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_output(ExitCode::cannot_create, path, "cannot create directory", error.value());
  Descriptor lock(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) fail_output(ExitCode::cannot_create, path, "cannot open directory");
  // Some network file systems know no locks; only a lock that somebody holds is an obstacle.
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw UserError(ExitCode::cannot_create, "in use by another process",
                    "wait for it, or name another directory with -o", path.string());

  // Trying is the only test that also knows of read-only mounts and quotas.
  const std::string probe = path_ / fmt::format(".probe-{}", getpid());
  const Descriptor trial(open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (trial.get() < 0) fail_output(ExitCode::cannot_create, path, "cannot write there");
  unlink(probe.c_str());

  const std::vector<fs::path> files = run_files(path, owned);
  if (!files.empty() && if_exists == IfRunExists::refuse)
    throw UserError(ExitCode::cannot_create,
                    fmt::format("already holds a run ({})", files.front().filename().string()),
                    "replace it with --overwrite, or name another directory with -o",
                    path.string());
  if (if_exists == IfRunExists::overwrite)
    for (const fs::path& file : files) {
      fs::remove_all(file, error);
      if (error) fail_output(ExitCode::io_error, file, "cannot remove", error.value());
    }
  holds_run_ = !files.empty() && if_exists == IfRunExists::resume;
  lock_ = lock.release();
}

RunDirectory::~RunDirectory() { close(lock_); }

fs::path create_default_run(std::string_view program, std::time_t now, const fs::path& parent) {
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) fail_output(ExitCode::cannot_create, parent, "cannot create directory", error.value());
  std::tm time{};
  localtime_r(&now, &time);
  const std::string name =
      fmt::format("{}-{:04}{:02}{:02}-{:02}{:02}{:02}", program, time.tm_year + 1900,
                  time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec);
  for (int i = 1;; ++i) {
    const fs::path path = parent / (i == 1 ? name : fmt::format("{}-{}", name, i));
    if (mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST) fail_output(ExitCode::cannot_create, path, "cannot create directory");
  }
}

void write_atomically(const fs::path& path, std::string_view contents) {
  std::error_code ignored;  // a device, for instance, must not be replaced
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    throw UserError(ExitCode::cannot_create, "exists and is not a regular file",
                    "name another file with -o", path.string());
  const fs::path directory = path.has_parent_path() ? path.parent_path() : ".";
  const fs::path temporary =
      directory / fmt::format(".{}.{}.tmp", path.filename().string(), getpid());
  Descriptor file(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file.get() < 0) fail_output(ExitCode::cannot_create, path, "cannot create");
  const auto give_up = [&](const char* what) {
    const int error = errno;
    unlink(temporary.c_str());
    fail_output(ExitCode::io_error, path, what, error);
  };
  while (!contents.empty()) {
    const ssize_t n = write(file.get(), contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) give_up("cannot write");
    contents.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fsync(file.get()) != 0) give_up("cannot sync");
  if (close(file.release()) != 0) give_up("cannot close");
  if (rename(temporary.c_str(), path.c_str()) != 0) give_up("cannot replace");
  // The new name is lasting once the directory is; a directory that cannot be synced still holds
  // it.
  const Descriptor parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() >= 0) fsync(parent.get());
}

MetricsWriter::MetricsWriter(const fs::path& directory, std::vector<std::string> columns,
                             std::span<const Row> rows)
    : columns_(std::move(columns)),
      csv_path_(directory / "metrics.csv"),
      jsonl_path_(directory / "metrics.jsonl") {
  std::string csv = join(columns_, ",") + "\n", jsonl;
  for (const Row& row : rows) {
    const auto [line, object] = lines_of(row);
    csv += line, jsonl += object;
  }
  write_atomically(csv_path_, csv);
  write_atomically(jsonl_path_, jsonl);
  const auto reopen = [](const fs::path& path) {
    File file(std::fopen(path.c_str(), "ae"));
    if (!file) fail_output(ExitCode::cannot_create, path, "cannot open");
    return file;
  };
  csv_ = reopen(csv_path_);
  jsonl_ = reopen(jsonl_path_);
}

std::pair<std::string, std::string> MetricsWriter::lines_of(const Row& row) const {
  if (row.size() != columns_.size())
    throw std::logic_error(
        fmt::format("MetricsWriter: {} values for {} columns", row.size(), columns_.size()));
  std::string csv, json;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool known = row[i] && std::isfinite(*row[i]);
    const std::string text = known ? fmt::format("{}", *row[i]) : "";
    csv += (i ? "," : "") + text;
    json += fmt::format("{}{}:{}", i ? "," : "", Json(columns_[i]).dump(), known ? text : "null");
  }
  return {csv + "\n", "{" + json + "}\n"};
}

void MetricsWriter::row(const Row& row) {
  const auto [csv, json] = lines_of(row);
  append(csv_.get(), csv_path_, csv);
  append(jsonl_.get(), jsonl_path_, json);
}

void MetricsWriter::sync() {
  if (fsync(fileno(csv_.get())) != 0) fail_output(ExitCode::io_error, csv_path_, "cannot sync");
  if (fsync(fileno(jsonl_.get())) != 0) fail_output(ExitCode::io_error, jsonl_path_, "cannot sync");
}

}  // namespace tapestry::app
