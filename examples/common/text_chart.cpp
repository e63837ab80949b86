#include <fmt/format.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace tapestry::app {
namespace {

using Style = Series::Style;

// The palette of the pictures in the 256 colours of terminals; one glyph each where there are none.
constexpr std::array<int, 7> kAnsiColors{32, 166, 36, 175, 214, 75, 244};
constexpr std::array<const char*, 7> kGlyphs{"*", "+", "o", "x", "#", "@", "%"};
constexpr int kGray = 244;

/// Character cells; a cell shows a glyph or, in braille, 2 x 4 dots.
struct Canvas {
  struct Cell {
    std::string glyph;
    std::uint8_t dots = 0;
    int color = -1;  // index of 256, or none
  };

  int columns, rows;
  std::vector<Cell> cells;

  Canvas(int c, int r)
      : columns(c), rows(r), cells(static_cast<std::size_t>(c) * static_cast<std::size_t>(r)) {}

  Cell* at(int column, int row) {
    if (column < 0 || row < 0 || column >= columns || row >= rows) return nullptr;
    return &cells[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
                  static_cast<std::size_t>(column)];
  }

  void put(int column, int row, const std::string& glyph, int color) {
    if (Cell* cell = at(column, row)) *cell = {glyph, 0, color};
  }

  /// Sets the dot (x, y) of 2 columns x 4 rows dots in each cell.
  void dot(int x, int y, int color) {
    // Braille numbers its dots down the left column, then the right, the lowest pair last.
    constexpr std::uint8_t bits[4][2]{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    Cell* cell = x < 0 || y < 0 ? nullptr : at(x / 2, y / 4);
    if (!cell) return;
    if (cell->color != color) cell->dots = 0;
    cell->glyph.clear();
    cell->color = color;
    cell->dots = static_cast<std::uint8_t>(cell->dots | bits[y % 4][x % 2]);
  }

  std::string row_text(int row, bool use_color) {
    std::string out;
    int current = -1;
    for (int c = 0; c < columns; ++c) {
      const Cell& cell = *at(c, row);
      const bool empty = cell.dots == 0 && cell.glyph.empty();
      const int color = empty || !use_color ? -1 : cell.color;
      if (color != current) out += color < 0 ? "\x1b[0m" : fmt::format("\x1b[38;5;{}m", color);
      current = color;
      if (cell.dots) {  // U+2800 + dots
        out += "\xe2";
        out += static_cast<char>(0xa0 | (cell.dots >> 6));
        out += static_cast<char>(0x80 | (cell.dots & 0x3f));
      } else {
        out += empty ? " " : cell.glyph;
      }
    }
    if (current >= 0) out += "\x1b[0m";
    return out;
  }
};

/// Calls visit for the points of the straight line between two places, both included.
template <class Visit>
void walk(double x0, double y0, double x1, double y1, Visit&& visit) {
  const double steps = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1.0});
  for (int i = 0; i <= static_cast<int>(std::ceil(steps)); ++i) {
    const double t = std::min(i / steps, 1.0);
    visit(static_cast<int>(std::lround(x0 + t * (x1 - x0))),
          static_cast<int>(std::lround(y0 + t * (y1 - y0))));
  }
}

/// The least of 1, 2, 5 times a power of ten that is not below `least`.
double nice_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

struct Axis {
  double low = 0, high = 1;  // of the drawn range
  std::vector<double> ticks;
  double step = 1;

  double place(double value) const { return (value - low) / (high - low); }
};

void add_ticks(Axis& axis) {
  for (double k = std::ceil(axis.low / axis.step - 1e-9);
       k * axis.step <= axis.high + 1e-9 * axis.step; ++k)
    axis.ticks.push_back(k == 0 ? 0 : k * axis.step);
}

Axis month_axis(double low, double high, int columns) {
  Axis axis{low, high, {}, 1};
  for (const double step : {1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200}) {
    axis.step = step;
    const double label = step >= 12 ? 7 : 10;  // with room between
    if ((high - low) / step * label <= columns) break;
  }
  add_ticks(axis);
  return axis;
}

Axis number_axis(double low, double high, int ticks) {
  Axis axis{low, high, {}, nice_step((high - low) / std::max(ticks, 2))};
  add_ticks(axis);
  return axis;
}

std::string tick_text(const Axis& axis, double value) {
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  if (largest >= 1e13 || largest < 1e-4) return fmt::format("{:g}", value);
  constexpr std::array<std::pair<double, const char*>, 4> units{
      {{1e10, "G"}, {1e6, "M"}, {1e4, "k"}, {0, ""}}};
  for (const auto& [from, suffix] : units) {
    if (largest < from) continue;
    const double scale = suffix[0] == 'G'   ? 1e9
                         : suffix[0] == 'M' ? 1e6
                         : suffix[0] == 'k' ? 1e3
                                            : 1;
    const double step = axis.step / scale;
    const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
    return fmt::format("{:.{}f}{}", value / scale, decimals, value == 0 ? "" : suffix);
  }
  return "";
}

