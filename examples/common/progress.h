#pragma once
// Progress of a long run, on stderr: a bar redrawn in place on a terminal, plain full lines in a
// pipe, of 80 columns at most, such as
//   epoch 2/10  41.3%  step 18200  3.1M tok  812k tok/s  loss 5.213  ETA 06:12
// Work is counted in units the caller chooses. The speed is an exponential average of units per
// second of the last ten seconds or so; the time left follows from it, is shown after 2 s, and does
// not count pauses (evaluation, saving). update() costs one clock reading unless a line is due. All
// members may be called from any thread.

#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapestry::app {

enum class ProgressMode { automatic, bar, plain, none };

struct ProgressSettings {
  ProgressMode mode = ProgressMode::automatic;  ///< automatic: bar on a terminal, else plain
  double log_every = 10;                        ///< seconds between plain lines
  bool quiet = false;                           ///< neither progress nor log lines
  double max_seconds = 0;                       ///< the run ends then at the latest; 0: no limit
  std::string unit = "tok";
  std::FILE* out = stderr;
  std::function<double()> clock = {};  ///< seconds, non-decreasing; empty: the steady clock
};

/// What a line says besides what Progress computes itself.
struct Status {
  std::string prefix;               ///< "epoch 2/10"
  std::optional<double> fraction;   ///< done share of what prefix names; empty: of the whole run
  std::string position;             ///< "step 18200", or empty
  std::vector<std::string> fields;  ///< "loss 5.213", "ppl 183.6"; the first matter most
};

class Progress {
 public:
  /// `total` units make the run, of which `done` lie behind it already (a resumed run).
  Progress(double total, ProgressSettings settings, double done = 0);
  /// Erases the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Notes that `done` units are complete; `describe()` returns the Status and is called only when
  /// a line is due.
  template <class Describe>
  void update(double done, Describe&& describe) {
    const std::lock_guard lock(mutex_);
    if (advance(done)) show(std::forward<Describe>(describe)(), false);
  }

  /// Prints the last line with the time taken (plain), or erases the bar. Nothing is shown after
  /// it.
  void finish(double done, const Status& status);

  /// Prints a line of its own above the bar; nothing when quiet.
  void log(std::string_view line);

  /// Stops the clock of speed and time left while the returned object lives.
  class Pause {
   public:
    explicit Pause(Progress& progress) : progress_(progress) { progress_.stop_clock(); }
    ~Pause() { progress_.start_clock(); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Progress& progress_;
  };
  [[nodiscard]] Pause pause() { return Pause(*this); }

  double units_per_second() const;  ///< smoothed; 0 before anything is known
  double seconds() const;           ///< since construction, pauses excluded

 private:
  bool advance(double done);
  void show(const Status& status, bool last);
  std::string plain_line(const Status& status, bool last) const;
  std::string bar_line(const Status& status, int columns) const;
  std::string eta() const;
  std::string unit_of(double count) const;
  double percent(const Status& status) const;
  void erase_bar();
  void write(std::string_view text);
  void stop_clock();
  void start_clock();
  double active_seconds() const;
  double rate() const;

  mutable std::mutex mutex_;
  ProgressSettings settings_;
  double total_, done_, started_;
  double paused_ = 0, pause_began_ = 0;
  int pauses_ = 0;                         // nesting depth
  double sample_time_, sample_done_;       // where the last speed sample ended
  double weighted_rate_ = 0, weight_ = 0;  // exponential average and the sum of its weights
  std::optional<double> next_line_;        // clock reading at which a line is due; empty: now
  bool bar_shown_ = false, finished_ = false;
};

/// 812 -> "812", 812345 -> "812k", 3.14e6 -> "3.1M".
std::string short_count(double count);
/// 372 -> "06:12", 3723 -> "1:02:03", 100000 -> "1d 03:46".
std::string clock_time(double seconds);

}  // namespace tapestry::app
