// The rules of the house that a program can check: who may include whom, the sizes of files and
// functions, that x.h is implemented in x.cpp, and who may name what.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "source_scan.h"

using namespace tapestry::testing;

namespace {

namespace fs = std::filesystem;

// Each room may include itself and those before it. A room is a folder, or files whose names begin
// like this; the longest that fits counts.
const std::vector<std::string> kRooms = {
    "tensor/kernels/", "tensor/", "tensor/softmax/",  //
    "autograd/", "autograd/ops",                      //
    "nn/", "optim/", "optim/server/", "mpi/",         //
    "examples/common/", "examples/models/",
    // lm
    "examples/lm/text/", "examples/lm/model/", "examples/lm/settings", "examples/lm/config",
    "examples/lm/presets", "examples/lm/run", "examples/lm/train_options", "examples/lm/training/",
    "examples/lm/ngram/", "examples/lm/experiments/", "examples/lm/commands.h",
    "examples/lm/commands/", "examples/lm/",
    // airline
    "examples/airline/parallel", "examples/airline/series/", "examples/airline/methods/",
    "examples/airline/panel/", "examples/airline/settings", "examples/airline/config",
    "examples/airline/chosen", "examples/airline/scores/", "examples/airline/panel/panel_",
    "examples/airline/versions/", "examples/airline/device/", "examples/airline/",
    "examples/airline/commands/"};
// What does not keep to it yet; a test says which of these are true no more.
const std::set<std::pair<std::string, std::string>> kUpward = {
    {"examples/airline/series/timeline.h", "examples/airline/run.h"},
    {"examples/lm/run.cpp", "examples/lm/training/checkpoint.h"},
    {"examples/lm/text/data.cpp", "examples/lm/training/checkpoint.h"},
    {"examples/lm/text/data.h", "examples/lm/settings.h"},
    {"examples/lm/text/stream.h", "examples/lm/model/batch.h"}};

constexpr size_t kLinesOfFile = 350, kLinesOfFunction = 60;
const std::vector<std::pair<std::string, std::string>> kLongFunctions = {
    {"examples/common/plot.cpp", "gp_of("}, {"examples/common/text_chart.cpp", "text_chart("}};
// Members defined outside of their header's own source.
const std::set<std::pair<std::string, std::string>> kElsewhere = {
    {"tensor/softmax/forward.cpp", "Chunk"}, {"tensor/softmax/backward.cpp", "Chunk"}};

size_t rank(const std::string& path) {
  size_t best = kRooms.size(), length = 0;
  for (size_t i = 0; i < kRooms.size(); ++i)
    if (path.starts_with(kRooms[i]) && kRooms[i].size() > length) {
      best = i;
      length = kRooms[i].size();
    }
  return best;
}

/// Why `path` may not include `other` ("<tapestry/nn/rnn.h>"); empty if it may.
std::string objection(const std::string& path, const std::string& other) {
  if (other.starts_with("\""))
    return path.starts_with("examples/models/") ? "" : "user includes name their layer";
  if (!other.starts_with("<tapestry/")) return "";
  const std::string to = other.substr(10, other.size() - 11);
  if (rank(to) == kRooms.size()) return "is in no room";
  const bool own = path.starts_with("tensor/kernels/") || path == "tensor/softmax/workspace.h";
  if (to.starts_with("tensor/kernels/") && !own && !path.ends_with(".cpp"))
    return "kernels are included by sources only";
  if (rank(to) <= rank(path) || kUpward.contains({path, to})) return "";
  return "is in a later room";
}

/// Path and text of every source of library and programs.
const std::map<std::string, std::string>& sources() {
  static const auto all = [] {
    std::map<std::string, std::string> out;
    for (const char* folder : {"tensor", "autograd", "nn", "optim", "mpi", "examples"})
      for (const auto& entry :
           fs::recursive_directory_iterator(fs::path(TAPESTRY_SOURCE_DIR) / folder))
        if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp") {
          std::ifstream in(entry.path());
          out[fs::relative(entry.path(), TAPESTRY_SOURCE_DIR).string()] =
              std::string(std::istreambuf_iterator<char>(in), {});
        }
    return out;
  }();
  return all;
}

