// What the example programs share: errors and exit codes, options, progress, run directories,
// plots.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/common/terminal.h>
#include <tapestry/tensor/error.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>
#include <thread>

#include <doctest/doctest.h>

#include "sanitizers.h"
#include "text_files.h"

using namespace tapestry;
using namespace tapestry::app;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Ended {
  int code;  // exit code, or minus the signal
  std::string out, err;
};

/// Runs `body` in a child process. Its stdout goes to `out_path` when that is given.
Ended in_child(const std::function<int()>& body, const char* out_path = nullptr) {
  const TemporaryDirectory scratch;
  const std::string out = scratch.path / "out", err = scratch.path / "err";
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // The test framework's own handlers would take a signal for a failed test.
    for (const int number : {SIGABRT, SIGPIPE, SIGTERM, SIGSEGV}) signal(number, SIG_DFL);
    const int o = open(out_path ? out_path : out.c_str(), O_WRONLY | O_CREAT, 0600);
    const int e = open(err.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(o, STDOUT_FILENO);
    dup2(e, STDERR_FILENO);
    const int code = body();
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          out_path ? "" : contents(out), contents(err)};
}

Ended run_throwing(const std::function<void()>& thrower) {
  return in_child([&] {
    return run_main("lm", [&] {
      thrower();
      return ExitCode::ok;
    });
  });
}

/// The UserError that `body` throws.
template <class Body>
UserError thrown(Body&& body) {
  try {
    body();
  } catch (const UserError& error) {
    return error;
  }
  FAIL("no UserError was thrown");
  return {ExitCode::ok, ""};
}

/// A program with two commands, and what its command line said.
struct Program {
  std::int64_t hidden = 100;
  double lr = 0.1, dropout = 0;
  bool lower = false;
  std::string output, run;
  std::vector<std::string> files;
  CommonOptions common;
  std::unique_ptr<Command> app = make_app("lm", "Trains language models.", "lm 1.2.3");
  Command* train = nullptr;

  Program() {
    train = app->add_subcommand("train", "train a model");
    train->add_option("FILE", files, "text to learn from");
    train->add_option("--hidden", hidden, "units in a layer")->check(whole_number(1, 4096));
    train->add_option("--lr", lr, "learning rate")
        ->check(number(0, std::numeric_limits<double>::infinity(), Ends::open_low));
    train
        ->add_option("--dropout", dropout,
                     "share of units dropped while training, so that the "
                     "others do not come to rely on them")
        ->check(number(0, 1, Ends::open_high));
    train->add_option("-o,--output", output, "run directory");
    train->add_flag("--lower", lower, "lower-case the text");
    add_common_options(*train, common);
    app->add_subcommand("info", "describe a run")
        ->add_option("RUN", run, "run directory")
        ->required();
  }

  bool operator()(std::vector<const char*> args) {
    args.insert(args.begin(), "lm");
    return parse(*app, static_cast<int>(args.size()), args.data());
  }
};

/// The message of the usage error that these words lead to.
std::string usage_error(std::vector<const char*> args) {
  const UserError error = thrown([&] { Program()(std::move(args)); });
  CHECK(error.code() == ExitCode::usage);
  CHECK(error.hint().find("--help") != std::string::npos);
  return error.what();
}

/// A Progress that writes to a file and whose clock the test moves.
struct Watched {
  double now = 1000;
  std::FILE* file = std::tmpfile();
  std::optional<Progress> progress;

  explicit Watched(ProgressMode mode, double total = 1000, double done = 0, bool quiet = false) {
    ProgressSettings settings;
    settings.mode = mode;
    settings.quiet = quiet;
    settings.out = file;
    settings.clock = [this] { return now; };
    progress.emplace(total, settings, done);
  }
  ~Watched() {
    progress.reset();
    std::fclose(file);
  }
  void at(double seconds, double done) {
    now = 1000 + seconds;
    progress->update(done, [] { return status(); });
  }
  static Status status() {
    return {"epoch 2/10", std::nullopt, "step 7", {"loss 5.213", "ppl 183.6"}};
  }
  std::string text() const {
    std::fflush(file);
    const long end = std::ftell(file);
    std::string out(static_cast<std::size_t>(end), '\0');
    std::rewind(file);
    REQUIRE(std::fread(out.data(), 1, out.size(), file) == out.size());
    return out;
  }
};

