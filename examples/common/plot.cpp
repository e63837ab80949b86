#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <tapestry/examples/common/csv.h>
#include <tapestry/examples/common/gnuplot.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/common/terminal.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>

extern char** environ;

namespace tapestry::app {
namespace fs = std::filesystem;
namespace {

using Style = Series::Style;

std::string y_text(double y) { return std::isfinite(y) ? fmt::format("{}", y) : "NaN"; }

/// One row for each x, one column for each series (two for a band), empty where it has no point.
std::string csv_of(const Plot& plot) {
  std::string header = csv_field(plot.x_label.empty() ? "x" : plot.x_label);
  std::size_t columns = 0;
  // The count tells apart points of a series that share their x.
  std::map<std::pair<double, int>, std::map<std::size_t, std::string>> rows;
  for (const Series& s : plot.series) {
    const bool band = s.style == Style::band;
    header.append(",").append(csv_field(band ? s.name + " low" : s.name));
    if (band) header.append(",").append(csv_field(s.name + " high"));
    std::map<double, int> seen;
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      auto& row = rows[{s.x[i], seen[s.x[i]]++}];
      row[columns] = y_text(s.y[i]);
      if (band) row[columns + 1] = y_text(s.y_high[i]);
    }
    columns += band ? 2 : 1;
  }
  std::string out = header + "\n";
  for (const auto& [x, cells] : rows) {
    out += x_text(plot, x.first);
    for (std::size_t c = 0; c < columns; ++c) {
      const auto cell = cells.find(c);
      out += ',';
      if (cell != cells.end()) out += cell->second;
    }
    out += "\n";
  }
  return out;
}

struct Outcome {
  bool found = true;    // the program exists
  std::string problem;  // empty: it ran and succeeded
};

/// Runs gnuplot on `script` in `directory`, without a shell, for at most 30 s.
Outcome run_gnuplot(const fs::path& directory, const std::string& script) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {true, std::strerror(errno)};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  // -d: the user's own start-up file must not change the picture.
  std::string program = "gnuplot", option = "-d", file = script;
  char* arguments[] = {program.data(), option.data(), file.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said;
  bool late = false;
  if (error == 0) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      pollfd in{ends[0], POLLIN, 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      const int ready = poll(&in, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
      if (ready < 0 && errno == EINTR) continue;
      std::array<char, 4096> buffer;
      const ssize_t n = ready > 0 ? read(ends[0], buffer.data(), buffer.size()) : 0;
      if (ready == 0) {
        late = true;
        kill(child, SIGKILL);
      }
      if (n <= 0) break;
      said.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  close(ends[0]);
  if (error != 0) return {error != ENOENT, std::strerror(error)};
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) return {true, "took longer than 30 s"};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::size_t text = std::min(said.find_first_not_of(" \t\r\n^"), said.size());
  said = said.substr(text, said.find('\n', text) - text);
  return {true, said.empty() ? fmt::format("ended with status {}", status) : said};
}

/// What there is room for in characters.
Plot first_panel(Plot plot) {
  if (plot.panels.empty()) return plot;
  plot.title += ": " + plot.panels[0];
  std::erase_if(plot.series, [](const Series& s) { return s.panel > 0; });
  return plot;
}

}  // namespace

double month_number(std::string_view text) {
  int year = 0, month = 0;
  const char *begin = text.data(), *end = begin + text.size();
  const bool shape = text.size() == 7 && text[4] == '-';
  const bool fine = shape && std::from_chars(begin, begin + 4, year).ptr == begin + 4 &&
                    std::from_chars(begin + 5, end, month).ptr == end;
  require<ValueError>(fine && year >= 0 && month >= 1 && month <= 12, "month '", text,
                      "': not of the form YYYY-MM");
  return year * 12 + month - 1;
}

std::string month_name(double month) {
  const auto m = static_cast<long long>(std::llround(month));
  return fmt::format("{:04}-{:02}", m / 12, m % 12 + 1);
}

std::string x_text(const Plot& plot, double x) {
  return plot.x_axis == Plot::Axis::month ? month_name(x) : fmt::format("{}", x);
}

PlotFiles write_plot(const Plot& plot, const fs::path& stem) {
  for (const Series& s : plot.series)
    require<ShapeError>(
        s.x.size() == s.y.size() && (s.style != Style::band || s.y_high.size() == s.y.size()),
        "write_plot: series '", s.name, "': x and y differ in length");
  const std::string name = stem.filename().string();
  const fs::path directory = stem.has_parent_path() ? stem.parent_path() : ".";
  const auto file = [&](const char* ending) { return directory / (name + ending); };
  write_atomically(file(".csv"), csv_of(plot));
  write_atomically(file(".gp"), gnuplot_script(plot, name));
  PlotFiles files{{file(".csv"), file(".gp")}, ""};
  const Outcome outcome = run_gnuplot(directory, name + ".gp");
  if (!outcome.problem.empty() && outcome.found)
    files.warning =
        fmt::format("gnuplot {}: no picture: {}", file(".gp").string(), outcome.problem);
  if (outcome.problem.empty())
    for (const char* ending : {".svg", ".png"}) files.written.push_back(file(ending));
  return files;
}

void print_files(const fs::path& stem) {
  for (const char* ending : {".svg", ".png", ".csv", ".gp"})
    if (const std::string path = stem.string() + ending; fs::exists(path)) fmt::print("{}\n", path);
}

void draw(const Plot& plot, const fs::path& stem, const char* program, bool quiet) {
  const PlotFiles files = write_plot(plot, stem);
  if (!files.warning.empty()) warn(program, files.warning);
  const bool terminal = is_terminal(STDERR_FILENO), picture = files.written.size() > 2;
  if (quiet || (picture && !terminal)) return;
  constexpr int kRows = 15;
  note("\n{}\n", text_chart(first_panel(plot), terminal_columns(STDERR_FILENO) - 1, kRows,
                            {use_utf8(STDERR_FILENO), use_color(STDERR_FILENO)}));
}

}  // namespace tapestry::app
