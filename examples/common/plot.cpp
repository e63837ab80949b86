#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
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

// Okabe and Ito (2008) without the yellow, which is faint on white.
constexpr std::array<const char*, 7> kColors{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                             "#E69F00", "#56B4E9", "#000000"};

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// In single quotes gnuplot substitutes nothing.
std::string gp_string(const std::string& text) {
  std::string out = "'";
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x20)
      out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

/// '#rrggbb' with so much white that `share` of it is left.
std::string mixed(const char* color, double share) {
  std::string out = "#";
  for (const int at : {1, 3, 5}) {
    const int part = std::stoi(std::string(color + at, 2), nullptr, 16);
    out += fmt::format("{:02x}", static_cast<int>(255 - share * (255 - part)));
  }
  return out;
}

std::string x_text(const Plot& plot, double x) {
  return plot.x_axis == Plot::Axis::month ? month_name(x) : fmt::format("{}", x);
}

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

std::pair<double, double> x_range(const Plot& plot) {
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (const Series& s : plot.series)
    for (const double x : s.x) {
      low = std::min(low, x);
      high = std::max(high, x);
    }
  return low <= high ? std::pair{low, high} : std::pair{0.0, 1.0};
}

/// What the axis shows: points do not lie on the frame, and their labels fit in.
std::pair<double, double> with_margin(const Plot& plot, double low, double high) {
  if (plot.x_axis == Plot::Axis::month) return {low, high};
  const bool points = std::any_of(plot.series.begin(), plot.series.end(),
                                  [](const Series& s) { return s.style == Style::points; });
  const double share = !points ? 0 : plot.labels.empty() ? 0.02 : 0.06;
  if (plot.x_axis != Plot::Axis::logarithmic)
    return {low - share * (high - low), high + share * (high - low)};
  const double factor = std::pow(high / low, share);
  return {low / factor, high * factor};
}

/// 1, 2 and 5 times each power of ten that the range comes near to.
std::string log_ticks(double low, double high) {
  std::string out;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high * 2; power *= 10)
    for (const double x : {power, 2 * power, 5 * power})
      if (x >= low / 2 && x <= high * 2)
        out += fmt::format("{}'{:g}' {:g}", out.empty() ? "" : ", ", x, x);
  return out;
}