Plot small_plot() {
  Plot plot;
  plot.title = "It's a test";
  plot.x_label = "tokens";
  plot.y_label = "loss";
  plot.series = {{"training", {0, 1, 2, 3, 4}, {5, 4, 3, 2, 1}},
                 {"held-out", {0, 2, 4}, {1, 1, 1}, {}, Series::Style::points}};
  return plot;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

// --- errors and exit codes ---

TEST_CASE("every exception ends in a named message and its documented exit code") {
  const auto check = [](const std::function<void()>& thrower, int code, const char* message) {
    const Ended ended = run_throwing(thrower);
    CHECK(ended.code == code);
    CHECK(ended.err.starts_with("lm: "));
    CHECK_MESSAGE(ended.err.find(message) != std::string::npos, ended.err);
    CHECK(lines_of(ended.err).size() <= 2);
  };
  const auto file_error = [](FileError::While doing, int reason) {
    return [=] { throw FileError("m.bin: it failed", doing, reason); };
  };
  using enum FileError::While;
  check([] { throw FormatError("m.bin: truncated"); }, 65, "lm: error: m.bin: truncated\n");
  check([] { fail<FormatError>(Place{"t.csv:3:1"}, "no"); }, 65, "lm: t.csv:3:1: error: no\n");
  check([] { throw FormatError("no row at 3:1: x"); }, 65, "lm: error: no row at 3:1: x\n");
  check([] { throw FileError("m.bin: no such file"); }, 66, "m.bin: no such file");
  check(file_error(reading, ENOENT), 66, "m.bin");
  check(file_error(reading, EIO), 74, "m.bin");
  check(file_error(writing, ENOSPC), 74, "m.bin");
  check(file_error(writing, EACCES), 73, "m.bin");
  check([] { throw FormatError(std::string("write: ") + std::strerror(ENOSPC)); }, 65, "write");
  check([] { throw std::runtime_error("out of memory"); }, 70, "internal");
  check([] { throw MemoryError("out of memory: a tensor of 9 bytes"); }, 71, "a tensor of 9");
  check([] { throw NonFiniteError("exp: NaN"); }, 10, "exp: NaN");
  check([] { throw std::bad_alloc(); }, 71, "out of memory");
  check([] { throw std::logic_error("never here"); }, 70, "internal: never here");
  check([] { throw ShapeError("matmul: (2, 3) x (2, 3)"); }, 70, "internal: matmul");
  check([] { throw 42; }, 70, "internal");
  check([] { throw UserError(ExitCode::check_failed, "gradient off"); }, 11, "gradient off");
}

TEST_CASE("a user error is one line with its place and one line of hint") {
  const Ended ended = run_throwing([] {
    throw UserError(ExitCode::bad_data, "quoted field not closed", "close it", "a.csv:10:17");
  });
  CHECK(ended.code == 65);
  CHECK(ended.err == "lm: a.csv:10:17: error: quoted field not closed\nlm: hint: close it\n");
}

TEST_CASE("bytes that act on a terminal are shown, not sent") {
  const Ended ended =
      run_throwing([] { throw UserError(ExitCode::bad_data, "'\x1b[31m\r' is no number"); });
  CHECK(ended.err == "lm: error: '\\x1b[31m\\x0d' is no number\n");
}

TEST_CASE("an exception that nobody can catch still ends with a message") {
  const Ended ended = in_child([] {
    return run_main("lm", [] {
      std::thread([] { throw FormatError("in a worker"); }).join();
      return ExitCode::ok;
    });
  });
  CHECK(ended.code == 65);
  CHECK(ended.err == "lm: error: in a worker\n");
}

TEST_CASE("results that do not fit on the disk are an error") {
  const Ended ended = in_child(
      [] {
        return run_main("lm", [] {
          std::printf("result\n");
          return ExitCode::ok;
        });
      },
      "/dev/full");
  CHECK(ended.code == 74);
  CHECK(ended.err.find("standard output") != std::string::npos);
  CHECK(ended.err.find(std::strerror(ENOSPC)) != std::string::npos);
}

/// Runs `body` under run_main() with `stream` a pipe that nobody reads.
Ended without_reader(int stream, const std::function<void()>& body) {
  return in_child([&] {
    int ends[2];
    if (pipe(ends) != 0) return 99;
    close(ends[0]);
    dup2(ends[1], stream);
    return run_main("lm", [&] {
      body();
      return ExitCode::ok;
    });
  });
}

TEST_CASE("a reader of the results that went away ends the program quietly") {
  const Ended ended = without_reader(STDOUT_FILENO, [] {
    for (int i = 0; i < 100'000; ++i) fmt::print("result\n");
    note("never here\n");
  });
  CHECK(ended.code == 128 + SIGPIPE);
  CHECK(ended.err.empty());
}

TEST_CASE("work that must be saved outlives the readers of results and messages") {
  const Ended results = without_reader(STDOUT_FILENO, [] {
    catch_interrupts();
    std::printf("result\n");
    std::fflush(stdout);
    note("saved\n");
  });
  CHECK(results.code == 0);
  CHECK(results.err == "saved\n");
  for (const bool saves : {false, true}) {
    const Ended messages = without_reader(STDERR_FILENO, [saves] {
      if (saves) catch_interrupts();
      note("{} of {}\n", 1, 2);
      warn("lm", "nobody reads this");
      Progress(10, {.mode = ProgressMode::plain}).log("nor this");
      std::printf("result\n");
    });
    CHECK(messages.code == 0);
    CHECK(messages.out == "result\n");
  }
}

TEST_CASE("the first SIGINT, SIGTERM or SIGHUP is noted, the second one ends the program") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Ended once = in_child([signal] {
      catch_interrupts();
      raise(signal);
      return interrupted() == signal ? static_cast<int>(exit_code_of(signal)) : 1;
    });
    CHECK(once.code == 128 + signal);
    const Ended twice = in_child([signal] {
      std::signal(signal, SIG_DFL);
      catch_interrupts();
      raise(signal);
      raise(signal);
      return 1;
    });
    CHECK(twice.code == -signal);
  }
  const Ended nohup = in_child([] {
    std::signal(SIGHUP, SIG_IGN);
    catch_interrupts();
    raise(SIGHUP);
    return interrupted() == 0 ? 7 : 1;
  });
  CHECK(nohup.code == 7);
}