bool library(const std::string& path) { return !path.starts_with("examples/"); }

}  // namespace

TEST_CASE("a file includes its own room and earlier ones") {
  CHECK(sources().size() > 150);
  std::set<std::pair<std::string, std::string>> upward;
  for (const auto& source : sources())
    for (const std::string& other : includes_of(source.second)) {
      const std::string& path = source.first;
      const std::string why = objection(path, other);
      CHECK_MESSAGE(why.empty(), path, " includes ", other, ": ", why);
      const std::string to = other.substr(std::min<size_t>(10, other.size()));
      upward.insert({path, to.substr(0, to.find('>'))});
    }
  for (const auto& known : kUpward)
    if (!upward.contains(known))
      MESSAGE("kUpward: ", known.first, " no longer includes ", known.second);
}

TEST_CASE("no file includes itself, over whatever way") {
  std::map<std::string, int> seen;  // 1: being walked, 2: done
  std::vector<std::string> way;
  const std::function<void(const std::string&)> walk = [&](const std::string& path) {
    const auto found = sources().find(path);
    if (found == sources().end() || seen[path] == 2) return;
    CHECK_MESSAGE(seen[path] == 0, path, " includes itself, by way of ", way.back());
    if (seen[path] == 1) return;
    seen[path] = 1;
    way.push_back(path);
    for (const std::string& other : includes_of(found->second))
      if (other.starts_with("<tapestry/")) walk(other.substr(10, other.size() - 11));
    way.pop_back();
    seen[path] = 2;
  };
  for (const auto& [path, text] : sources()) walk(path);
}

TEST_CASE("files and functions are short, and headers guard and explain themselves") {
  for (const auto& source : sources()) {
    const std::string &path = source.first, &text = source.second;
    CAPTURE(path);
    const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    CHECK(lines <= kLinesOfFile);
    if (path.ends_with(".h")) CHECK(text.starts_with("#pragma once\n//"));
    for (const Function& f : functions_of(text)) {
      CAPTURE(f.header);
      CAPTURE(f.line);
      const bool known = std::any_of(kLongFunctions.begin(), kLongFunctions.end(), [&](auto& k) {
        return k.first == path && f.header.find(k.second) != std::string::npos;
      });
      if (known && f.lines <= kLinesOfFunction)
        MESSAGE("kLongFunctions: ", path, ": ", f.header, " is short now");
      if (!known) CHECK(f.lines <= kLinesOfFunction);
    }
  }
}

TEST_CASE("members of a class of x.h are defined in x.cpp") {
  for (const auto& source : sources()) {
    const std::string &path = source.first, &text = source.second;
    if (!path.ends_with(".cpp")) continue;
    const auto header = sources().find(path.substr(0, path.size() - 4) + ".h");
    for (const std::string& name : classes_implemented(text)) {
      const bool here = declares_class(text, name) ||
                        (header != sources().end() && declares_class(header->second, name)) ||
                        kElsewhere.contains({path, name});
      CHECK_MESSAGE(here, path, " defines members of ", name,
                    ", which its header does not declare");
    }
  }
}

TEST_CASE("only optim/server speaks of servers") {
  const std::set<std::string> concepts = {"Worker",  "worker",    "workers",   "ParameterServer",
                                          "Server",  "server",    "Shard",     "shard",
                                          "shards",  "staleness", "Staleness", "hogwild",
                                          "replica", "replicas",  "ssp"};
  for (const auto& source : sources()) {
    const std::string &path = source.first, &text = source.second;
    if (!library(path) || path.starts_with("optim/server/") || path.starts_with("mpi/")) continue;
    for (const std::string& word : words_of(text))
      CHECK_MESSAGE(!concepts.contains(word), path, " names ", word);
  }
}

