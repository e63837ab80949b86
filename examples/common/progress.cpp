#include <fmt/format.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/terminal.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tapestry::app {
namespace {

constexpr double kRedrawSeconds = 0.1;  // at most ten redraws in a second
constexpr double kSampleSeconds = 0.1;  // shorter stretches give noisy speeds
constexpr double kSmoothingSeconds = 10;
constexpr double kEtaAfterSeconds = 2;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

std::string short_count(double count) {
  constexpr std::array<const char*, 5> suffixes{"", "k", "M", "G", "T"};
  std::size_t k = 0;
  while (k + 1 < suffixes.size() && std::abs(count) >= 999.5) {
    count /= 1000;
    ++k;
  }
  const bool whole = k == 0 ? count == std::floor(count) || count >= 9.95 : count >= 9.95;
  return fmt::format("{:.{}f}{}", count, whole ? 0 : 1, suffixes[k]);
}

std::string clock_time(double seconds) {
  const auto s = static_cast<long long>(std::clamp(seconds, 0.0, 1e10));
  if (s < 3600) return fmt::format("{:02}:{:02}", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}d {:02}:{:02}", s / 86400, s / 3600 % 24, s / 60 % 60);
}

Progress::Progress(double total, ProgressSettings settings, double done)
    : settings_(std::move(settings)), total_(total), done_(done) {
  if (!settings_.clock) settings_.clock = steady_seconds;
  if (settings_.quiet) settings_.mode = ProgressMode::none;
  if (settings_.mode == ProgressMode::automatic)
    settings_.mode = is_terminal(fileno(settings_.out)) ? ProgressMode::bar : ProgressMode::plain;
  started_ = settings_.clock();
  sample_time_ = 0;
  sample_done_ = done;
}

Progress::~Progress() { erase_bar(); }

bool Progress::advance(double done) {
  done_ = done;
  const double elapsed = active_seconds() - sample_time_;
  if (elapsed >= kSampleSeconds) {
    const double keep = std::exp(-elapsed / kSmoothingSeconds);
    weighted_rate_ = keep * weighted_rate_ + (1 - keep) * (done - sample_done_) / elapsed;
    weight_ = keep * weight_ + (1 - keep);
    sample_time_ += elapsed;
    sample_done_ = done;
  }
  if (settings_.mode == ProgressMode::none || finished_) return false;
  const double now = settings_.clock();
  if (next_line_ && now < *next_line_) return false;
  next_line_ = now + (settings_.mode == ProgressMode::bar ? kRedrawSeconds : settings_.log_every);
  return true;
}

void Progress::show(const Status& status, bool last) {
  if (settings_.mode == ProgressMode::plain) return write(plain_line(status, last) + "\n");
  // The last column stays free: writing there makes some terminals wrap.
  const std::string bar = bar_line(status, terminal_columns(fileno(settings_.out)) - 1);
  write(fmt::format("\r{}\x1b[K", bar));
  bar_shown_ = true;
}

void Progress::finish(double done, const Status& status) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  advance(done);
  erase_bar();
  if (settings_.mode == ProgressMode::plain) show(status, true);
  finished_ = true;
}

void Progress::log(std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (settings_.quiet) return;
  erase_bar();
  write(std::string(line) + "\n");
  if (settings_.mode == ProgressMode::bar) next_line_.reset();
}

double Progress::units_per_second() const {
  const std::lock_guard lock(mutex_);
  return rate();
}

double Progress::seconds() const {
  const std::lock_guard lock(mutex_);
  return active_seconds();
}

double Progress::rate() const { return weight_ > 0 ? std::max(weighted_rate_ / weight_, 0.0) : 0; }

double Progress::active_seconds() const {
  const double now = pauses_ > 0 ? pause_began_ : settings_.clock();
  return now - started_ - paused_;
}

void Progress::stop_clock() {
  const std::lock_guard lock(mutex_);
  if (pauses_++ == 0) pause_began_ = settings_.clock();
}