std::string gp_of(const Plot& plot, const std::string& name) {
  const bool months = plot.x_axis == Plot::Axis::month, key = plot.series.size() > 1;
  const auto [low, high] = x_range(plot);
  std::string out = fmt::format(
      "# Draws {0}.svg and {0}.png from {0}.csv. In this directory: gnuplot {0}.gp\n", name);
  out += R"(set encoding utf8
set datafile separator comma
set border 3 lc rgb '#888888'
set tics nomirror out scale 0.5 textcolor rgb '#444444'
set grid xtics ytics lt 1 lw 0.7 lc rgb '#e6e6e6'
set autoscale noextend
set offsets 0, 0, graph 0.08, graph 0.04
set key at graph 0, screen 0.92 left top horizontal Left reverse noenhanced samplen 2 width 1 \
  textcolor rgb '#333333'
)";
  out += fmt::format("set tmargin at screen {}\nset rmargin 4\n", key ? 0.84 : 0.9);
  out += fmt::format(
      "set label {} at graph 0, screen 0.955 noenhanced textcolor rgb "
      "'#000000'\n",
      gp_string(plot.title));
  out += fmt::format("set xlabel {} noenhanced textcolor rgb '#444444'\n", gp_string(plot.x_label));
  out += fmt::format("set ylabel {} noenhanced textcolor rgb '#444444'\n", gp_string(plot.y_label));
  if (months)
    out += fmt::format("set xdata time\nset timefmt '%Y-%m'\nset format x '{}'\n",
                       high - low >= 72 ? "%Y" : "%Y-%m");
  else if (std::max(std::abs(low), std::abs(high)) >= 1e5)
    out += "set format x '%.1s%c'\n";
  const auto position = [&](double x) {
    return months ? gp_string(x_text(plot, x)) : x_text(plot, x);
  };
  if (plot.x_axis == Plot::Axis::logarithmic)
    out += "set logscale x\nset xtics (" + log_ticks(low, high) + ")\n";
  if (low < high) {
    const auto [left, right] = with_margin(plot, low, high);
    out += fmt::format("set xrange [{}:{}]\n", position(left), position(right));
  }
  if (plot.y_from_zero) out += "set yrange [0:*]\n";
  for (const Marker& m : plot.markers) {
    const bool left = m.x > low + 0.7 * (high - low);  // the label needs room to the border
    out += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead dt 2 lw 1.2 lc rgb '#888888'\n"
        "set label {1} at {0}, graph 0.965 {2},0 noenhanced textcolor rgb '#666666'\n",
        position(m.x), gp_string(m.label), left ? "right offset -0.8" : "left offset 0.8");
  }

  for (const Label& l : plot.labels)
    out += fmt::format(
        "set label {} at {}, {} left offset 0.6,0.4 noenhanced font ',11' textcolor rgb "
        "'#666666'\n",
        gp_string(l.text), position(l.x), l.y);

  std::vector<std::string> bands, curves;  // bands lie under the curves
  std::size_t column = 2;
  for (const Series& s : plot.series) {
    const bool band = s.style == Style::band;
    std::string item = fmt::format("{} skip 1 using 1:{}", gp_string(name + ".csv"), column);
    if (band) item += fmt::format(":{}", column + 1);
    item += band                     ? " with filledcurves fs solid noborder"
            : s.style == Style::line ? " with lines lw 2.2"
                                     : " with points pt 7 ps dot";
    const char* color = kColors[curves.size() % kColors.size()];
    item += fmt::format(" lc rgb '{}' ", band ? mixed(color, s.shade) : color);
    item += key ? "title " + gp_string(s.name) : "notitle";
    (band ? bands : curves).push_back(item);
    column += band ? 2 : 1;
  }
  bands.insert(bands.end(), curves.begin(), curves.end());
  out += fmt::format(R"(
set terminal svg size 960,540 dynamic rounded font 'sans-serif,15' background '#ffffff'
set output {}
dot = 0.55
plot {}

if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {{
  set terminal pngcairo size 960,540 rounded font 'sans-serif,11' background '#ffffff'
}} else {{
  set terminal png size 960,540 truecolor
}}
set output {}
dot = 0.9
replot
set output
)",
                     gp_string(name + ".svg"), join(bands, ", \\\n  "), gp_string(name + ".png"));
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

PlotFiles write_plot(const Plot& plot, const fs::path& stem) {
  for (const Series& s : plot.series)
    require<ShapeError>(
        s.x.size() == s.y.size() && (s.style != Style::band || s.y_high.size() == s.y.size()),
        "write_plot: series '", s.name, "': x and y differ in length");
  const std::string name = stem.filename().string();
  const fs::path directory = stem.has_parent_path() ? stem.parent_path() : ".";
  const auto file = [&](const char* ending) { return directory / (name + ending); };
  write_atomically(file(".csv"), csv_of(plot));
  write_atomically(file(".gp"), gp_of(plot, name));
  PlotFiles files{{file(".csv"), file(".gp")}, ""};
  const Outcome outcome = run_gnuplot(directory, name + ".gp");
  if (!outcome.problem.empty() && outcome.found)
    files.warning =
        fmt::format("gnuplot {}: no picture: {}", file(".gp").string(), outcome.problem);
  if (outcome.problem.empty())
    for (const char* ending : {".svg", ".png"}) files.written.push_back(file(ending));
  return files;
}

void draw(const Plot& plot, const fs::path& stem, const char* program, bool quiet) {
  const PlotFiles files = write_plot(plot, stem);
  if (!files.warning.empty()) warn(program, files.warning);
  const bool terminal = is_terminal(STDERR_FILENO), picture = files.written.size() > 2;
  if (quiet || (picture && !terminal)) return;
  constexpr int kRows = 15;
  note("\n{}\n", text_chart(plot, terminal_columns(STDERR_FILENO) - 1, kRows,
                            {use_utf8(STDERR_FILENO), use_color(STDERR_FILENO)}));
}

}  // namespace tapestry::app