TEST_CASE("the tape names no op") {
  std::set<std::string> ops;
  static const std::regex recorded(R"rx(record(_all)?\(\s*"(\w+)")rx");
  for (const auto& source : sources()) {
    const std::string &path = source.first, &text = source.second;
    if (!path.starts_with("autograd/ops/")) continue;
    const std::string code = code_of(text, true);
    for (std::sregex_iterator i(code.begin(), code.end(), recorded), end; i != end; ++i)
      ops.insert((*i)[2]);
  }
  CHECK(ops.size() > 30);
  for (const auto& source : sources()) {
    const std::string &path = source.first, &text = source.second;
    if (!path.starts_with("autograd/") || path.starts_with("autograd/ops")) continue;
    for (const std::string& string : strings_of(text))
      CHECK_MESSAGE(!ops.contains(string), path, " names the op ", string);
    for (const std::string& word : words_of(text))
      CHECK_MESSAGE(!(ops.contains(word) && word.find('_') != std::string::npos), path,
                    " names the op ", word);
  }
}

TEST_CASE("the scanners find what they look for") {
  CHECK(objection("autograd/tape.h", "<tapestry/tensor/tensor.h>").empty());
  CHECK(objection("autograd/tape.h", "<vector>").empty());
  CHECK_FALSE(objection("autograd/tape.h", "<tapestry/nn/linear.h>").empty());
  CHECK_FALSE(objection("autograd/tape.h", "<tapestry/autograd/ops/matmul.h>").empty());
  CHECK_FALSE(objection("autograd/tape.h", "<tapestry/autograd/ops.h>").empty());
  CHECK(objection("nn/linear.h", "<tapestry/autograd/ops.h>").empty());
  CHECK_FALSE(objection("optim/optimizer.cpp", "<tapestry/optim/server/worker.h>").empty());
  CHECK(objection("tensor/matmul.cpp", "<tapestry/tensor/kernels/simd.h>").empty());
  CHECK_FALSE(objection("tensor/matmul.h", "<tapestry/tensor/kernels/simd.h>").empty());
  CHECK_FALSE(objection("nn/linear.h", "\"init.h\"").empty());
  CHECK_FALSE(objection("nn/linear.h", "<tapestry/elsewhere/init.h>").empty());
  CHECK(includes_of("// #include <a>\n  #  include <b>\n#include \"c\"\n/* #include <d> */") ==
        std::vector<std::string>{"<b>", "\"c\""});

  const auto found = functions_of(
      "#define F(x) { x\nnamespace a {\nstruct S {\n  int f() const {\n    return g({1, 2});\n  }\n"
      "  int m = 3;\n};\ntemplate <class T, class U = V<T>>\nvoid h(T x) {\n  if (x) {\n    y();\n"
      "  }\n}\nconst int k[] = {1};\nenum class E { a, b };\nS::S(int i)\n    : m(i) {}\n}  // }\n"
      "void last() { const char* s = \"{\"; }\n");
  REQUIRE(found.size() == 4);
  CHECK(found[0].lines == 3);
  CHECK(found[0].line == 4);
  CHECK(found[1].lines == 6);
  CHECK(found[2].lines == 2);
  CHECK(found[3].lines == 1);

  CHECK(classes_implemented("void Tape::run() {}\nint f(Var v) { return Var::g(v); }\n"
                            "Tape::Tape() : a(1) {}\nNode::Inner Node::make(int i) { }") ==
        std::set<std::string>{"Node", "Tape"});
  CHECK(declares_class("class Tape : X {", "Tape"));
  CHECK_FALSE(declares_class("// class Tape", "Tape"));
  CHECK(words_of("int a; // b\nf(\"c\", 'd')") == std::set<std::string>{"a", "f", "int"});
  CHECK(strings_of("f(\"a b\", x) // \"c\"\n") == std::set<std::string>{"a b"});
}
