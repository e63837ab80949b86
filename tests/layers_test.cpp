#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Each layer may include itself and those before it.
constexpr std::array<std::string_view, 5> kLayers = {"tensor", "autograd", "nn", "optim",
                                                     "examples"};
constexpr int kMostLines = 350;

size_t rank(std::string_view layer) {
  return static_cast<size_t>(std::find(kLayers.begin(), kLayers.end(), layer) - kLayers.begin());
}

/// The lines of `source`, a file of `layer`, that include a later layer, or a layer by another
/// path.
std::vector<std::string> upward_includes(std::string_view layer, std::istream& source) {
  std::vector<std::string> out;
  for (std::string line; std::getline(source, line);) {
    std::string_view rest = line;
    const auto skip = [&](std::string_view text) {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      if (!rest.starts_with(text)) return false;
      rest.remove_prefix(text.size());
      return true;
    };
    if (!skip("#") || !skip("include")) continue;
    if (skip("<tapestry/")) {
      const size_t other = rank(rest.substr(0, rest.find('/')));
      if (other == kLayers.size() || other > rank(layer)) out.push_back(line);
    } else if (skip("\"")) {
      out.push_back(line);  // user includes name their layer
    }
  }
  return out;
}

struct File {
  fs::path path;
  std::string layer;
};
std::vector<File> sources() {
  std::vector<File> out;
  for (const std::string_view layer : kLayers)
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(TAPESTRY_SOURCE_DIR) / layer))
      if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp")
        out.push_back({entry.path(), std::string(layer)});
  return out;
}

}  // namespace

TEST_CASE("a file never includes a later layer") {
  for (const File& file : sources()) {
    std::ifstream in(file.path);
    for (const std::string& line : upward_includes(file.layer, in))
      FAIL_CHECK(file.path.string(), " of layer ", file.layer, ": ", line);
  }
  CHECK(sources().size() > 40);
}

TEST_CASE("the include scan finds upward includes") {
  const auto count = [](std::string_view layer, const char* text) {
    std::istringstream in(text);
    return upward_includes(layer, in).size();
  };
  CHECK(count("autograd", "#include <tapestry/tensor/tensor.h>\n#include <vector>\n") == 0);
  CHECK(count("autograd", "#include <tapestry/autograd/var.h>\n// #include <tapestry/nn/x.h>") ==
        0);
  CHECK(count("autograd", "#pragma once\n#include <tapestry/nn/linear.h>\n") == 1);
  CHECK(count("tensor", "  #  include <tapestry/examples/lm/text/text.h>") == 1);
  CHECK(count("nn", "#include <tapestry/optim/sgd.h>\n#include <tapestry/autograd/ops.h>\n") == 1);
  CHECK(count("optim", "#include <tapestry/elsewhere/x.h>\n") == 1);
  CHECK(count("nn", "#include \"linear.h\"\n") == 1);
  CHECK(count("examples", "#include <tapestry/optim/sgd.h>\n") == 0);
}

TEST_CASE("every header is short and guards itself") {
  for (const File& file : sources()) {
    if (file.path.extension() != ".h") continue;
    CAPTURE(file.path.string());
    std::ifstream in(file.path);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    CHECK(std::count(text.begin(), text.end(), '\n') <= kMostLines);
    CHECK(text.starts_with("#pragma once\n//"));
  }
}
