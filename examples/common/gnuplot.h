#pragma once
// The gnuplot script of a Plot.

#include <tapestry/examples/common/plot.h>

namespace tapestry::app {

/// Draws NAME.svg and NAME.png (960 x 540) from NAME.csv, run in their directory.
std::string gnuplot_script(const Plot& plot, const std::string& name);

}  // namespace tapestry::app