TEST_CASE("a limit on memory that OpenBLAS would spin at is refused") {
  const Ended ended = in_child([] {
    const rlimit low{200'000 * 1024, 200'000 * 1024};
    setrlimit(RLIMIT_AS, &low);
    return run_main("lm", [] { return ExitCode::ok; });
  });
#if !defined(TAPESTRY_ASAN) && !defined(TAPESTRY_TSAN)
  CHECK(ended.code == 71);
  CHECK(ended.err.find("the limit on memory of 195 MB is too low") != std::string::npos);
#endif
}

// --- options ---

TEST_CASE("options are read in both forms and the last of a repeated one wins") {
  Program p;
  REQUIRE(p({"train", "--hidden", "5", "--hidden=7", "--lr=1e-3", "-o", "out", "a", "--lower", "b",
             "--progress", "plain", "-q"}));
  CHECK(p.hidden == 7);
  CHECK(p.lr == 1e-3);
  CHECK(p.output == "out");
  CHECK(p.lower);
  CHECK(p.files == std::vector<std::string>{"a", "b"});
  CHECK(p.common.progress == ProgressMode::plain);
  CHECK(p.common.quiet);
  CHECK(p.train->parsed());
}

TEST_CASE("two dashes end the options") {
  Program p;
  REQUIRE(p({"train", "a", "--", "--lower", "info", "-o"}));
  CHECK_FALSE(p.lower);
  CHECK(p.files == std::vector<std::string>{"a", "--lower", "info", "-o"});
  Program q;
  REQUIRE(q({"info", "--", "-run"}));
  CHECK(q.run == "-run");
}

TEST_CASE("an unknown option or command leads to the nearest one") {
  CHECK(usage_error({"train", "--hiden", "5"}) ==
        "unknown option --hiden (did you mean --hidden?)");
  CHECK(usage_error({"train", "--hidd=5"}) == "unknown option --hidd (did you mean --hidden?)");
  CHECK(usage_error({"train", "--zzzzzz"}) == "unknown option --zzzzzz");
  CHECK(usage_error({"trian"}) == "unknown command 'trian' (did you mean train?)");
  CHECK(usage_error({"train", "-hidden", "5"}) ==
        "unknown option -hidden (did you mean --hidden?)");
  CHECK(usage_error({"--lr", "5", "train"}).find("'lm train --lr'") != std::string::npos);
  CHECK(usage_error({"info", "a", "b"}) == "unexpected argument 'b'");
  CHECK(nearest("--lrr", {"--hidden", "--lr"}) == "--lr");
  CHECK(nearest("--vocab", {"--lower", "--vocab-size"}) == "--vocab-size");
}

TEST_CASE("all bad options are reported at once and ranges are named") {
  const std::string all = usage_error(
      {"train", "--hiden", "--hidden", "0", "--lr", "nan", "--dropout", "1", "--color", "neer"});
  CHECK(all ==
        "unknown option --hiden (did you mean --hidden?)\n"
        "--hidden: must be a whole number, 1 to 4096, not '0'\n"
        "--lr: must be a number, above 0, not 'nan'\n"
        "--dropout: must be a number, at least 0 and below 1, not '1'\n"
        "--color: must be one of auto, always, never, not 'neer' (did you mean never?)");
  CHECK(usage_error({"train", "--hidden", "010"}).find("whole number") != std::string::npos);
  CHECK(usage_error({"train", "--hidden", "5x"}).find("'5x'") != std::string::npos);
  CHECK(usage_error({"train", "--hidden"}) == "--hidden needs a value");
  CHECK(usage_error({"train", "--output=", "a"}).find("has no value") != std::string::npos);
  CHECK(usage_error({"info"}) == "RUN is required");
}

