// The commands of lm as a user meets them: what they print where, what they leave on disk, and the
// message and exit code of every kind of bad input.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

using namespace tapestry;
using namespace tapestry::lm;
using namespace std::literals;
namespace fs = std::filesystem;

namespace {

/// A directory that is the working directory while the object lives, and then goes away.
struct Sandbox {
  fs::path before = fs::current_path(), path;
  Sandbox() {
    std::string name = (fs::temp_directory_path() / "lm_commands_test-XXXXXX").string();
    path = mkdtemp(name.data());
    fs::current_path(path);
  }
  ~Sandbox() {
    fs::current_path(before);
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
void write(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// File descriptor `fd` is the file at `path` while the object lives.
class Redirected {
 public:
  Redirected(int fd, const fs::path& path, int flags) : fd_(fd), saved_(dup(fd)) {
    const int file = open(path.c_str(), flags, 0600);
    REQUIRE(file >= 0);
    dup2(file, fd);
    close(file);
  }
  ~Redirected() {
    dup2(saved_, fd_);
    close(saved_);
  }

 private:
  int fd_, saved_;
};

struct Ended {
  int code;
  std::string out, err;
};

/// Runs `lm ARGUMENTS...` in this process with `in` as its standard input.
Ended lm_command(std::vector<const char*> arguments, std::string_view in = "") {
  static const fs::path files = fs::temp_directory_path() / ("lm_std-" + std::to_string(getpid()));
  fs::create_directories(files);
  write(files / "in", in);
  arguments.insert(arguments.begin(), "lm");
  std::fflush(stdout);
  Ended ended{};
  {
    const int create = O_WRONLY | O_CREAT | O_TRUNC;
    const Redirected input(STDIN_FILENO, files / "in", O_RDONLY);
    const Redirected output(STDOUT_FILENO, files / "out", create);
    const Redirected errors(STDERR_FILENO, files / "err", create);
    std::clearerr(stdin);
    std::cin.clear();
    ended.code = app::run_main("lm", [&] { return command_line(arguments); });
    std::fflush(stdout);
  }
  ended.out = contents(files / "out"), ended.err = contents(files / "err");
  fs::remove_all(files);
  return ended;
}

std::vector<std::string> lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A small trained model in `run`.
Ended train_small(std::vector<const char*> more = {}) {
  std::vector<const char*> words = {"train",   "--preset", "demo",     "--size", "400",
                                    "--batch", "4",        "--epochs", "2",      "--hidden",
                                    "16",      "-o",       "run"};
  words.insert(words.end(), more.begin(), more.end());
  return lm_command(words);
}

}  // namespace

TEST_CASE("a short demo lowers the loss and leaves a whole run behind") {
  const Sandbox sandbox;
  const Ended ended = train_small();
  REQUIRE_MESSAGE(ended.code == 0, ended.err);
  CHECK(has(ended.err, "above the floor"));
  CHECK(has(ended.err, "entropy 1.7540"));
  CHECK_FALSE(has(ended.err, "\x1b"));
  CHECK_FALSE(has(ended.err, "\r"));
  CHECK(has(ended.out, "held-out loss"));
  CHECK(lines(ended.out).size() == 3 + 1 + 5 + 1);  // results, heading, five sentences, run

  for (const char* name :
       {"config.json", "vocab.txt", "best", "last", "metrics.csv", "metrics.jsonl", "results.json",
        "run.json", "learning_curve.csv", "learning_curve.gp"})
    CHECK_MESSAGE(fs::exists(fs::path("run") / name), name);
  const auto results = app::Json::parse(contents("run/results.json"));
  const auto floor = results.at("floor").get<double>();
  const auto loss = results.at("valid_loss").get<double>();
  CHECK(floor > 1.6);
  CHECK(floor < 1.9);
  CHECK(loss < 3.5);  // ln V is 4.7
  CHECK(loss > floor);
  CHECK(lines(contents("run/metrics.csv")).size() ==
        lines(contents("run/metrics.jsonl")).size() + 1);

  const Ended json = train_small({"--json", "--quiet", "--overwrite"});
  CHECK(json.code == 0);
  CHECK(json.err.empty());
  CHECK(app::Json::parse(json.out).at("valid_loss").get<double>() == loss);  // and reproducible
}

TEST_CASE("eval, score, sample and info read the run that train has left") {
  const Sandbox sandbox;
  REQUIRE(train_small({"--dtype", "double"}).code == 0);

  SUBCASE("score prints one line for each line, also for empty and bad ones") {
    const std::string text =
        "the dog sleeps .\n\n  \t \nbad \xff byte\n<s>\nnul \0 here\r\nzebra\nthe dog sleeps ."s;
    const Ended ended = lm_command({"score", "run", "--unit", "ln"}, text);
    CHECK(ended.code == 0);
    const auto scores = lines(ended.out);
    CHECK(scores.size() == lines(text).size());
    REQUIRE(scores.size() == 8);
    for (const size_t bad : {1u, 2u, 3u, 4u, 5u}) CHECK(scores[bad] == "NA");
    CHECK(std::stod(scores[0]) < 0);
    CHECK(scores.front() == scores.back());
    CHECK(has(ended.err, "warning"));
    write("t.txt", text);
    CHECK(lm_command({"score", "run", "t.txt", "--unit", "ln"}).out == ended.out);
    const double ln = std::stod(scores[0]);
    const auto in_unit = [&](const char* unit) {
      return std::stod(lines(lm_command({"score", "run", "--unit", unit}, text).out)[0]);
    };
    CHECK(in_unit("log10") == doctest::Approx(ln / std::log(10)).epsilon(1e-5));
    CHECK(in_unit("bits") == doctest::Approx(ln / std::log(2)).epsilon(1e-5));
    CHECK(lm_command({"score", "run"}, "").out.empty());
  }
  SUBCASE("the scores of a text add up to its loss") {
    REQUIRE(lm_command({"synth", "--size", "30", "--seed", "9", "-o", "t.txt"}).code == 0);
    double total = 0;
    for (const auto& line : lines(lm_command({"score", "run", "t.txt", "--unit", "ln"}).out))
      total -= std::stod(line);
    const auto eval = app::Json::parse(lm_command({"eval", "run", "t.txt", "--json"}).out);
    CHECK(total == doctest::Approx(eval.at("loss").get<double>() * eval.at("tokens").get<double>())
                       .epsilon(1e-6));
    const auto at = [&](const char* batch) {
      return app::Json::parse(lm_command({"eval", "run", "t.txt", "--json", "--batch", batch}).out)
          .at("loss")
          .get<double>();
    };
    CHECK(std::abs(at("1") - at("13")) < 1e-9);
  }
  SUBCASE("samples are reproducible, and sentence i does not depend on how many follow") {
    const Ended five = lm_command({"sample", "run"}), same = lm_command({"sample", "run"});
    CHECK(five.code == 0);
    CHECK(lines(five.out).size() == 5);
    CHECK(five.out == same.out);
    CHECK(lm_command({"sample", "run", "--seed", "2"}).out != five.out);
    const auto ten = lines(lm_command({"sample", "run", "--n", "10"}).out);
    CHECK(std::vector(ten.begin(), ten.begin() + 5) == lines(five.out));
    const auto best = lines(lm_command({"sample", "run", "--temperature", "0"}).out);
    CHECK(best == lines(lm_command({"sample", "run", "--top-k", "1", "--seed", "7"}).out));
    CHECK(best == lines(lm_command({"sample", "run", "--temperature", "1e-9"}).out));
    CHECK(std::set(best.begin(), best.end()).size() == 1);
  }
  SUBCASE("a prompt begins every sentence, its unknown words are named") {
    const Ended ended = lm_command({"sample", "run", "--prompt", "so the zebra", "--n", "2"});
    CHECK(ended.code == 0);
    for (const std::string& line : lines(ended.out)) CHECK(line.starts_with("so the <unk>"));
    CHECK(has(ended.err, "'zebra'"));
  }
  SUBCASE("info tells what the run is") {
    const Ended ended = lm_command({"info", "run"});
    CHECK(ended.code == 0);
    CHECK(has(ended.out, "lstm 1 x 16"));
    CHECK(has(ended.out, "rnn.cells.0.w_hh"));
    CHECK(has(ended.out, "agreement"));
    CHECK(has(ended.out, "held-out loss"));
    fs::remove("run/results.json");
    CHECK(has(lm_command({"info", "run"}).out, "has not ended"));
  }
}

TEST_CASE("synth writes the sentences that train draws and tells their floor") {
  const Sandbox sandbox;
  const Ended out = lm_command({"synth", "--size", "400"});
  CHECK(out.code == 0);
  CHECK(lines(out.out).size() == 400);
  CHECK(has(out.err, "entropy 1.7540"));
  CHECK(lm_command({"synth", "--size", "400", "-o", "t.txt"}).out.empty());
  CHECK(contents("t.txt") == out.out);
  REQUIRE(train_small({"--valid-split", "0"}).code == 0);
  const auto drawn = contents("run/vocab.txt");
  CHECK(lm_command({"train", "t.txt", "--hidden", "4", "--epochs", "1", "--valid-split", "0", "-o",
                    "other", "-q"})
            .code == 0);
  CHECK(contents("other/vocab.txt") == drawn);
  const Ended zipf = lm_command({"synth", "--corpus", "zipf", "--types", "50", "--size", "20"});
  CHECK(lines(zipf.out).size() == 20);
}

TEST_CASE("gradcheck names every parameter, passes, and has an exit code of its own for failure") {
  const Ended good = lm_command(
      {"gradcheck", "--cell", "lstm", "--sentences", "2", "--elements", "3", "--hidden", "4"});
  CHECK(good.code == 0);
  CHECK(has(good.out, "rnn.cells.0.w_hh"));
  CHECK(has(good.out, "passed"));
  const Ended bad = lm_command(
      {"gradcheck", "--sentences", "2", "--elements", "3", "--hidden", "4", "--tolerance", "0"});
  CHECK(bad.code == 11);
  CHECK(has(bad.out, "FAILED"));
}

TEST_CASE("each bad input has its exit code and one line that names culprit and remedy") {
  const Sandbox sandbox;
  REQUIRE(train_small().code == 0);
  write("reserved.txt", "a b\nc <s> d\n");
  write("word.txt", "word\n");
  write("file", "x");
  fs::create_directories("hollow");
  fs::create_directories("broken");
  write("broken/config.json", "{}");
  write("broken/ckpt-000001.safetensors", "not a checkpoint");

  struct Case {
    std::vector<const char*> words;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {{"train"}, 2, "no text to train on"},
      {{"train", "--corpus", "agreement", "file"}, 2, "exclude each other"},
      {{"train", "--corpus", "agrement"}, 2, "did you mean agreement"},
      {{"train", "--corpus", "zipf", "--valid", "file"}, 2, "--valid belongs to files"},
      {{"train", "--tied", "file"}, 2, "--embed 100"},
      {{"train", "--preset", "dem", "file"}, 2, "did you mean demo"},
      {{"train", "--bptt-mode", "chunk", "--bptt", "0", "file"}, 2, "at least 1"},
      {{"train", "reserved.txt"}, 65, "reserved.txt:2:3"},
      {{"eval", "broken", "word.txt"}, 65, "input.files: is missing"},
      {{"score", "run", "missing.txt"}, 66, "missing.txt"},
      {{"score", "run", "hollow"}, 66, "hollow"},
      {{"score", "run", "--unit", "log2"}, 2, "--unit"},
      {{"sample", "run", "--temperature", "-1"}, 2, "--temperature"},
      {{"sample", "run", "--top-p", "0"}, 2, "--top-p"},
      {{"sample", "run", "--prompt", "a </s>"}, 2, "'</s>'"},
      {{"sample", "run", "--min-length", "9", "--length", "8"}, 2, "--min-length 9"},
      {{"info", "nowhere"}, 66, "nowhere"},
      {{"synth", "--corpus", "penn"}, 2, "--corpus"},
      {{"synth", "-o", "file/x"}, 73, "file/x"},
  };
  for (const Case& c : cases) {
    std::string command = "lm";
    for (const char* word : c.words) command += std::string(" ") + word;
    CAPTURE(command);
    const Ended ended = lm_command(c.words);
    CAPTURE(ended.err);
    CHECK(ended.code == c.code);
    CHECK(has(ended.err, c.message));
    CHECK(ended.err.starts_with("lm: "));
    CHECK(ended.out.empty());
    CHECK(lines(ended.err).size() <= 2);  // the error and at most one hint
  }
  CHECK(
      lm_command({"train", "word.txt", "--hidden", "4", "--epochs", "1", "-q", "-o", "one"}).code ==
      0);  // one word is a text
}
