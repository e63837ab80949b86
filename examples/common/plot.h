#pragma once
// Pictures of curves without a plotting library: a Plot says what to draw; write_plot() leaves the
// numbers (NAME.csv) and a gnuplot script (NAME.gp) that anyone can edit and run again, and runs it
// where gnuplot is installed; text_chart() draws the same in characters. Colours are those of Okabe
// and Ito (2008), which people with colour vision deficiencies tell apart.
//
// A y that is not finite leaves a gap. On a month axis x counts months, see month_number().

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::app {

struct Series {
  enum class Style { line, points, band };

  std::string name;
  std::vector<double> x, y;
  std::vector<double> y_high = {};  ///< upper edge of a band whose lower edge is y
  /// A band takes the colour of the next line or points, mixed with white.
  Style style = Style::line;
  double shade = 0.2;     ///< of a band: the share of the colour
  std::size_t panel = 0;  ///< of a plot that has panels
};

/// A vertical line across the plot, such as the end of the training data.
struct Marker {
  double x = 0;
  std::string label;
};

/// Words beside a point.
struct Label {
  double x = 0, y = 0;
  std::string text;
};

struct Plot {
  enum class Axis { number, month, logarithmic };  // the text chart draws the last as a number

  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Marker> markers = {};
  std::vector<Label> labels = {};
  Axis x_axis = Axis::number;
  bool y_from_zero = false;  ///< for shares, whose height means something
  /// Titles of small plots on one page, which have x axis and markers in common and each a y axis
  /// of its own; the names of the first one's series are the page's key. Empty: one plot. Text
  /// charts show the first.
  std::vector<std::string> panels = {};
};

/// "1949-01" -> months since January of year 0; throws ValueError on anything else.
double month_number(std::string_view text);
/// The inverse, "1949-01".
std::string month_name(double month);
/// A place on the plot's x axis in words: a number, or a month.
std::string x_text(const Plot& plot, double x);

struct PlotFiles {
  std::vector<std::filesystem::path> written;  ///< csv, gp, and, when gnuplot ran, svg and png
  std::string warning;  ///< why there is no picture; empty when there is one or no gnuplot
};

/// Writes `stem`.csv and `stem`.gp and, when gnuplot is on PATH, `stem`.svg and `stem`.png (960 x
/// 540). Throws UserError when the first two cannot be written.
PlotFiles write_plot(const Plot& plot, const std::filesystem::path& stem);

/// The whole chart with title, axes and legend in `width` columns and `height` rows of curve.
struct TextStyle {
  bool utf8 = false;
  bool color = false;
};
std::string text_chart(const Plot& plot, int width, int height, TextStyle style = {});

/// Prints the paths of the pictures at `stem`, their numbers and their script, one a line.
void print_files(const std::filesystem::path& stem);

/// Leaves the picture at `stem`; shows it in characters on stderr where somebody looks, or where
/// there is no other picture. `program` begins the warning when gnuplot fails.
void draw(const Plot& plot, const std::filesystem::path& stem, const char* program, bool quiet);

}  // namespace tapestry::app