TEST_CASE("help and version go to stdout and fit 100 columns") {
  for (const char* word : {"--help", "--help-all"}) {
    const Ended help = in_child([word] {
      const bool go_on = Program()({"train", word});
      std::fflush(stdout);
      return go_on ? 1 : 0;
    });
    CHECK(help.code == 0);
    CHECK(help.out.find("(1 to 4096, default 100)") != std::string::npos);
    CHECK(help.out.find("--progress auto|bar|plain|none") != std::string::npos);
    CHECK(help.err.empty());
    for (const std::string& line : lines_of(help.out)) CHECK_MESSAGE(line.size() <= 100, line);
  }
  const Ended version = in_child([] {
    Program()({"--version"});
    std::fflush(stdout);
    return 0;
  });
  CHECK(version.out == "lm 1.2.3\n");
}

TEST_CASE("man page and completion are made from the same table as help") {
  const auto printed = [](const char* word) {
    return in_child([word] {
             const bool go_on = Program()({word});
             std::fflush(stdout);
             return go_on ? 1 : 0;
           })
        .out;
  };
  const std::string man = printed("--man-page"), completion = printed("--bash-completion");
  CHECK(man.starts_with(".TH LM 1"));
  CHECK(man.find(".SS train\ntrain a model.\n") != std::string::npos);
  CHECK(man.find(".B \\-\\-hidden N\nunits in a layer (1 to 4096, default 100)\n") !=
        std::string::npos);
  CHECK(completion.find("complete -o filenames -F _lm lm") != std::string::npos);
  CHECK(completion.find("compgen -W \"auto bar plain none\"") != std::string::npos);
  CHECK(completion.find("train info -h --help --help-all --version") != std::string::npos);
}

TEST_CASE("colour follows --color, NO_COLOR and the terminal") {
  const int pty = posix_openpt(O_RDWR | O_NOCTTY);
  const bool unlocked = pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0;
  const int terminal = unlocked ? open(ptsname(pty), O_RDWR | O_NOCTTY) : -1;
  if (terminal < 0) {  // a bare chroot has none
    MESSAGE("skipped: no pseudo-terminal here");
    return;
  }
  const Ended ended = in_child([terminal] {
    int bad = 0;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    bad += !use_color(terminal) || use_color(STDOUT_FILENO) ? 1 : 0;
    setenv("NO_COLOR", "1", 1);
    bad += use_color(terminal) ? 2 : 0;
    color_mode() = ColorMode::always;
    bad += !use_color(STDOUT_FILENO) ? 4 : 0;
    color_mode() = ColorMode::automatic;
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    bad += use_color(terminal) ? 8 : 0;
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "en_GB.UTF-8", 1);
    bad += !use_utf8(terminal) || use_utf8(STDOUT_FILENO) ? 16 : 0;
    setenv("LC_ALL", "C", 1);
    bad += use_utf8(terminal) ? 32 : 0;
    const winsize narrow{20, 60, 0, 0}, wide{20, 300, 0, 0};
    ioctl(terminal, TIOCSWINSZ, &narrow);
    bad += terminal_columns(terminal) != 60 ? 64 : 0;
    ioctl(terminal, TIOCSWINSZ, &wide);
    bad += terminal_columns(terminal) != 100 || terminal_columns(STDOUT_FILENO) != 80 ? 128 : 0;
    return bad;
  });
  close(terminal);
  close(pty);
  CHECK(ended.code == 0);
}

// --- progress ---

TEST_CASE("plain progress is whole lines at its interval, the first and the last") {
  Watched w(ProgressMode::plain);
  w.at(0, 0);
  for (int i = 1; i <= 249; ++i) w.at(i * 0.1, i * 4.0);
  w.now = 1025;
  w.progress->finish(1000, Watched::status());
  w.at(26, 1000);  // after the end: nothing
  CHECK(w.text() ==
        "epoch 2/10  0.0%  step 7  0 tok  loss 5.213  ppl 183.6\n"
        "epoch 2/10  40.0%  step 7  400 tok  40 tok/s  loss 5.213  ppl 183.6  ETA 00:15\n"
        "epoch 2/10  80.0%  step 7  800 tok  40 tok/s  loss 5.213  ppl 183.6  ETA 00:05\n"
        "epoch 2/10  100.0%  step 7  1.0k tok  40 tok/s  loss 5.213  time 00:25\n");
}

TEST_CASE("one of a unit has no plural") {
  std::FILE* out = std::tmpfile();
  Progress progress(2, {.mode = ProgressMode::plain, .log_every = 0, .unit = "fits", .out = out});
  for (const double done : {1, 2}) progress.update(done, [] { return Status{}; });
  std::rewind(out);
  char line[80] = {};
  CHECK(std::string(std::fgets(line, sizeof line, out)) == "50.0%  1 fit\n");
  std::fclose(out);
}