int text_width(std::string_view text) {  // in code points
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string centered(const std::string& text, int width) {
  return std::string(static_cast<std::size_t>(std::max((width - text_width(text)) / 2, 0)), ' ') +
         text;
}

/// What stays the same while one chart is drawn.
struct Chart {
  const Plot& plot;
  TextStyle style;
  Axis x, y;
  Canvas canvas;
  bool braille;

  double column(double value) const { return x.place(value) * (canvas.columns - 1); }
  double row(double value) const { return (1 - y.place(value)) * (canvas.rows - 1); }

  void draw_band(const Series& s) {
    for (int c = 0; c < canvas.columns; ++c) {
      const double at = x.low + (x.high - x.low) * c / std::max(canvas.columns - 1, 1);
      const auto after = std::lower_bound(s.x.begin(), s.x.end(), at);
      if (after == s.x.end() || (after == s.x.begin() && *after > at)) continue;
      const auto i = static_cast<std::size_t>(after - s.x.begin());
      const double share = i == 0 ? 1 : (at - s.x[i - 1]) / (s.x[i] - s.x[i - 1]);
      const auto between = [&](const std::vector<double>& v) {
        return i == 0 ? v[0] : v[i - 1] + share * (v[i] - v[i - 1]);
      };
      const double low = between(s.y), high = between(s.y_high);
      if (!std::isfinite(low) || !std::isfinite(high)) continue;
      for (int r = static_cast<int>(std::lround(row(high))); r <= std::lround(row(low)); ++r)
        canvas.put(c, r, style.utf8 ? "░" : ":", kGray);
    }
  }

  void draw_curve(const Series& s, std::size_t index) {
    const int color = kAnsiColors[index % kAnsiColors.size()];
    const std::string glyph = kGlyphs[index % kGlyphs.size()];
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!std::isfinite(s.y[i])) continue;
      const double x1 = column(s.x[i]), y1 = row(s.y[i]);
      const bool joined = s.style == Style::line && i > 0 && std::isfinite(s.y[i - 1]);
      const double x0 = joined ? column(s.x[i - 1]) : x1, y0 = joined ? row(s.y[i - 1]) : y1;
      if (s.style == Style::points && style.utf8)
        canvas.put(static_cast<int>(std::lround(x1)), static_cast<int>(std::lround(y1)), "•",
                   color);
      else if (braille)
        walk(2 * x0 + 0.5, 4 * y0 + 1.5, 2 * x1 + 0.5, 4 * y1 + 1.5,
             [&](int px, int py) { canvas.dot(px, py, color); });
      else
        walk(x0, y0, x1, y1, [&](int c, int r) { canvas.put(c, r, glyph, color); });
    }
  }

  void draw_marker(const Marker& m) {
    const int c = static_cast<int>(std::lround(column(m.x)));
    for (int r = 0; r < canvas.rows; ++r) canvas.put(c, r, style.utf8 ? "┊" : "|", kGray);
  }

  /// The label stands beside the top of its line, on the side where nothing is drawn.
  void label_marker(const Marker& m) {
    const int c = static_cast<int>(std::lround(column(m.x))), n = text_width(m.label);
    for (int r = 0; r < std::min(canvas.rows, 3); ++r)
      for (const int begin : {c + 2, c - 1 - n}) {
        bool free = begin >= 0 && begin + n <= canvas.columns;
        for (int i = 0; free && i < n; ++i) {
          const Canvas::Cell* cell = canvas.at(begin + i, r);
          free = cell->glyph.empty() && cell->dots == 0;
        }
        if (!free) continue;
        int at = begin - 1;
        for (const char byte : m.label)
          if ((static_cast<unsigned char>(byte) & 0xc0) == 0x80)
            canvas.at(at, r)->glyph += byte;
          else
            canvas.put(++at, r, std::string(1, byte), kGray);
        return;
      }
  }

  std::string legend(int width) const {
    std::string out;
    int used = 0;
    std::size_t curves = 0;
    for (const Series& s : plot.series) {
      std::string key = kGlyphs[curves % kGlyphs.size()];
      int color = kAnsiColors[curves % kAnsiColors.size()];
      if (s.style != Style::band) ++curves;
      if (s.style == Style::band) {
        key = style.utf8 ? "░" : ":";
        color = kGray;
      } else if (style.utf8 && s.style == Style::points) {
        key = "•";
      } else if (braille) {
        key = "━";
      }
      const int n = 1 + text_width(key) + text_width(s.name);
      if (used > 0 && used + 3 + n > width) {
        out += "\n";
        used = 0;
      }
      out += used > 0 ? "   " : "";
      used += (used > 0 ? 3 : 0) + n;
      out += style.color ? fmt::format("\x1b[38;5;{}m{}\x1b[0m {}", color, key, s.name)
                         : key + " " + s.name;
    }
    return out;
  }
};

}  // namespace

