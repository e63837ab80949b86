#pragma once
// What --version prints.

#include <string>

namespace tapestry::app {

/// Program, version, compiler, flags, and the BLAS in use.
std::string version(const std::string& program);

}  // namespace tapestry::app