TEST_CASE("a plain line fits 80 columns: the last fields give way to the time left") {
  Watched w(ProgressMode::plain, 100'000);
  const auto status = [] {
    return Status{"epoch 12/100",
                  {},
                  "step 1820000",
                  {"loss 5.213", "ppl 183.6", "lr 0.05", "|g| 3.4 (clip 7%)", "stale p50 1 p99 4"}};
  };
  for (int i = 0; i <= 30; ++i) {
    w.now = 1000 + i;
    w.progress->update(i * 1000.0, status);
  }
  for (const std::string& line : lines_of(w.text())) CHECK_MESSAGE(line.size() <= 80, line);
  CHECK(w.text().find("loss 5.213") != std::string::npos);
  CHECK(w.text().find("stale") == std::string::npos);
  // 71 s before rounding
  CHECK((w.text().ends_with("ETA 01:11\n") || w.text().ends_with("ETA 01:10\n")));
}

TEST_CASE("the time left appears after two seconds and is never negative") {
  Watched w(ProgressMode::bar, 100);
  w.at(1.9, 10);
  CHECK(w.text().find("ETA") == std::string::npos);
  w.at(2.1, 11);
  CHECK(w.text().find("ETA 00:17") != std::string::npos);
  w.at(30, 150);  // more work than announced
  CHECK(w.text().ends_with("ETA 00:00\x1b[K"));
  CHECK(w.text().find("100.0%") != std::string::npos);
}

TEST_CASE("a pause changes neither speed nor time left") {
  Watched w(ProgressMode::plain, 1000);
  for (int i = 0; i <= 40; ++i) w.at(i * 0.1, i * 1.0);
  {
    const auto pause = w.progress->pause();
    w.now += 500;
  }
  w.progress->update(40, Watched::status);
  CHECK(w.progress->units_per_second() == doctest::Approx(10));
  CHECK(w.progress->seconds() == doctest::Approx(4));
  CHECK(w.text().ends_with("ETA 01:36\n"));
}

TEST_CASE("a resumed run counts the speed from where it resumes") {
  Watched w(ProgressMode::none, 1000, 900);
  w.at(5, 950);
  CHECK(w.progress->units_per_second() == doctest::Approx(10));
}

TEST_CASE("the speed follows a change and stays between the old and the new") {
  Watched w(ProgressMode::none, 1e6);
  for (int i = 1; i <= 100; ++i) w.at(i, i * 100.0);
  CHECK(w.progress->units_per_second() == doctest::Approx(100));
  for (int i = 1; i <= 10; ++i) w.at(100 + i, 10000 + i * 300.0);
  CHECK(w.progress->units_per_second() ==
        doctest::Approx(300 - 200 * std::exp(-1.0)).epsilon(1e-3));
}

TEST_CASE("the bar is redrawn ten times a second at most and erased before a line and at the end") {
  Watched w(ProgressMode::bar);
  for (int i = 0; i <= 1000; ++i) w.at(i * 0.001, i * 1.0);
  const std::string drawn = w.text();
  const auto redraws = std::count(drawn.begin(), drawn.end(), '\r');
  CHECK(redraws >= 8);
  CHECK(redraws <= 11);
  CHECK(drawn.find('\n') == std::string::npos);
  for (std::size_t at = 0, next; (next = drawn.find("\x1b[K", at)) != std::string::npos;
       at = next + 3)
    CHECK(next - at <= 80);
  w.progress->log("saved");
  CHECK(w.text().ends_with("\r\x1b[Ksaved\n"));
  w.at(1.001, 1000);
  w.progress->finish(1000, Watched::status());
  CHECK(w.text().ends_with("\r\x1b[K"));
  CHECK(w.text().find("#") != std::string::npos);
}

TEST_CASE("quiet and none show no progress; only quiet silences log lines") {
  Watched none(ProgressMode::none), quiet(ProgressMode::bar, 1000, 0, true);
  for (Watched* w : {&none, &quiet}) {
    w->at(1, 10);
    w->progress->log("line");
    w->progress->finish(1000, Watched::status());
  }
  CHECK(none.text() == "line\n");
  CHECK(quiet.text().empty());
}

TEST_CASE("lines logged by other threads stay whole") {
  Watched w(ProgressMode::bar);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        w.progress->update(i, Watched::status);
        w.progress->log("a line of the log");
      }
    });
  for (std::thread& thread : threads) thread.join();
  int whole = 0;
  for (const std::string& line : lines_of(w.text()))
    if (line.ends_with("\ra line of the log") || line.ends_with("\x1b[Ka line of the log") ||
        line == "a line of the log")
      ++whole;
  CHECK(whole == 400);
}

TEST_CASE("counts and times are short and exact at their borders") {
  CHECK(short_count(0) == "0");
  CHECK(short_count(2.34) == "2.3");
  CHECK(short_count(999) == "999");
  CHECK(short_count(999.7) == "1.0k");
  CHECK(short_count(812345) == "812k");
  CHECK(short_count(999600) == "1.0M");
  CHECK(short_count(3.14e6) == "3.1M");
  CHECK(short_count(31.4e6) == "31M");
  CHECK(clock_time(-5) == "00:00");
  CHECK(clock_time(372) == "06:12");
  CHECK(clock_time(3723) == "1:02:03");
  CHECK(clock_time(100000) == "1d 03:46");
}