std::string text_chart(const Plot& plot, int width, int height, TextStyle style) {
  double x_low = HUGE_VAL, x_high = -HUGE_VAL, y_low = HUGE_VAL, y_high = -HUGE_VAL;
  for (const Series& s : plot.series) {
    require<ShapeError>(
        s.x.size() == s.y.size() && (s.style != Style::band || s.y_high.size() == s.y.size()),
        "text_chart: series '", s.name, "': x and y differ in length");
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      x_low = std::min(x_low, s.x[i]);
      x_high = std::max(x_high, s.x[i]);
      for (const std::vector<double>* v : {&s.y, &s.y_high})
        if (i < v->size() && std::isfinite((*v)[i])) {
          y_low = std::min(y_low, (*v)[i]);
          y_high = std::max(y_high, (*v)[i]);
        }
    }
  }
  if (!(y_low <= y_high)) return plot.title + "\n(nothing to draw)\n";
  if (y_low == y_high) {
    const double room = y_low == 0 ? 1 : std::abs(y_low) * 0.1;
    y_low -= room;
    y_high += room;
  }
  if (x_low == x_high) {
    x_low -= 1;
    x_high += 1;
  }
  width = std::clamp(width, 30, 200);
  height = std::clamp(height, 4, 100);
  const Axis y = number_axis(y_low, y_high, (height - 1) / 3);
  int margin = 0;
  for (const double tick : y.ticks) margin = std::max(margin, text_width(tick_text(y, tick)));
  const int columns = width - margin - 3;
  const bool months = plot.x_axis == Plot::Axis::month;
  const Axis x =
      months ? month_axis(x_low, x_high, columns) : number_axis(x_low, x_high, columns / 12);

  // Braille curves differ by colour only.
  const bool braille = style.utf8 && (style.color || plot.series.size() == 1);
  Chart chart{plot, style, x, y, Canvas(columns, height), braille};
  for (const Series& s : plot.series)
    if (s.style == Style::band) chart.draw_band(s);
  for (const Marker& m : plot.markers) chart.draw_marker(m);
  std::size_t curves = 0;
  for (const Series& s : plot.series)
    if (s.style != Style::band) chart.draw_curve(s, curves++);
  for (const Marker& m : plot.markers) chart.label_marker(m);

  std::string out = centered(plot.title, width) + "\n";
  if (!plot.y_label.empty()) out += plot.y_label + "\n";
  for (int r = 0; r < height; ++r) {
    std::string label;
    for (const double tick : y.ticks)
      if (std::lround(chart.row(tick)) == r) label = tick_text(y, tick);
    const bool tick = !label.empty();
    std::string line = fmt::format("{:>{}} {}", label, margin,
                                   style.utf8 ? (tick ? "┤" : "│") : (tick ? "+" : "|"));
    line += chart.canvas.row_text(r, style.color);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  std::vector<std::string> rule(static_cast<std::size_t>(columns), style.utf8 ? "─" : "-");
  std::string names(static_cast<std::size_t>(width), ' ');
  std::size_t names_end = 0;
  for (const double tick : x.ticks) {
    const auto c = static_cast<std::size_t>(std::lround(chart.column(tick)));
    if (c >= rule.size()) continue;
    rule[c] = style.utf8 ? "┬" : "+";
    const std::string name = !months        ? tick_text(x, tick)
                             : x.step >= 12 ? month_name(tick).substr(0, 4)
                                            : month_name(tick);
    const std::size_t middle = static_cast<std::size_t>(margin) + 2 + c;
    const std::size_t begin =
        std::min(middle - std::min(middle, name.size() / 2), names.size() - name.size());
    if (begin < names_end) continue;
    names.replace(begin, name.size(), name);
    names_end = begin + name.size() + 1;
  }
  out += std::string(static_cast<std::size_t>(margin) + 1, ' ') + (style.utf8 ? "└" : "+") +
         join(rule, "") + "\n";
  out += names.substr(0, names.find_last_not_of(' ') + 1) + "\n";
  if (!plot.x_label.empty()) out += centered(plot.x_label, width) + "\n";
  if (plot.series.size() > 1) out += chart.legend(width) + "\n";
  return out;
}

}  // namespace tapestry::app
