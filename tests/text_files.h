#pragma once
// What tests of files need: a file and a directory that go away, and the message of an error.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tapestry {

/// A file with the given bytes, gone at the end of the scope.
struct TemporaryFile {
  std::string path;

  explicit TemporaryFile(const std::string& bytes, const std::string& extension = "") {
    static int counter = 0;
    path = (std::filesystem::temp_directory_path() / "tapestry_test_").string() +
           std::to_string(getpid()) + "_" + std::to_string(counter++) + extension;
    std::ofstream(path, std::ios::binary) << bytes;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path); }
};

/// An empty directory, gone with what is in it at the end of the scope.
struct TemporaryDirectory {
  std::filesystem::path path;

  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "tapestry_test_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// `text` with each `part` replaced by F.
inline std::string without(std::string text, const std::string& part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.replace(at, part.size(), "F");
  return text;
}

/// The message with which the action fails, `path` replaced by F.
template <class E, class Action>
std::string failure(const std::string& path, Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return without(error.what(), path);
  }
  return "no error";
}

}  // namespace tapestry