// --- run directories ---

TEST_CASE("a directory that holds a run is refused, resumed or overwritten on request") {
  const TemporaryDirectory scratch;
  const fs::path path = scratch.path / "a" / "run";
  const std::vector<std::string> owned{"run.json", "ckpt-*"};
  {
    const RunDirectory run(path, owned, IfRunExists::refuse);
    CHECK_FALSE(run.holds_run());
    CHECK(fs::is_directory(path));
    CHECK(fs::is_empty(path));
    write_atomically(run / "run.json", "{}");
    fs::create_directories(path / "ckpt-7" / "x");
    write_atomically(run / "notes.txt", "mine");
  }
  const UserError error = thrown([&] { RunDirectory(path, owned, IfRunExists::refuse); });
  CHECK(error.code() == ExitCode::cannot_create);
  CHECK(error.where() == path.string());
  CHECK(error.hint().find("--overwrite") != std::string::npos);
  CHECK(RunDirectory(path, owned, IfRunExists::resume).holds_run());
  CHECK(fs::exists(path / "ckpt-7" / "x"));
  CHECK_FALSE(RunDirectory(path, owned, IfRunExists::overwrite).holds_run());
  CHECK_FALSE(fs::exists(path / "run.json"));
  CHECK_FALSE(fs::exists(path / "ckpt-7"));
  CHECK(contents(path / "notes.txt") == "mine");
}

TEST_CASE("a directory that cannot be made is named with the reason") {
  for (const char* path : {"/dev/null/run", "/proc/run"}) {
    const UserError error = thrown([&] { RunDirectory(path, {}, IfRunExists::refuse); });
    CHECK(error.code() == ExitCode::cannot_create);
    CHECK(error.where() == path);
  }
}

TEST_CASE("a run directory belongs to one process at a time") {
  const TemporaryDirectory scratch;
  const RunDirectory held(scratch.path, {}, IfRunExists::refuse);
  const UserError error = thrown([&] { RunDirectory(scratch.path, {}, IfRunExists::overwrite); });
  CHECK(std::string(error.what()) == "in use by another process");
}

TEST_CASE("default run names carry the time and count up on collision") {
  const TemporaryDirectory scratch;
  const std::time_t now = 1700000000;
  const fs::path first = create_default_run("lm", now, scratch.path / "runs");
  const std::string name = first.filename();
  CHECK(name.size() == std::strlen("lm-YYYYMMDD-HHMMSS"));
  CHECK(name.starts_with("lm-202311"));
  CHECK(create_default_run("lm", now, scratch.path / "runs").filename() == name + "-2");
  CHECK(create_default_run("lm", now, scratch.path / "runs").filename() == name + "-3");
}

TEST_CASE("an atomic write replaces the file whole and leaves nothing else") {
  const TemporaryDirectory scratch;
  const fs::path path = scratch.path / "f";
  write_atomically(path, "old");
  const std::string large(3'000'000, 'x');
  write_atomically(path, large);
  CHECK(contents(path) == large);
  CHECK(std::distance(fs::directory_iterator(scratch.path), fs::directory_iterator()) == 1);
}

TEST_CASE("a failed write keeps the old file, removes the temporary one and says why") {
  const TemporaryDirectory scratch;
  const fs::path path = scratch.path / "f";
  write_atomically(path, "old");
  const Ended ended = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};  // the next best thing to a full disk
    setrlimit(RLIMIT_FSIZE, &limit);
    return run_main("lm", [&] {
      write_atomically(path, std::string(5000, 'x'));
      return ExitCode::ok;
    });
  });
  CHECK(ended.code == 74);
  CHECK(ended.err.starts_with(
      fmt::format("lm: {}: error: cannot write: {}", path.string(), std::strerror(EFBIG))));
  CHECK(contents(path) == "old");
  CHECK(std::distance(fs::directory_iterator(scratch.path), fs::directory_iterator()) == 1);
  CHECK(thrown([&] { write_atomically(scratch.path / "no" / "f", "x"); }).code() ==
        ExitCode::cannot_create);
  fs::create_directory(scratch.path / "d");
  CHECK(thrown([&] { write_atomically(scratch.path / "d", "x"); }).code() ==
        ExitCode::cannot_create);
  CHECK(std::distance(fs::directory_iterator(scratch.path), fs::directory_iterator()) == 2);
}

