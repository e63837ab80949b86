#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/training/verify_resume.h>

#include <fmt/format.h>

#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/training/trainer.h>

#include <cstdlib>
#include <set>

namespace tapestry::lm {
namespace {
namespace fs = std::filesystem;

struct TemporaryDirectory {
  fs::path path;
  TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "lm-verify-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw app::UserError(app::ExitCode::cannot_create, "cannot create a temporary directory",
                           "set TMPDIR", name);
    path = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

/// Trains up to `updates` updates in `path`, on from the checkpoint there; returns the new one.
NamedTensors train_to(int64_t updates, const fs::path& path, TrainSettings s, const Data& data) {
  s.output = path.string();
  s.max_steps = updates;
  const app::RunDirectory directory(path, run_files(), app::IfRunExists::resume);
  std::optional<NamedTensors> from;
  if (!checkpoints(path).empty()) from = read_newest(path, "last").second;
  Trainer(s, data, &directory, from ? &*from : nullptr).run();
  return read_newest(path, "last").second;
}

/// The names of what differs, but for times and for how good the ends were.
std::vector<std::string> differences(const NamedTensors& a, const NamedTensors& b) {
  static const std::set<std::string> kIgnored = {"seconds", "checksum", "best_loss", "best_epoch",
                                                 "best_updates"};
  std::vector<std::string> out;
  const auto only = [](const NamedTensors& from, const std::string& name) {
    NamedTensors one;
    if (const auto found = from.tensors.find(name); found != from.tensors.end())
      one.tensors.insert(*found);
    return fingerprint(one);
  };
  for (const auto& [name, tensor] : a.tensors)
    if (only(a, name) != only(b, name)) out.push_back(name);
  for (const auto& [key, value] : a.metadata) {
    const auto found = b.metadata.find(key);
    if (!kIgnored.contains(key) && (found == b.metadata.end() || found->second != value))
      out.push_back(key);
  }
  if (a.tensors.size() != b.tensors.size()) out.push_back("the number of tensors");
  return out;
}

}  // namespace

void verify_resume(const TrainSettings& settings, Data& data) {
  constexpr int64_t kUpdates = 10;
  TrainSettings s = settings;
  s.epochs = std::numeric_limits<int32_t>::max();  // a short text may need many
  s.patience = s.max_tokens = s.save_every = s.sample_every = 0;
  s.max_time = 0;
  s.common.quiet = true;
  if (s.schedule == "cosine") s.epochs = std::max<int64_t>(settings.epochs, 2 * kUpdates);
  // Without held-out text, which goes back when this ends.
  struct Without {
    EncodedCorpus &valid, kept;
    explicit Without(EncodedCorpus& v) : valid(v), kept(std::move(v)) { v = {}; }
    ~Without() { valid = std::move(kept); }
  };
  const Without no_valid(data.valid);
  const TemporaryDirectory once, twice;
  const NamedTensors whole = train_to(2 * kUpdates, once.path, s, data);
  train_to(kUpdates, twice.path, s, data);
  const NamedTensors resumed = train_to(2 * kUpdates, twice.path, s, data);
  const auto differ = differences(whole, resumed);
  if (!differ.empty())
    throw app::UserError(
        app::ExitCode::check_failed,
        fmt::format("--verify-resume: after {} updates, resumed after {}, {} of the state differ: "
                    "{}{}",
                    2 * kUpdates, kUpdates, differ.size(), differ[0],
                    differ.size() > 1 ? ", ..." : ""),
        "please report this with the command line");
  if (!settings.common.quiet)
    app::note("resume verified: {0} + {0} updates end with the bits of {1} ({2})\n", kUpdates,
              2 * kUpdates, hex(fingerprint(whole, "model.")));
}

}  // namespace tapestry::lm
