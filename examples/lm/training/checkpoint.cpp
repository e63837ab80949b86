#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/training/checkpoint.h>

#include <algorithm>
#include <cstdio>

namespace tapestry::lm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kChecksum = "checksum";

/// `tensors` is their fingerprint.
uint64_t checksum(uint64_t tensors, const std::map<std::string, std::string>& metadata) {
  uint64_t h = tensors;
  for (const auto& [key, value] : metadata)
    if (key != kChecksum) h = hash_text(value, hash_text(key, h));
  return h;
}

std::string name_of(int64_t updates) { return fmt::format("ckpt-{:06}.safetensors", updates); }

}  // namespace

NamedTensors read_checkpoint(const fs::path& path, const std::string& prefix) {
  NamedTensors state;
  uint64_t tensors = 0;
  state.metadata = read_safetensors(path.string(), [&](const std::string& name, Tensor tensor) {
    tensors = hash_tensor(name, tensor, tensors);
    if (name.starts_with(prefix)) state.tensors[name] = std::move(tensor);
  });
  require<FormatError>(state.text(kChecksum) == hex(checksum(tensors, state.metadata)),
                       "read: ", path.string(),
                       ": the checksum is wrong: the file was damaged after it was written");
  return state;
}

std::vector<fs::path> checkpoints(const fs::path& directory) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    long long updates = 0;
    int length = 0;
    const std::string name = it->path().filename().string();
    if (std::sscanf(name.c_str(), "ckpt-%lld.safetensors%n", &updates, &length) == 1 &&
        static_cast<size_t>(length) == name.size())
      found.emplace_back(updates, it->path());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> out;
  for (auto& [updates, path] : found) out.push_back(std::move(path));
  return out;
}

std::pair<fs::path, NamedTensors> read_newest(const fs::path& directory, const std::string& first,
                                              const std::string& prefix) {
  std::vector<fs::path> candidates = checkpoints(directory);
  const fs::path wanted = directory / first;
  std::error_code ignored;
  const fs::path target = fs::canonical(wanted, ignored);
  if (!target.empty()) {
    std::erase_if(candidates,
                  [&](const fs::path& p) { return fs::equivalent(p, target, ignored); });
    candidates.insert(candidates.begin(), wanted);
  }
  std::exception_ptr problem;
  std::string reasons;
  for (const fs::path& path : candidates) try {
      NamedTensors state = read_checkpoint(path, prefix);
      if (!reasons.empty())
        app::warn("lm", fmt::format("{}; going back to {}", reasons, path.string()));
      return {path, std::move(state)};
    } catch (const Error& e) {
      if (!problem) problem = std::current_exception();
      reasons += (reasons.empty() ? "" : "; ") + std::string(e.what());
    }
  if (problem) std::rethrow_exception(problem);
  throw app::UserError(app::ExitCode::no_input, directory.string() + " holds no checkpoint");
}

void CheckpointWriter::write(NamedTensors state, int64_t updates, bool best) {
  const std::string name = name_of(updates);
  state.metadata[kChecksum] = hex(checksum(fingerprint(state), state.metadata));
  const auto failed = [&](const std::exception& e) {
    if (!fs::exists(directory_.path()))
      throw app::UserError(app::ExitCode::io_error,
                           "the run directory is gone: it was removed or renamed while training",
                           "what was learnt since then is lost; start again",
                           directory_.path().string());
    const auto good = checkpoints(directory_.path());
    throw app::UserError(
        app::ExitCode::io_error, fmt::format("the checkpoint could not be saved: {}", e.what()),
        good.empty() ? "free some space and start again"
                     : fmt::format("{} is good: free some space, then lm train --resume -o {}",
                                   good[0].filename().string(), directory_.path().string()));
  };
  try {
    write_safetensors((directory_ / name).string(), state);
    link("last", name);
    last_ = name;
    if (best) link("best", name);
    remove_old();
  } catch (const FileError& e) {
    failed(e);
  } catch (const fs::filesystem_error& e) {
    failed(e);
  }
}

void CheckpointWriter::restore_best(int64_t updates) {
  if (fs::exists(directory_ / name_of(updates))) link("best", name_of(updates));
}

void CheckpointWriter::remove_old() {
  std::error_code ignored;
  const std::string best = fs::read_symlink(directory_ / "best", ignored).string();
  const auto all = checkpoints(directory_.path());
  for (size_t i = keep_; i < all.size(); ++i)
    if (all[i].filename() != best && all[i].filename() != last_) fs::remove(all[i], ignored);
  // What a killed process was writing. The directory is locked: nobody else writes now.
  for (fs::directory_iterator it(directory_.path(), ignored), end; it != end; it.increment(ignored))
    if (it->path().filename().string().find(".safetensors.tmp.") != std::string::npos)
      fs::remove(it->path(), ignored);
}

/// Replaces a symbolic link in one step.
void CheckpointWriter::link(const std::string& name, const std::string& target) {
  std::error_code error;
  const fs::path beside = directory_ / (name + ".new");
  fs::remove(beside, error);
  fs::create_symlink(target, beside, error);
  if (!error) fs::rename(beside, directory_ / name, error);
  if (error) throw fs::filesystem_error("cannot link", directory_ / name, error);
}

}  // namespace tapestry::lm