TEST_CASE("metrics are the same rows in CSV and JSON lines, on disk after each row") {
  const TemporaryDirectory scratch;
  MetricsWriter metrics(scratch.path, {"step", "loss", "lr"});
  metrics.row({18200, 5.25, std::nullopt});
  metrics.row({18300, std::nan(""), 0.1});
  CHECK(contents(scratch.path / "metrics.csv") == "step,loss,lr\n18200,5.25,\n18300,,0.1\n");
  CHECK(contents(scratch.path / "metrics.jsonl") ==
        "{\"step\":18200,\"loss\":5.25,\"lr\":null}\n{\"step\":18300,\"loss\":null,\"lr\":0.1}\n");
  for (const std::string& line : lines_of(contents(scratch.path / "metrics.jsonl")))
    CHECK(Json::parse(line).size() == 3);
  CHECK_THROWS_AS(metrics.row({1, 2}), std::logic_error);
}

TEST_CASE("resumed metrics begin with the rows that are given, whatever was there") {
  const TemporaryDirectory scratch;
  {
    MetricsWriter metrics(scratch.path, {"step"});
    for (const double step : {1, 2, 3}) metrics.row({step});
  }
  std::ofstream(scratch.path / "metrics.jsonl", std::ios::app) << "{\"st";
  {
    const std::vector<MetricsWriter::Row> kept = {{1}, {2}};
    MetricsWriter metrics(scratch.path, {"step"}, kept);
    metrics.row({30});
  }
  CHECK(contents(scratch.path / "metrics.csv") == "step\n1\n2\n30\n");
  CHECK(contents(scratch.path / "metrics.jsonl") == "{\"step\":1}\n{\"step\":2}\n{\"step\":30}\n");
}

// --- plots ---

TEST_CASE("a plot leaves its numbers, one row for each x") {
  const TemporaryDirectory scratch;
  Plot plot = small_plot();
  plot.series[0].y[1] = std::nan("");
  plot.series.push_back({"80 %, \"both\"", {0, 4}, {1, 2}, {3, 4}, Series::Style::band});
  const PlotFiles files = write_plot(plot, scratch.path / "loss");
  CHECK(files.written.size() >= 2);
  CHECK(contents(scratch.path / "loss.csv") ==
        "tokens,training,held-out,\"80 %, \"\"both\"\" low\",\"80 %, \"\"both\"\" high\"\n"
        "0,5,1,1,3\n1,NaN,,,\n2,3,1,,\n3,2,,,\n4,1,1,2,4\n");
}

TEST_CASE("a plot is drawn where gnuplot is installed, whatever is in its names") {
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) return;
  const TemporaryDirectory scratch;
  Plot plot = small_plot();
  plot.title = "a 'b' \"c\" `touch hacked` $x @y {/z} _1 \\";
  plot.series[0].name = plot.title;
  plot.markers = {{2, plot.title}};
  for (const char* name : {"a plot's", "month"}) {
    const PlotFiles files = write_plot(plot, scratch.path / name);
    CHECK(files.warning.empty());
    REQUIRE(files.written.size() == 4);
    CHECK(contents(files.written[2]).find("<svg") != std::string::npos);
    CHECK(contents(files.written[3]).substr(1, 3) == "PNG");
    plot.x_axis = Plot::Axis::month;
    for (Series& s : plot.series)
      for (double& x : s.x) x += month_number("1949-01");
    plot.markers[0].x += month_number("1949-01");
  }
  CHECK_FALSE(fs::exists(scratch.path / "hacked"));
}

TEST_CASE("without gnuplot there is no picture and no complaint; a broken one is a warning") {
  const TemporaryDirectory scratch;
  const auto plot_with_path = [&] {
    setenv("PATH", scratch.path.c_str(), 1);
    const PlotFiles files = write_plot(small_plot(), scratch.path / "p");
    std::printf("%zu %s", files.written.size(), files.warning.c_str());
    std::fflush(stdout);
    return 0;
  };
  CHECK(in_child(plot_with_path).out == "2 ");
  std::ofstream(scratch.path / "gnuplot") << "#!/bin/sh\necho broken >&2\nexit 3\n";
  fs::permissions(scratch.path / "gnuplot", fs::perms::owner_all);
  const std::string out = in_child(plot_with_path).out;
  CHECK(out.starts_with("2 gnuplot "));
  CHECK(out.ends_with("no picture: broken"));
}

TEST_CASE("points keep off the frame, a logarithmic axis is labelled, a share begins at 0") {
  const TemporaryDirectory directory;
  Plot plot{
      .title = "t",
      .x_label = "x",
      .y_label = "y",
      .series = {{.name = "a", .x = {0.03, 0.4}, .y = {1, 2}, .style = Series::Style::points}},
      .x_axis = Plot::Axis::logarithmic,
      .y_from_zero = true};
  write_plot(plot, directory.path / "p");
  const std::string script = contents(directory.path / "p.gp");
  for (const char* tick : {"'0.05' 0.05", "'0.1' 0.1", "'0.2' 0.2"})
    CHECK(script.find(tick) != std::string::npos);
  CHECK(script.find("set xrange [0.03:") == std::string::npos);
  CHECK(script.find(":0.4]") == std::string::npos);
  CHECK(script.find("set yrange [0:*]") != std::string::npos);
}

