#include <fmt/format.h>
#include <tapestry/examples/common/gnuplot.h>
#include <tapestry/examples/common/text.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace tapestry::app {
namespace {

using Style = Series::Style;

// Okabe and Ito (2008) without the yellow, which is faint on white.
constexpr std::array<const char*, 7> kColors{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                             "#E69F00", "#56B4E9", "#000000"};

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

/// What `plot` draws in a panel, bands under curves.
std::string items_of(const Plot& plot, const std::string& name, std::size_t panel, bool key) {
  std::vector<std::string> bands, curves;  // bands lie under the curves
  std::size_t column = 0, next = 2;
  for (const Series& s : plot.series) {
    const bool band = s.style == Style::band;
    column = std::exchange(next, next + (band ? 2 : 1));
    if (s.panel != panel) continue;
    std::string item = fmt::format("{} skip 1 using 1:{}", gp_string(name + ".csv"), column);
    if (band) item += fmt::format(":{}", column + 1);
    item += band                     ? " with filledcurves fs solid noborder"
            : s.style == Style::line ? " with lines lw 2.2"
                                     : " with points pt 7 ps dot";
    const char* color = kColors[curves.size() % kColors.size()];
    item += fmt::format(" lc rgb '{}' ", band ? mixed(color, s.shade) : color);
    item += key ? "title " + gp_string(s.name) : "notitle";
    (band ? bands : curves).push_back(item);
  }
  bands.insert(bands.end(), curves.begin(), curves.end());
  return join(bands, ", \\\n  ");
}

/// The panels of a page, side by side and one below the other.
std::string panels_of(const Plot& plot, const std::string& name) {
  const auto n = static_cast<double>(plot.panels.size());
  const auto columns = static_cast<std::size_t>(std::ceil(std::sqrt(n)));
  const std::size_t rows = (plot.panels.size() + columns - 1) / columns;
  std::string out = fmt::format(
      "set key at screen 0.02, screen 0.93\nset label 1 {} at screen 0.02, screen 0.965 "
      "noenhanced\n"
      "set multiplot layout {},{} margins screen 0.06, 0.98, 0.1, 0.81 spacing screen 0.055, "
      "0.11\n",
      gp_string(plot.title), rows, columns);
  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    out += fmt::format("set title {} noenhanced offset 0,-0.8 textcolor rgb '#444444'\n",
                       gp_string(plot.panels[i]));
    out += i + columns < plot.panels.size()
               ? "unset xlabel\n"
               : fmt::format("set xlabel {} noenhanced offset 0,0.6 textcolor rgb '#444444'\n",
                             gp_string(plot.x_label));
    out += "plot " + items_of(plot, name, i, true) + "\n";
    if (i == 0) out += "unset key\nunset label 1\n";
  }
  return out + "unset multiplot\n";
}

/// The picture on both terminals.
std::string terminals(const Plot& plot, const std::string& name, bool key) {
  const bool page = !plot.panels.empty();
  const std::string picture =
      page ? panels_of(plot, name) : "plot " + items_of(plot, name, 0, key) + "\n";
  return fmt::format(R"(
set terminal svg size 960,540 dynamic rounded font 'sans-serif,{}' background '#ffffff'
set output {}
dot = 0.55
{}
if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {{
  set terminal pngcairo size 960,540 rounded font 'sans-serif,{}' background '#ffffff'
}} else {{
  set terminal png size 960,540 truecolor
}}
set output {}
dot = 0.9
{}set output
)",
                     page ? 11 : 15, gp_string(name + ".svg"), picture, page ? 9 : 11,
                     gp_string(name + ".png"), page ? picture : "replot\n");
}

}  // namespace

std::string gnuplot_script(const Plot& plot, const std::string& name) {
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
  if (plot.panels.empty())
    out += fmt::format("set tmargin at screen {}\nset rmargin 4\n", key ? 0.84 : 0.9);
  out += fmt::format(
      "set label 1 {} at graph 0, screen 0.955 noenhanced textcolor rgb "
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

  return out + terminals(plot, name, key);
}

}  // namespace tapestry::app