void Progress::start_clock() {
  const std::lock_guard lock(mutex_);
  if (--pauses_ == 0) paused_ += settings_.clock() - pause_began_;
}

double Progress::percent(const Status& status) const {
  const double share = status.fraction ? *status.fraction : total_ > 0 ? done_ / total_ : 1;
  // Rounded down, so that 100.0 means done.
  return std::floor(std::clamp(share, 0.0, 1.0) * 1000 + 1e-9) / 10;
}

std::string Progress::eta() const {
  if (active_seconds() < kEtaAfterSeconds || !(rate() > 0)) return "";
  double left = std::max(total_ - done_, 0.0) / rate();
  if (settings_.max_seconds > 0)
    left = std::min(left, std::max(settings_.max_seconds - active_seconds(), 0.0));
  return "ETA " + clock_time(std::ceil(left));
}

/// "fits", but 1 "fit".
std::string Progress::unit_of(double count) const {
  const std::string& unit = settings_.unit;
  return count == 1 && unit.ends_with('s') ? unit.substr(0, unit.size() - 1) : unit;
}

std::string Progress::plain_line(const Status& status, bool last) const {
  constexpr std::size_t kColumns = 80;
  std::string head, tail = last ? "  time " + clock_time(active_seconds()) : "  " + eta();
  if (tail.size() == 2) tail.clear();
  const auto add = [&](const std::string& part) {  // where there is room
    if (part.empty() || head.size() + 2 + part.size() + tail.size() > kColumns) return false;
    head += (head.empty() ? "" : "  ") + part;
    return true;
  };
  add(status.prefix);
  add(fmt::format("{:.1f}%", percent(status)));
  add(status.position);
  add(fmt::format("{} {}", short_count(done_), unit_of(done_)));
  if (rate() > 0) add(fmt::format("{} {}/s", short_count(rate()), settings_.unit));
  for (const std::string& field : status.fields)
    if (!add(field)) break;
  return head + tail;
}

std::string Progress::bar_line(const Status& status, int columns) const {
  const int fd = fileno(settings_.out);
  const auto room = static_cast<std::size_t>(std::max(columns, 1));
  const std::string head = status.prefix.empty() ? "" : status.prefix + " ";
  std::string tail = fmt::format(" {:5.1f}%", percent(status));
  const auto bar =
      static_cast<int>(std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(room) / 4, 8, 24));
  const std::string time = eta();
  std::vector<std::string> fields;
  if (rate() > 0) fields.push_back(fmt::format("{} {}/s", short_count(rate()), settings_.unit));
  fields.insert(fields.end(), status.fields.begin(), status.fields.end());
  const std::size_t fixed = head.size() + static_cast<std::size_t>(bar) + tail.size() +
                            (time.empty() ? 0 : time.size() + 2);
  std::size_t used = fixed;
  for (const std::string& field : fields) {
    used += field.size() + 2;
    if (used > room) break;
    tail += "  " + field;
  }
  if (!time.empty()) tail += "  " + time;
  if (fixed > room) return (head + tail).substr(0, room);

  const int filled = static_cast<int>(percent(status) / 100 * bar);
  const bool fancy = use_utf8(fd), color = use_color(fd);
  std::string out = head;
  if (color) out += "\x1b[32m";
  out += repeat(fancy ? "━" : "#", filled);
  if (color) out += "\x1b[90m";
  out += repeat(fancy ? "─" : ".", bar - filled);
  if (color) out += "\x1b[0m";
  return out + tail;
}

void Progress::erase_bar() {
  if (bar_shown_) write("\r\x1b[K");
  bar_shown_ = false;
}

void Progress::write(std::string_view text) {
  // One call, so that a line stays whole when several processes share stderr.
  std::fwrite(text.data(), 1, text.size(), settings_.out);
  std::fflush(settings_.out);
}

}  // namespace tapestry::app