TEST_CASE("a page has a plot for each panel, one key, and is drawn where gnuplot is installed") {
  const TemporaryDirectory directory;
  Plot plot{.title = "page of 'three'", .x_label = "x", .y_label = "y", .series = {}};
  for (std::size_t i = 0; i < 3; ++i) {
    plot.panels.push_back("panel_" + std::to_string(i));
    const double y = static_cast<double>(i) + 7;
    plot.series.push_back({.name = "seen", .x = {1, 2}, .y = {y, 1}, .panel = i});
    plot.series.push_back({.name = "likely",
                           .x = {1, 2},
                           .y = {0, 0},
                           .y_high = {2, 2},
                           .style = Series::Style::band,
                           .panel = i});
  }
  const PlotFiles files = write_plot(plot, directory.path / "p");
  CHECK(files.warning.empty());
  CHECK(files.written.size() == (std::system("command -v gnuplot >/dev/null 2>&1") == 0 ? 4 : 2));
  const std::string script = contents(directory.path / "p.gp");
  const auto count = [&](const std::string& part) {
    int n = 0;
    for (std::size_t at = script.find(part); at != std::string::npos;
         at = script.find(part, at + 1))
      ++n;
    return n;
  };
  for (std::size_t i = 0; i < 3; ++i) {  // on each of the two terminals
    CHECK(count("set title 'panel_" + std::to_string(i) + "' noenhanced") == 2);
    const auto column = [&](std::size_t k) { return std::to_string(2 + 3 * i + k); };
    CHECK(count("'p.csv' skip 1 using 1:" + column(0) + " with lines") == 2);
    CHECK(count("'p.csv' skip 1 using 1:" + column(1) + ":" + column(2) + " with filled") == 2);
  }
  CHECK(count("set multiplot layout 2,2") == 2);
  CHECK(count("unset key") == 2);
}

TEST_CASE("months count up through the years and come back as text") {
  CHECK(month_number("1950-01") - month_number("1949-01") == 12);
  for (const char* month : {"0000-01", "1949-01", "1960-12", "2024-10"})
    CHECK(month_name(month_number(month)) == month);
  for (const char* wrong : {"", "1949", "1949-13", "1949-00", "1949/01", "1949-1 ", "x949-01"})
    CHECK_THROWS_AS(month_number(wrong), ValueError);
}

TEST_CASE("a text chart draws curves where their values are") {
  Plot plot = small_plot();
  plot.markers = {{2, "half"}};
  CHECK(text_chart(plot, 30, 5) ==
        "         It's a test\n"
        "loss\n"
        "  |****         | half\n"
        "4 +    ******   |\n"
        "  |          *******\n"
        "2 +             |   ******\n"
        "  |+            +         **+\n"
        "  ++------------+-----------+\n"
        "   0            2           4\n"
        "            tokens\n"
        "* training   + held-out\n");
}

TEST_CASE("a text chart keeps its width, and is ASCII unless told otherwise") {
  Plot plot = small_plot();
  plot.series.push_back({"interval", {0, 4}, {1, 2}, {3, 4}, Series::Style::band});
  for (const int width : {30, 60, 100})
    for (const bool months : {false, true}) {
      plot.x_axis = months ? Plot::Axis::month : Plot::Axis::number;
      const std::string chart = text_chart(plot, width, 12);
      CHECK(std::all_of(chart.begin(), chart.end(), [](char c) { return c == '\n' || c >= ' '; }));
      for (const std::string& line : lines_of(chart))
        CHECK_MESSAGE(static_cast<int>(line.size()) <= width, line);
    }
  CHECK(text_chart(plot, 60, 12, {true, false}).find("┤") != std::string::npos);
  CHECK(text_chart(plot, 60, 12, {true, false}).find('\x1b') == std::string::npos);
  CHECK(text_chart(plot, 60, 12, {true, true}).find("\x1b[38;5;") != std::string::npos);
}

TEST_CASE("charts of nothing, of one point and of a constant are drawn without a fault") {
  Plot plot;
  plot.title = "empty";
  CHECK(text_chart(plot, 60, 10) == "empty\n(nothing to draw)\n");
  plot.series = {{"a", {1}, {0}}};
  CHECK(text_chart(plot, 60, 10).find('*') != std::string::npos);
  plot.series = {{"a", {1, 2}, {7, 7}}};
  CHECK(text_chart(plot, 60, 10, {true, true}).size() > 100);
  plot.series = {{"a", {1, 2}, {7, 1e300}}};
  CHECK(text_chart(plot, 60, 10).find('*') != std::string::npos);
  plot.series = {{"a", {1, 2}, {7}}};
  CHECK_THROWS_AS(text_chart(plot, 60, 10), ShapeError);
}
